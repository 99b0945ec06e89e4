"""Exercise 2: the clipped loss, its values and its gradients in six regions."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from anatomy.classroom.case import Case, Draw, Inputs, given, gradient
from anatomy.classroom.exercise import Exercise, WrongAnswer
from anatomy.losses import clipped_surrogate

# Six regions: the ratio below, inside and above [0.8, 1.2], for a good and a bad action.
RATIOS_TRIED = [0.7, 1.1, 1.5]
TABLE = [[math.log(ratio) for ratio in RATIOS_TRIED]] * 2  # logprobs, old_logprobs being 0
ZEROS = [[0.0] * 3] * 2
SIGNS = [[0.5] * 3, [-0.5] * 3]
six_regions = given(TABLE, ZEROS, SIGNS, clip_range=0.2)


def random_batch(clip_range: float) -> Draw:
    def draw(generator: torch.Generator) -> Inputs:
        logprobs, old_logprobs, advantages = torch.randn(3, 6, 5, generator=generator)
        return Inputs((logprobs - 2, old_logprobs - 2, advantages), {"clip_range": clip_range})

    return draw


def from_ratio(loss: Callable[[Tensor, Tensor, Tensor], Tensor]) -> Callable[..., Tensor]:
    """A wrong loss given as a function of ratio, clipped ratio and advantages."""

    def function(
        logprobs: Tensor, old_logprobs: Tensor, advantages: Tensor, *, clip_range: float
    ) -> Tensor:
        ratio = torch.exp(logprobs - old_logprobs)
        return loss(ratio, ratio.clamp(1 - clip_range, 1 + clip_range), advantages)

    return function


def upside_down(new: Tensor, old: Tensor, advantages: Tensor, *, clip_range: float) -> Tensor:
    return clipped_surrogate(old, new, advantages, clip_range=clip_range)


def quotient_of_logs(new: Tensor, old: Tensor, advantages: Tensor, *, clip_range: float) -> Tensor:
    ratio = new / old
    clipped = ratio.clamp(1 - clip_range, 1 + clip_range)
    return -torch.minimum(ratio * advantages, clipped * advantages)


def clipped_log(new: Tensor, old: Tensor, advantages: Tensor, *, clip_range: float) -> Tensor:
    log_ratio = new - old
    clipped = log_ratio.clamp(-clip_range, clip_range).exp()
    return -torch.minimum(log_ratio.exp() * advantages, clipped * advantages)


CLIP = Exercise(
    id="ppo.clip",
    title="The clipped loss",
    points=3,
    reference=clipped_surrogate,
    cases=(
        Case(
            "values in the six regions",
            six_regions,
            "Rows: Â = 0.5 and −0.5. Columns: ρ = 0.7, 1.1, 1.5, and ε = 0.2. The loss is minus "
            "the smaller of ρ Â and clip(ρ) Â.",
            expected=[[-0.35, -0.55, -0.6], [0.4, 0.55, 0.75]],
        ),
        Case(
            "gradients in the six regions",
            six_regions,
            "∂ρ/∂log π = ρ, so an unclipped element has the gradient −ρ Â. It vanishes in two "
            "regions only: Â > 0 beyond 1 + ε, and Â < 0 below 1 − ε.",
            expected=[[-0.35, -0.55, 0.0], [0.0, 0.55, 0.75]],
            observe=gradient,
        ),
        Case(
            "ρ = 1: nothing has moved yet",
            given([[-1.0, -2.0]], [[-1.0, -2.0]], [[0.25, -3.0]], clip_range=0.2),
            "At ρ = 1 the loss is −Â.",
            expected=[[-0.25, 3.0]],
        ),
        Case(
            "ρ = 1: the gradient is the policy gradient",
            given([[-1.0, -2.0]], [[-1.0, -2.0]], [[0.25, -3.0]], clip_range=0.2),
            "At ρ = 1 the gradient with respect to log π is −Â.",
            expected=[[-0.25, 3.0]],
            observe=gradient,
        ),
        Case(
            "a narrower clip, ε = 0.05",
            given([[math.log(1.1)]], [[0.0]], [[2.0]], clip_range=0.05),
            "The range is 1 ± clip_range, not always 0.8 to 1.2.",
            expected=[[-2.1]],
        ),
        Case("random values", random_batch(0.2), "One loss for each element: (B, T) → (B, T)."),
        Case(
            "random gradients",
            random_batch(0.1),
            "Compare each element's gradient with −ρ Â or 0.",
            observe=gradient,
        ),
    ),
    wrong_answers=(
        WrongAnswer(
            "You took the larger of the two: −max. The min makes the bound pessimistic; with max, "
            "a bad step is clipped and a good one is pushed without limit.",
            from_ratio(lambda ratio, clipped, a: -torch.maximum(ratio * a, clipped * a)),
        ),
        WrongAnswer(
            "You clip without the min, so a change for the worse (Â > 0 and ρ < 0.8, or Â < 0 and "
            "ρ > 1.2) has no gradient that would undo it.",
            from_ratio(lambda ratio, clipped, a: -clipped * a),
        ),
        WrongAnswer(
            "You do not clip: this is L^CPI, the plain surrogate.",
            from_ratio(lambda ratio, clipped, a: -ratio * a),
        ),
        WrongAnswer(
            "The sign: the paper maximises L^CLIP, an optimiser minimises. The loss is −min.",
            from_ratio(lambda ratio, clipped, a: torch.minimum(ratio * a, clipped * a)),
        ),
        WrongAnswer(
            "You multiplied min(ρ, clip(ρ)) by Â. The min is over the products, which turns it "
            "round where Â < 0.",
            from_ratio(lambda ratio, clipped, a: -torch.minimum(ratio, clipped) * a),
        ),
        WrongAnswer("Your ratio is upside down: ρ = π_θ / π_old.", upside_down),
        WrongAnswer(
            "You divided log-probabilities. ρ = exp(log π_θ − log π_old).", quotient_of_logs
        ),
        WrongAnswer(
            "You clipped log ρ to ±ε. The range is 1 ± ε for ρ itself, which is not symmetric in "
            "the logarithm.",
            clipped_log,
        ),
        WrongAnswer(
            "The values are right, but no gradient reaches logprobs: look for .detach(), .data or "
            "no_grad.",
            from_ratio(lambda ratio, clipped, a: -torch.minimum(ratio * a, clipped * a).detach()),
        ),
        WrongAnswer(
            "You averaged. The loop averages with a mask; return one loss for each element.",
            from_ratio(lambda ratio, clipped, a: -torch.minimum(ratio * a, clipped * a).mean()),
        ),
    ),
)
