"""Exercise 3: all pairs of a ranking, and no answer read twice."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from anatomy.classroom.case import Case, Function, Inputs, given
from anatomy.classroom.exercise import Exercise, WrongAnswer
from anatomy.rlhf.preferences import plackett_luce_loss, ranking_loss

Score = Callable[[Tensor], Tensor]


class Reader:
    """A linear reward model that counts the answers it has read."""

    def __init__(self, weight: Tensor) -> None:
        self.weight, self.answers_read = weight, 0

    def __call__(self, answers: Tensor) -> Tensor:
        if not isinstance(answers, Tensor) or answers.shape[-1:] != self.weight.shape:
            raise TypeError(f"score takes answers (..., {len(self.weight)})")
        self.answers_read += answers.numel() // len(self.weight)
        return answers @ self.weight


def ranked_loss(score: Score, answers: Tensor) -> Tensor:
    """Eq. 1 of Ouyang et al. (2022) for answers (B, K, D), best first, each scored once."""
    return ranking_loss(score(answers))


def plain_loss(function: Function, inputs: Inputs) -> Any:
    weight, answers = inputs.args
    return function(Reader(weight), answers)


def weight_gradient(function: Function, inputs: Inputs) -> Any:
    """What the reward model's weights are pulled by."""
    weight, answers = inputs.args
    weight.requires_grad_()
    result = function(Reader(weight), answers)
    if not isinstance(result, Tensor):
        raise TypeError("return the loss as a tensor, so that a gradient can flow")
    if not result.requires_grad:
        return torch.zeros_like(weight)
    (found,) = torch.autograd.grad(result.sum(), weight, allow_unused=True)
    return torch.zeros_like(weight) if found is None else found


def answers_read(function: Function, inputs: Inputs) -> Any:
    """How often it reads, and in the same call what it says."""
    weight, answers = inputs.args
    reader = Reader(weight)
    loss = function(reader, answers)
    if not isinstance(loss, Tensor) or loss.numel() != 1:
        return loss
    return {
        "answers read for each prompt": reader.answers_read / len(answers),
        "loss": float(loss),
    }


def random_rankings(prompts: int, answers: int) -> Callable[[torch.Generator], Inputs]:
    def draw(generator: torch.Generator) -> Inputs:
        weight = torch.randn(3, generator=generator)
        return Inputs((weight, torch.randn(prompts, answers, 3, generator=generator)), {})

    return draw


def pairwise(
    chosen: Callable[[int], list[tuple[int, int]]] = lambda k: list(combinations(range(k), 2)),
    joined: Callable[[Tensor], Tensor] = torch.mean,
) -> Callable[[Score, Tensor], Tensor]:
    """A wrong loss: other pairs (better, worse), or joined in another way."""

    def function(score: Score, answers: Tensor) -> Tensor:
        scores = score(answers)
        pairs = chosen(answers.shape[1])
        return joined(torch.stack([F.softplus(scores[:, j] - scores[:, i]) for i, j in pairs], 1))

    return function


def read_again(score: Score, answers: Tensor) -> Tensor:
    """Right, but every pair reads its two answers anew."""
    losses = [
        F.softplus(score(answers[:, j]) - score(answers[:, i]))
        for i, j in combinations(range(answers.shape[1]), 2)
    ]
    return torch.stack(losses).mean()


# One feature, weight 1: the numbers are the scores.
BY_HAND = [[[2.0], [1.0], [0.0]], [[0.0], [0.0], [1.0]]]
SOFT = {d: float(F.softplus(torch.tensor(-float(d), dtype=torch.float64))) for d in (2, 1, 0, -1)}

RANKING = Exercise(
    id="rlhf.ranking",
    title="K answers, K readings",
    points=4,
    reference=ranked_loss,
    cases=(
        Case(
            "one ranking of three by hand",
            given([1.0], BY_HAND[:1]),
            "Three pairs with the differences 1, 2 and 1: the mean of 0.3133, 0.1269 and 0.3133.",
            expected=torch.tensor((2 * SOFT[1] + SOFT[2]) / 3),
            observe=plain_loss,
        ),
        Case(
            "two prompts, the second ranked against its scores",
            given([1.0], BY_HAND),
            "The second has the differences 0, −1 and −1. Average over its pairs, then over "
            "the prompts.",
            expected=torch.tensor((2 * SOFT[1] + SOFT[2] + SOFT[0] + 2 * SOFT[-1]) / 6),
            observe=plain_loss,
        ),
        Case(
            "K = 2 is a comparison",
            random_rankings(4, 2),
            "With two answers it is the loss of exercise 1.",
            observe=plain_loss,
        ),
        Case(
            "five prompts, K = 9",
            random_rankings(5, 9),
            "36 pairs for each prompt.",
            observe=plain_loss,
        ),
        Case(
            "the gradient for the weights",
            random_rankings(3, 4),
            "It must flow through every score.",
            observe=weight_gradient,
        ),
        Case(
            "K = 9: answers read for each prompt",
            random_rankings(5, 9),
            "Nine answers, nine readings, 36 pairs. Score first, pair afterwards.",
            observe=answers_read,
        ),
    ),
    wrong_answers=(
        WrongAnswer(
            "The loss is right, and each answer is read again for every pair: K(K−1) readings "
            "where K are enough. With a 6B reward model that is the bill.",
            read_again,
        ),
        WrongAnswer(
            "You take neighbours only. The ranking says more: the first also beats the third.",
            pairwise(lambda k: [(i, i + 1) for i in range(k - 1)]),
        ),
        WrongAnswer(
            "You compare the best with each of the others and leave out the pairs among those.",
            pairwise(lambda k: [(0, i) for i in range(1, k)]),
        ),
        WrongAnswer(
            "You return a sum over the pairs. Then a prompt with nine answers pulls 36 times as "
            "hard as one with two.",
            pairwise(joined=lambda losses: losses.sum(1).mean()),
        ),
        WrongAnswer(
            "You divided by K² or K(K−1). There are K(K−1)/2 pairs.",
            pairwise(joined=lambda losses: losses.mean() / 2),
        ),
        WrongAnswer(
            "The order is turned round: the answers come best first.",
            pairwise(lambda k: [(j, i) for i, j in combinations(range(k), 2)]),
        ),
        WrongAnswer(
            "You also pair each answer with itself: that adds log 2 and no gradient.",
            pairwise(lambda k: [(i, j) for i in range(k) for j in range(i, k)]),
        ),
        WrongAnswer(
            "This is the Plackett–Luce loss, the likelihood of the whole ranking. A good loss, "
            "but eq. 1 averages over pairs.",
            lambda score, answers: plackett_luce_loss(score(answers)),
        ),
    ),
)
