"""Exercise 3: cross-entropy by hand, with a mask, for logits of any size."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from anatomy.classroom.case import Case, Inputs, given, gradient
from anatomy.classroom.exercise import Exercise, WrongAnswer
from anatomy.models.pretraining import cross_entropy

L3 = math.log(3)
LOGITS = [[[0.0, L3], [L3, 0.0], [0.0, 0.0]]]  # (¼, ¾), (¾, ¼), (½, ½)
TARGETS = [[1, 1, 0]]
ALL = [[True, True, True]]


def random_texts(generator: torch.Generator) -> Inputs:
    logits = torch.randn(3, 5, 7, generator=generator) * 4
    targets = torch.randint(7, (3, 5), generator=generator)
    mask = torch.arange(5) < torch.tensor([[5], [2], [3]])
    return Inputs((logits, targets, mask), {})


def picked(logprobs: Tensor, targets: Tensor) -> Tensor:
    return logprobs.gather(-1, targets[..., None]).squeeze(-1)


def variant(
    logprob: Callable[[Tensor], Tensor] = lambda z: z.log_softmax(-1),
    mean: Callable[[Tensor, Tensor], Tensor] = lambda x, mask: x[mask].mean(),
) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """A wrong loss: another log-probability, or another mean."""

    def function(logits: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
        return mean(-picked(logprob(logits), targets), mask)

    return function


def naive(z: Tensor) -> Tensor:
    return (z.exp() / z.exp().sum(-1, keepdim=True)).log()


CROSS_ENTROPY = Exercise(
    id="lm.cross_entropy",
    title="Cross-entropy by hand",
    points=3,
    reference=cross_entropy,
    cases=(
        Case(
            "three positions by hand",
            given(LOGITS, TARGETS, ALL),
            "The true tokens have probabilities ¾, ¼ and ½: the mean of 0.2877, 1.3863 and 0.6931.",
            expected=torch.tensor((math.log(4 / 3) + math.log(4) + math.log(2)) / 3),
        ),
        Case(
            "only the first position counts",
            given(LOGITS, TARGETS, [[True, False, False]]),
            "Divide by the number of positions that count, not by B·T.",
            expected=torch.tensor(math.log(4 / 3)),
        ),
        Case(
            "two rows of different lengths",
            given(LOGITS * 2, TARGETS * 2, [[True, True, True], [False, True, False]]),
            "One mean over all four tokens that count, (0.2877 + 1.3863 + 0.6931 + 1.3863) / 4; "
            "not the mean of two row means.",
            expected=torch.tensor((math.log(4 / 3) + 2 * math.log(4) + math.log(2)) / 4),
        ),
        Case(
            "logits of ±10,000",
            given([[[1e4, 1e4, -1e4], [-1e4, 1e4, -1e4]]], [[0, 2]], [[True, True]]),
            "log 2 and 20,000. e^10000 is infinity: subtract the largest logit first.",
            expected=torch.tensor((math.log(2) + 2e4) / 2),
        ),
        Case(
            "the gradient",
            given(LOGITS, TARGETS, [[True, True, False]]),
            "(softmax − one-hot) / n at positions that count, 0 elsewhere.",
            expected=[[[0.125, -0.125], [0.375, -0.375], [0.0, 0.0]]],
            observe=gradient,
        ),
        Case(
            "random texts of different lengths",
            random_texts,
            "−log softmax(logits)[target], averaged over the positions where the mask is True.",
        ),
    ),
    wrong_answers=(
        WrongAnswer(
            "You average over all positions; padding is no text.",
            variant(mean=lambda x, mask: x.mean()),
        ),
        WrongAnswer(
            "You set masked positions to 0 and still divide by B·T. Divide by mask.sum().",
            variant(mean=lambda x, mask: x.masked_fill(~mask, 0.0).mean()),
        ),
        WrongAnswer(
            "You return the sum. Then the loss grows with the length of the batch.",
            variant(mean=lambda x, mask: x[mask].sum()),
        ),
        WrongAnswer(
            "You take the mean of row means, so a token of a short text weighs more.",
            variant(
                mean=lambda x, mask: (x.masked_fill(~mask, 0).sum(1) / mask.sum(1)).mean(),
            ),
        ),
        WrongAnswer(
            "Your formula is right on paper and overflows: e^z is infinity for z > 88. Subtract "
            "the maximum, or use logsumexp.",
            variant(logprob=naive),
        ),
        WrongAnswer(
            "softmax is stable, its logarithm is not: a probability that rounds to 0 has the "
            "logarithm −∞. Stay in the logarithm: z − logsumexp(z).",
            variant(logprob=lambda z: z.softmax(-1).log()),
        ),
        WrongAnswer(
            "The sign: a loss is minimised, so it is minus the log-probability.",
            variant(logprob=lambda z: -z.log_softmax(-1)),
        ),
        WrongAnswer(
            "You measure in bits. The loss here is in nats, the natural logarithm.",
            variant(logprob=lambda z: z.log_softmax(-1) / math.log(2)),
        ),
    ),
)
