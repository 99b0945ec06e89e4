"""Exercise 2, first part: the interval of a share of independent outcomes."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

from anatomy.classroom.case import Case, Function, Inputs, given
from anatomy.classroom.exercise import Exercise, WrongAnswer

Z = 1.959964  # 95 % of a normal lie within ± z
Z_ROUNDED = 1.645  # ... and 90 % within this


def wilson(wins: float, total: int, *, z: float = Z) -> dict[str, float]:
    """The shares p for which the observed one is within z standard errors. Wilson (1927)."""
    share = wins / total
    grown = 1 + z**2 / total
    centre = (share + z**2 / (2 * total)) / grown
    half = z * math.sqrt(share * (1 - share) / total + z**2 / (4 * total**2)) / grown
    return {"low": centre - half, "high": centre + half}


def wald(wins: float, total: int, *, z: float = Z) -> dict[str, float]:
    share = wins / total
    half = z * math.sqrt(share * (1 - share) / total)
    return {"low": share - half, "high": share + half}


def half_the_width(wins: float, total: int) -> dict[str, float]:
    """The root divided by the wrong thing: z² / 4n without the second n."""
    share, grown = wins / total, 1 + Z**2 / total
    half = Z * math.sqrt(share * (1 - share) / total + Z**2 / (4 * total)) / grown
    centre = (share + Z**2 / (2 * total)) / grown
    return {"low": centre - half, "high": centre + half}


def around_the_share(wins: float, total: int) -> dict[str, float]:
    found = wilson(wins, total)
    half = (found["high"] - found["low"]) / 2
    return {"low": wins / total - half, "high": wins / total + half}


def exact_coverage(function: Function, inputs: Inputs) -> float:
    """P(low ≤ p ≤ high) when the wins are binomial: Σ_k P(k) [p in the interval of k]."""
    (p, total) = inputs.args
    covered = 0.0
    for wins in range(total + 1):
        found = function(wins, total)
        if not isinstance(found, dict) or not {"low", "high"} <= found.keys():
            raise TypeError('return a dict {"low": …, "high": …}')
        chance = math.comb(total, wins) * p**wins * (1 - p) ** (total - wins)
        covered += chance * (found["low"] <= p <= found["high"])
    return float(covered > 0.9)


def some_wins(generator: torch.Generator) -> Inputs:
    """Any number of wins in 20 or 40 comparisons."""
    total = 20 * int(torch.randint(1, 3, (), generator=generator))
    return Inputs((int(torch.randint(total + 1, (), generator=generator)), total), {})


def always(p: float, total: int) -> Callable[[torch.Generator], Inputs]:
    return lambda _: Inputs((p, total), {})


WILSON = Exercise(
    id="instruct.wilson",
    title="Wilson's interval",
    points=2,
    reference=wilson,
    cases=(
        Case(
            "7 of 10",
            given(7, 10),
            "Centre (0.7 + 0.192) / 1.384, half width 1.96 · √(0.021 + 0.0096) / 1.384.",
            expected={"low": 0.396773, "high": 0.892208},
        ),
        Case(
            "10 of 10",
            given(10, 10),
            "Ten wins do not prove that the eleventh is certain: 1 / (1 + z²/n) is the lower end.",
            expected={"low": 1 / (1 + Z**2 / 10), "high": 1.0},
        ),
        Case(
            "34.5 of 60: a tie is half a win",
            given(34.5, 60),
            "Nothing in the formula needs whole numbers.",
            expected=wilson(34.5, 60),
        ),
        Case("some wins in 20 or 40", some_wins, "The same formula for every share."),
        Case(
            "raters who agree with p = 0.95, twenty of them: coverage",
            always(0.95, 20),
            "Over all outcomes, weighted by their probability, the interval must hold p more than "
            "nine times in ten.",
            expected=1.0,
            observe=exact_coverage,
        ),
        Case(
            "raters with p = 0.5, forty of them: coverage",
            always(0.5, 40),
            "In the middle of the range the interval must cover, too.",
            expected=1.0,
            observe=exact_coverage,
        ),
    ),
    wrong_answers=(
        WrongAnswer(
            "This is the textbook's p̂ ± z·√(p̂(1−p̂)/n). At 10 of 10 it has no width, and at "
            "p = 0.95 it misses far more often than 1 time in 20.",
            wald,
        ),
        WrongAnswer(
            "The width is Wilson's, the centre is not: it moves towards ½.",
            around_the_share,
        ),
        WrongAnswer(
            "Under the root it is z²/(4n²); you have z²/(4n).",
            half_the_width,
        ),
        WrongAnswer(
            "This interval is for 90 %: z must be 1.96.",
            lambda wins, total: wilson(wins, total, z=Z_ROUNDED),
        ),
        WrongAnswer(
            "You return the interval of the losses, 1 − p.",
            lambda wins, total: wilson(total - wins, total),
        ),
    ),
)
