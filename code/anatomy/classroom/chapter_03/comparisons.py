"""Exercise 1: the loss of a comparison, for score differences of any size."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from anatomy.classroom.case import Case, Function, Inputs, given, gradient
from anatomy.classroom.exercise import Exercise, WrongAnswer
from anatomy.rlhf.preferences import bradley_terry_loss

L3 = math.log(3)
STEP = 1e-4  # of the finite differences, in float64


def random_scores(generator: torch.Generator) -> Inputs:
    return Inputs(tuple(torch.randn(2, 7, generator=generator) * 3), {})


def precise_scores(generator: torch.Generator) -> Inputs:
    return Inputs(tuple(torch.randn(2, 6, generator=generator, dtype=torch.float64) * 2), {})


def finite_differences(function: Function, inputs: Inputs) -> dict[str, float]:
    """How many elements of the gradient differ from (L(x + h) − L(x − h)) / 2h."""
    preferred, rejected = inputs.args
    found = gradient(function, Inputs((preferred.clone(), rejected), {}))
    if not isinstance(found, Tensor):
        raise TypeError("return the loss as a tensor, so that a gradient can flow")
    off = 0
    for i in range(len(preferred)):
        step = torch.zeros_like(preferred)
        step[i] = STEP
        above, below = (float(function(preferred + s, rejected)) for s in (step, -step))
        off += not math.isclose((above - below) / (2 * STEP), float(found[i]), abs_tol=1e-6)
    return {"elements that differ from the finite difference": float(off)}


def of_difference(
    loss: Callable[[Tensor], Tensor], mean: Callable[[Tensor], Tensor] = torch.mean
) -> Callable[[Tensor, Tensor], Tensor]:
    """A wrong loss, given as a function of the difference of the scores."""
    return lambda preferred, rejected: mean(loss(preferred - rejected))


def with_a_corner(positive_part: Callable[[Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    """max(−Δ, 0) + log(1 + e^(−|Δ|)): the right value; its slope at Δ = 0 is autograd's guess."""
    return of_difference(lambda d: positive_part(-d) + (-d.abs()).exp().log1p())


CORNER = (
    "The values are right. At Δ = 0, where every training starts, your formula has two corners "
    "that cancel on paper; autograd takes a slope at each and does not see it. F.softplus has none."
)

BRADLEY_TERRY = Exercise(
    id="rlhf.bradley_terry",
    title="The loss of a comparison",
    points=3,
    reference=bradley_terry_loss,
    cases=(
        Case(
            "three comparisons by hand",
            given([L3, 2.0, 0.0], [0.0, 2.0, L3]),
            "The winners had the probabilities ¾, ½ and ¼: the mean of 0.2877, 0.6931 and 1.3863.",
            expected=torch.tensor((math.log(4 / 3) + math.log(2) + math.log(4)) / 3),
        ),
        Case(
            "scores of ±10,000",
            given([1e4, -1e4], [0.0, 0.0]),
            "0 for the one that is right, 10,000 for the one that is wrong. e^10000 is infinity "
            "and σ(−10000) is 0: look for a function that takes log σ in one step.",
            expected=torch.tensor(5e3),
        ),
        Case(
            "the gradient there",
            given([1e4, -1e4], [0.0, 0.0]),
            "∂L/∂(preferred) is −σ(−Δ)/B: 0 where the pair is right, −½ where it is wrong.",
            expected=[0.0, -0.5],
            observe=gradient,
        ),
        Case(
            "the gradient by hand",
            given([L3, 2.0, 0.0], [0.0, 2.0, L3]),
            "−(1 − P)/B with P = ¾, ½, ¼: the more a pair surprises, the harder it pulls.",
            expected=[-1 / 12, -1 / 6, -1 / 4],
            observe=gradient,
        ),
        Case(
            "the gradient against finite differences",
            precise_scores,
            "Nudge a score by ±0.0001 and see what the loss does; the gradient must say the same.",
            expected={"elements that differ from the finite difference": 0.0},
            observe=finite_differences,
        ),
        Case("seven random pairs", random_scores, "One number: the mean over the pairs."),
    ),
    wrong_answers=(
        WrongAnswer(
            "Your formula is right on paper and breaks in floating point: σ(−10000) rounds to 0 "
            "and e^10000 to infinity. Use F.logsigmoid or F.softplus.",
            of_difference(lambda d: -d.sigmoid().log()),
        ),
        WrongAnswer(
            "You exchanged the two: this loss is small when the rejected answer scores higher.",
            of_difference(lambda d: F.softplus(d)),
        ),
        WrongAnswer(
            "You return the sum; it should be the mean over the pairs.",
            of_difference(lambda d: F.softplus(-d), torch.sum),
        ),
        WrongAnswer(
            "The logarithm is missing: 1 − σ(Δ) flattens out where the pair is most wrong.",
            of_difference(lambda d: d.neg().sigmoid()),
        ),
        WrongAnswer(
            "You clamp the difference. That is stable, and the pairs that are most wrong no longer "
            "have a gradient.",
            of_difference(lambda d: F.softplus(-d.clamp(-20, 20))),
        ),
        WrongAnswer(
            "This is a hinge, max(0, 1 − Δ). It ranks, but it is no likelihood, and its scores "
            "give no probabilities.",
            of_difference(lambda d: F.relu(1 - d)),
        ),
        WrongAnswer(
            "You put σ around each score. Scores are free numbers; σ takes their difference.",
            lambda preferred, rejected: F.softplus(rejected.sigmoid() - preferred.sigmoid()).mean(),
        ),
        WrongAnswer(
            "The sign: a loss is minimised, so it is −log σ(Δ).",
            of_difference(lambda d: F.logsigmoid(d)),
        ),
        WrongAnswer(CORNER, with_a_corner(lambda x: x.clamp(min=0))),
        WrongAnswer(CORNER, with_a_corner(F.relu)),
        WrongAnswer(
            "The values are right, but no gradient reaches the scores: look for .detach(), "
            ".item() or no_grad.",
            of_difference(lambda d: F.softplus(-d).detach()),
        ),
    ),
)
