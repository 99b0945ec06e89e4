"""Exercise 2, second part: a win rate where each prompt has several answers."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from anatomy.classroom.case import Case, Function, Inputs, given
from anatomy.classroom.chapter_06.wilson import Z
from anatomy.classroom.exercise import Exercise, WrongAnswer


def outcomes(mine: Tensor, theirs: Tensor) -> Tensor:
    """1 for a win, ½ for a tie, 0 for a loss: (P, M)."""
    return (mine > theirs).float() + 0.5 * (mine == theirs).float()


def by_prompt(mine: Tensor, theirs: Tensor) -> dict[str, float]:
    """Win rate with ties as half, and ± 1.96 standard errors over the prompts' own rates."""
    return rate_and_interval(outcomes(mine, theirs).mean(1))


def rate_and_interval(values: Tensor, *, correction: int = 1) -> dict[str, float]:
    rate = values.mean().item()
    error = values.std(correction=correction).item() / math.sqrt(len(values))
    return {"rate": rate, "low": rate - Z * error, "high": rate + Z * error}


def without_ties(mine: Tensor, theirs: Tensor) -> dict[str, float]:
    return rate_and_interval((mine > theirs).float().mean(1))


def decided_only(mine: Tensor, theirs: Tensor) -> dict[str, float]:
    decided = mine != theirs
    wins = ((mine > theirs) & decided).float().sum(1) / decided.float().sum(1).clamp(min=1)
    return rate_and_interval(wins)


def mean_of_gold(mine: Tensor, theirs: Tensor) -> dict[str, float]:
    return rate_and_interval(
        outcomes(mine.mean(1, keepdim=True), theirs.mean(1, keepdim=True)).mean(1)
    )


def without_root(mine: Tensor, theirs: Tensor) -> dict[str, float]:
    values = outcomes(mine, theirs).mean(1)
    rate, deviation = values.mean().item(), values.std().item()
    return {"rate": rate, "low": rate - Z * deviation, "high": rate + Z * deviation}


def synthetic_raters(generator: torch.Generator) -> Inputs:
    """200 evaluations of 60 prompts × 8 answers; how hard a prompt is decides all its answers."""
    easy = torch.rand(200, 60, 1, generator=generator)
    wins = torch.rand(200, 60, 8, generator=generator) < easy  # the true rate is ½
    return Inputs((wins.float(), torch.full_like(wins, 0.5, dtype=torch.float)), {})


def coverage(function: Function, inputs: Inputs) -> float:
    """Whether nearly all intervals hold the true rate, ½.

    A right answer's do in 94.5 % of the evaluations, which is below 86 % of 200 less than once
    in 100,000; answers taken for independent do in 70 %.
    """
    covered = 0
    for mine, theirs in zip(*inputs.args, strict=True):
        found = function(mine, theirs)
        if not isinstance(found, dict) or not {"low", "high"} <= found.keys():
            raise TypeError('return a dict {"rate": …, "low": …, "high": …}')
        covered += found["low"] <= 0.5 <= found["high"]
    return float(covered > 0.86 * len(inputs.args[0]))


def random_scores(generator: torch.Generator) -> Inputs:
    """Gold scores on a coarse grid, so that ties occur."""
    mine, theirs = torch.randint(-2, 3, (2, 12, 4), generator=generator) / 2
    return Inputs((mine, theirs), {})


MINE = [[1.0, 1.0], [0.5, 0.2], [0.3, 0.3], [1.0, -0.7]]
THEIRS = [[0.2, 0.5], [0.5, 0.4], [0.3, 0.3], [0.5, 0.5]]

WIN_RATE = Exercise(
    id="instruct.win_rate",
    title="A win rate over prompts",
    points=2,
    reference=by_prompt,
    cases=(
        Case(
            "four prompts, two answers each",
            given(MINE, THEIRS),
            "The prompts' own rates are 1, ¼, ½, ½: mean 0.5625, standard deviation 0.3146.",
            expected={"rate": 0.5625, "low": 0.254230, "high": 0.870770},
        ),
        Case(
            "all ties",
            given([[0.5, 0.5], [0.1, 0.1]], [[0.5, 0.5], [0.1, 0.1]]),
            "A tie is half a win; two models that always tie win half the time.",
            expected={"rate": 0.5, "low": 0.5, "high": 0.5},
        ),
        Case(
            "a prompt counts once, whatever it was worth",
            given([[1.0, 1.0], [0.0, 0.0], [1.0, 1.0]], [[0.0, 0.0], [1.0, 1.0], [0.9, 0.9]]),
            "Wins are counted, not the size of the difference.",
            expected={"rate": 2 / 3, "low": 2 / 3 - Z / 3, "high": 2 / 3 + Z / 3},
        ),
        Case(
            "a win by a hair",
            given([[0.504, 0.2], [0.3, 0.3]], [[0.5, 0.6], [0.3, 0.296]]),
            "Only equal scores tie; 0.504 beats 0.500.",
            expected={"rate": 0.625, "low": 0.625 - Z / 8, "high": 0.625 + Z / 8},
        ),
        Case("random scores with ties", random_scores, "First a rate per prompt, then over them."),
        Case(
            "200 evaluations by synthetic raters: coverage",
            synthetic_raters,
            "Eight answers to one prompt share its difficulty. The interval must hold the true "
            "rate nearly always; one that takes the answers for independent does 7 times in 10.",
            expected=1.0,
            observe=coverage,
        ),
    ),
    wrong_answers=(
        WrongAnswer(
            "You count every answer as independent. Eight answers to one prompt are not eight "
            "prompts: the interval is far too narrow.",
            lambda mine, theirs: rate_and_interval(outcomes(mine, theirs).flatten()),
        ),
        WrongAnswer("You count a tie as a loss. It is half a win.", without_ties),
        WrongAnswer(
            "You leave ties out. Then a model that almost always ties is judged by the rare rest.",
            decided_only,
        ),
        WrongAnswer(
            "You compare the mean scores of a prompt. The win rate compares answer with answer.",
            mean_of_gold,
        ),
        WrongAnswer(
            "You forgot to divide the standard deviation by √P: that is the spread of the "
            "prompts, not the error of their mean.",
            without_root,
        ),
        WrongAnswer(
            "You return the other model's win rate.",
            lambda mine, theirs: by_prompt(theirs, mine),
        ),
        WrongAnswer(
            "The standard deviation of a sample divides by P − 1.",
            lambda mine, theirs: rate_and_interval(outcomes(mine, theirs).mean(1), correction=0),
        ),
    ),
)
