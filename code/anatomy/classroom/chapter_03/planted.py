"""Exercise 2: rewards back from comparisons, up to a shift."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from anatomy.classroom.case import Case, Draw, Function, Inputs
from anatomy.classroom.exercise import Exercise, WrongAnswer
from anatomy.rlhf.preferences import bradley_terry_loss

ITEMS, COMPARISONS, NEAR = 12, 6_000, 3


def fit_rewards(
    first: Tensor, second: Tensor, first_won: Tensor, items: int, *, steps: int = 60
) -> Tensor:
    """argmin over r of the mean of −log σ(r_winner − r_loser), by L-BFGS: (items,)."""
    winners = torch.where(first_won, first, second)
    losers = torch.where(first_won, second, first)
    rewards = torch.zeros(items, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([rewards], max_iter=steps, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        loss = bradley_terry_loss(rewards[winners], rewards[losers])
        loss.backward()
        return loss

    optimiser.step(closure)
    return rewards.detach()


def tally(results: list[tuple[int, int, int, int]]) -> Draw:
    """Results (first, second, wins of the first, wins of the second), one row a comparison."""
    rows = [
        (first, second, won)
        for first, second, wins, losses in results
        for won in [True] * wins + [False] * losses
    ]

    def draw(_: torch.Generator) -> Inputs:
        first, second, won = (torch.tensor(column) for column in zip(*rows, strict=True))
        return Inputs((first, second, won, int(max(first.max(), second.max())) + 1), {})

    return draw


def planted(generator: torch.Generator) -> tuple[Tensor, Inputs]:
    """Planted rewards, and comparisons of things that are near each other in rank.

    Neighbours are so near that each beats the other now and then: where one never lost, its
    reward would have no finite estimate.
    """
    rewards = (0.1 + 0.8 * torch.rand(ITEMS, generator=generator)).cumsum(0)
    gap = torch.randint(1, NEAR + 1, (COMPARISONS,), generator=generator)
    low = (torch.rand(COMPARISONS, generator=generator) * (ITEMS - gap)).long()
    swap = torch.rand(COMPARISONS, generator=generator) < 0.5
    first, second = torch.where(swap, low + gap, low), torch.where(swap, low, low + gap)
    chance = torch.sigmoid(rewards[first] - rewards[second])
    won = torch.rand(COMPARISONS, generator=generator) < chance
    return rewards, Inputs((first, second, won, ITEMS), {})


def comparisons(generator: torch.Generator) -> Inputs:
    """The comparisons, and for the judge the planted rewards behind them.

    The items are renumbered by chance, so that a number says nothing about a rank.
    """
    rewards, inputs = planted(generator)
    first, second, won, items = inputs.args
    number = torch.randperm(items, generator=generator)
    renumbered = torch.empty_like(rewards)
    renumbered[number] = rewards
    return Inputs((number[first], number[second], won, items), {"planted": renumbered})


def one_for_each(found: object, items: int) -> Tensor:
    if not isinstance(found, Tensor) or found.shape != (items,):
        shape = f" of shape {tuple(found.shape)}" if isinstance(found, Tensor) else ""
        raise TypeError(
            f"return a tensor with one reward for each item, ({items},), "
            f"not a {type(found).__name__}{shape}"
        )
    if found.is_complex() or not bool(found.isfinite().all()):
        raise ValueError("the rewards must be finite real numbers")
    found = found.detach().double()
    return found


def differences(function: Function, inputs: Inputs) -> dict[str, float]:
    """r₀ − r_k for each later item, to two digits: the shift drops out."""
    found = one_for_each(function(*inputs.args), inputs.args[-1])
    return {f"r[0] − r[{k}]": round(float(found[0] - found[k]), 2) for k in range(1, len(found))}


def recovery(function: Function, inputs: Inputs) -> dict[str, float]:
    """Correlation and slope of the rewards found against those planted."""
    truth = inputs.kwargs["planted"].double()
    found = one_for_each(function(*inputs.args), ITEMS)
    truth, found = truth - truth.mean(), found - found.mean()
    slope = float((truth @ found) / (truth @ truth))
    norm = float(truth.norm() * found.norm())
    correlation = float(truth @ found) / norm if norm > 0 else 0.0
    return {
        "correlation above 0.98": float(correlation > 0.98),
        "slope between 0.85 and 1.15": float(0.85 < slope < 1.15),
    }


def wins_by(
    summary: Callable[[Tensor, Tensor], Tensor],
) -> Callable[[Tensor, Tensor, Tensor, int], Tensor]:
    """A wrong answer made from each item's wins and games, whoever the opponents were."""

    def function(first: Tensor, second: Tensor, first_won: Tensor, items: int) -> Tensor:
        winners = torch.where(first_won, first, second)
        games = torch.bincount(torch.cat([first, second]), minlength=items)
        return summary(torch.bincount(winners, minlength=items).double(), games.double())

    return function


def log_odds(wins: Tensor, games: Tensor) -> Tensor:
    return (wins / (games - wins)).log()


PLANTED = Exercise(
    id="rlhf.planted",
    title="Rewards from comparisons",
    points=3,
    reference=fit_rewards,
    cases=(
        Case(
            "two items, three wins of four",
            tally([(0, 1, 3, 1)]),
            "σ(r₀ − r₁) must be ¾, so the difference is log 3 = 1.10.",
            expected={"r[0] − r[1]": 1.10},
            observe=differences,
        ),
        Case(
            "three items, two of which never meet",
            tally([(0, 1, 3, 1), (1, 2, 3, 1)]),
            "log 3 from 0 to 1, log 3 from 1 to 2, so 2.20 from 0 to 2, who never met.",
            expected={"r[0] − r[1]": 1.10, "r[0] − r[2]": 2.20},
            observe=differences,
        ),
        Case(
            "the one that played the strong",
            tally([(0, 1, 10, 10), (1, 2, 30, 10), (2, 3, 10, 10)]),
            "Item 0 won half of its games, and so did item 3. But 0 held its own against 1.",
            expected={"r[0] − r[1]": 0.0, "r[0] − r[2]": 1.10, "r[0] − r[3]": 1.10},
            observe=differences,
        ),
        Case(
            "twelve planted rewards, 6,000 comparisons of neighbours",
            comparisons,
            "Minimise the loss to the end: more steps, or a larger learning rate. Any shift "
            "will do, but the scale is meaningful: a difference of 1 is odds of e to 1.",
            expected={"correlation above 0.98": 1.0, "slope between 0.85 and 1.15": 1.0},
            observe=recovery,
        ),
    ),
    wrong_answers=(
        WrongAnswer(
            "You return shares of wins. They depend on whom an item met.",
            wins_by(lambda wins, games: wins / games),
        ),
        WrongAnswer("You count wins. Who plays more wins more.", wins_by(lambda wins, games: wins)),
        WrongAnswer(
            "You take the log-odds of each item's own wins. That treats all opponents as equal.",
            wins_by(log_odds),
        ),
        WrongAnswer(
            "Best and worst are exchanged: you fitted the losers.",
            lambda first, second, first_won, items: fit_rewards(first, second, ~first_won, items),
        ),
        WrongAnswer(
            "You stopped too early: the order is there, the differences are still too small.",
            lambda first, second, first_won, items: fit_rewards(
                first, second, first_won, items, steps=1
            ),
        ),
        WrongAnswer(
            "You took `first` for the winner of every comparison.",
            lambda first, second, first_won, items: fit_rewards(
                first, second, torch.ones_like(first_won), items
            ),
        ),
        WrongAnswer(
            "Your scale is in bits, or the temperature is not 1: σ(r₀ − r₁) itself must be the "
            "probability.",
            lambda first, second, first_won, items: (
                fit_rewards(first, second, first_won, items) / math.log(2)
            ),
        ),
    ),
)
