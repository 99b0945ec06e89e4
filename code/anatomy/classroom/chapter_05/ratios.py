"""Exercise 4: a probe for the ratios that clipping does not hold."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from anatomy.classroom.case import Case, Inputs, given
from anatomy.classroom.exercise import Exercise, WrongAnswer


def ratio_probe(
    logprobs: Tensor, old_logprobs: Tensor, mask: Tensor, *, clip_range: float
) -> dict[str, float]:
    """Share of the ratios beyond 1 ± ε, the lowest and the highest, over the masked elements."""
    ratio = torch.exp(logprobs - old_logprobs)[mask]
    outside = (ratio - 1).abs() > clip_range
    return {
        "outside": outside.float().mean().item(),
        "lowest": ratio.min().item(),
        "highest": ratio.max().item(),
    }


def probe_of(
    ratios: Callable[[Tensor, Tensor], Tensor] = lambda new, old: torch.exp(new - old),
    beyond: Callable[[Tensor, float], Tensor] = lambda ratio, eps: (ratio - 1).abs() > eps,
    *,
    masked: bool = True,
) -> Callable[..., dict[str, float]]:
    """A wrong probe: another ratio, another idea of outside, or no mask."""

    def function(new: Tensor, old: Tensor, mask: Tensor, *, clip_range: float) -> dict[str, float]:
        ratio = ratios(new, old)
        ratio = ratio[mask] if masked else ratio.flatten()
        share = beyond(ratio, clip_range).float().mean().item()
        return {"outside": share, "lowest": ratio.min().item(), "highest": ratio.max().item()}

    return function


def share_of_everything(
    new: Tensor, old: Tensor, mask: Tensor, *, clip_range: float
) -> dict[str, float]:
    found = ratio_probe(new, old, mask, clip_range=clip_range)
    return found | {"outside": found["outside"] * mask.float().mean().item()}


def random_probe(generator: torch.Generator) -> Inputs:
    logprobs, old_logprobs = 0.3 * torch.randn(2, 8, 6, generator=generator) - 1
    mask = torch.rand(8, 6, generator=generator) < 0.7
    return Inputs((logprobs, old_logprobs, mask), {"clip_range": 0.2})


FOUR = [[math.log(ratio) for ratio in (0.5, 0.9, 1.1, 1.6)]]

RATIOS = Exercise(
    id="ppo.ratios",
    title="A ratio that leaves the range",
    points=2,
    reference=ratio_probe,
    cases=(
        Case(
            "four ratios: 0.5, 0.9, 1.1, 1.6",
            given(FOUR, [[0.0] * 4], [[True] * 4], clip_range=0.2),
            "Two of the four lie beyond 1 ± 0.2, one on each side.",
            expected={"outside": 0.5, "lowest": 0.5, "highest": 1.6},
        ),
        Case(
            "the same, the last two masked out",
            given(FOUR, [[0.0] * 4], [[True, True, False, False]], clip_range=0.2),
            "Only elements with mask True count, in the share and in the extremes.",
            expected={"outside": 0.5, "lowest": 0.5, "highest": 0.9},
        ),
        Case(
            "padding that holds NaN",
            given([[0.0, 0.0, math.nan]], [[0.0, 0.0, 0.0]], [[True, True, False]], clip_range=0.2),
            "Select with the mask before you compute; NaN · 0 is NaN.",
            expected={"outside": 0.0, "lowest": 1.0, "highest": 1.0},
        ),
        Case(
            "ρ = 1.21 and ρ = 0.9",
            given([[math.log(1.21), math.log(0.9)]], [[0.0, 0.0]], [[True] * 2], clip_range=0.2),
            "The range is [0.8, 1.2] for ρ. In the logarithm it is [−0.223, 0.182].",
            expected={"outside": 0.5, "lowest": 0.9, "highest": 1.21},
        ),
        Case(
            "a narrower range, ε = 0.1",
            given(
                [[math.log(0.85), math.log(1.05), math.log(1.15)]],
                [[0.0] * 3],
                [[True] * 3],
                clip_range=0.1,
            ),
            "The range is 1 ± clip_range, not always 0.8 to 1.2.",
            expected={"outside": 2 / 3, "lowest": 0.85, "highest": 1.15},
        ),
        Case("random ratios and mask", random_probe, "Compare element by element with ρ."),
    ),
    wrong_answers=(
        WrongAnswer("You did not use the mask: padding is counted.", probe_of(masked=False)),
        WrongAnswer(
            "You compared log ρ with ε. Outside means |ρ − 1| > ε.",
            probe_of(beyond=lambda ratio, eps: ratio.log().abs() > eps),
        ),
        WrongAnswer(
            "You compared with 0.2, whatever clip_range says.",
            probe_of(beyond=lambda ratio, eps: (ratio - 1).abs() > 0.2),
        ),
        WrongAnswer(
            "You count only the ratios above 1 + ε; they leave downwards as well.",
            probe_of(beyond=lambda ratio, eps: ratio > 1 + eps),
        ),
        WrongAnswer(
            "Your ratio is upside down: ρ = π_θ / π_old.",
            probe_of(lambda new, old: (old - new).exp()),
        ),
        WrongAnswer(
            "You report log ρ. The ratio is exp(log π_θ − log π_old).",
            probe_of(lambda new, old: new - old, lambda log, eps: (log.exp() - 1).abs() > eps),
        ),
        WrongAnswer(
            "You divided the count by B·T. The share is among the elements that count.",
            share_of_everything,
        ),
        WrongAnswer(
            "You clipped the ratios before looking at them, so of course none is outside.",
            probe_of(lambda new, old: (new - old).exp().clamp(0.8, 1.2)),
        ),
    ),
)
