"""Exercise 3: what a 2×2 ablation allows one to say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats

from anatomy.classroom.case import Case, Draw, Function, Inputs
from anatomy.classroom.chapter_02.drawing import numbers, numpy_generator
from anatomy.classroom.exercise import Exercise, WrongAnswer

Array = NDArray[Any]
Claims = dict[str, int]


def sign_of(differences: Array) -> int:
    """+1 or −1 where the 95 % t interval of the mean excludes 0, else 0."""
    half = stats.t.ppf(0.975, len(differences) - 1) * differences.std(ddof=1)
    half, mean = half / np.sqrt(len(differences)), differences.mean()
    return 1 if mean - half > 0 else -1 if mean + half < 0 else 0


def claims(both: Array, replay: Array, target: Array, neither: Array) -> Claims:
    """Main effects and interaction of two switches; seed i is the same in all four arrays."""
    return {
        "replay": sign_of((both + replay - target - neither) / 2),
        "target": sign_of((both + target - replay - neither) / 2),
        "together": sign_of(both - replay - target + neither),
    }


def by_difference(judge: Callable[[Array], int]) -> Function:
    """A wrong answer: the right differences, judged in another way."""

    def function(both: Array, replay: Array, target: Array, neither: Array) -> Claims:
        return {
            "replay": judge((both + replay - target - neither) / 2),
            "target": judge((both + target - replay - neither) / 2),
            "together": judge(both - replay - target + neither),
        }

    return function


def normal(differences: Array) -> int:
    """Judges by 1.96 standard errors, as if the spread of five seeds were known."""
    mean, half = differences.mean(), 1.96 * differences.std(ddof=1) / np.sqrt(len(differences))
    return 1 if mean - half > 0 else -1 if mean + half < 0 else 0


def as_if_five(differences: Array) -> int:
    """Judges by the t interval of five seeds, however many there are."""
    mean, half = differences.mean(), 2.776 * differences.std(ddof=1) / np.sqrt(len(differences))
    return 1 if mean - half > 0 else -1 if mean + half < 0 else 0


def too_wide(differences: Array) -> int:
    """Judges by the spread of the seeds instead of the standard error of their mean."""
    mean, spread = differences.mean(), differences.std(ddof=1)
    return int(np.sign(mean)) if abs(mean) > 2 * spread else 0


def as_if_unpaired(both: Array, replay: Array, target: Array, neither: Array) -> Claims:
    """Intervals from the spread of the runs, as if every cell had seeds of its own."""
    cells = (both, replay, target, neither)
    spread = np.sqrt(sum(cell.var(ddof=1) for cell in cells) / len(both))
    means = [float(cell.mean()) for cell in cells]

    def judge(weights: tuple[int, ...], share: float) -> int:
        mean = share * sum(w * m for w, m in zip(weights, means, strict=True))
        half = stats.t.ppf(0.975, 4 * (len(both) - 1)) * spread * share
        return 1 if mean > half else -1 if mean < -half else 0

    return {
        "replay": judge((1, 1, -1, -1), 0.5),
        "target": judge((1, -1, 1, -1), 0.5),
        "together": judge((1, -1, -1, 1), 1.0),
    }


def alone_only(both: Array, replay: Array, target: Array, neither: Array) -> Claims:
    right = claims(both, replay, target, neither)
    return right | {"replay": sign_of(replay - neither), "target": sign_of(target - neither)}


def against_both(both: Array, replay: Array, target: Array, neither: Array) -> Claims:
    right = claims(both, replay, target, neither)
    return right | {"together": sign_of(both - neither)}


def exchanged(both: Array, replay: Array, target: Array, neither: Array) -> Claims:
    return claims(both, target, replay, neither)


def planted(
    *, replay: float = 0.0, target: float = 0.0, together: float = 0.0, noise: float, luck: float
) -> Draw:
    """Ten seeds with known effects; `luck` is shared by the four runs of a seed."""

    def draw(generator: torch.Generator) -> Inputs:
        rng = numpy_generator(generator)

        def centred(*shape: int) -> Array:
            values = rng.normal(size=shape)
            values -= values.mean(axis=-1, keepdims=True)
            return values / values.std(axis=-1, ddof=1, keepdims=True)

        seed_luck, own = luck * centred(10), noise * centred(4, 10)
        means = (replay + target + together, replay, target, 0.0)
        return Inputs(
            tuple(200 + mean + seed_luck + one for mean, one in zip(means, own, strict=True)), {}
        )

    return draw


def at_the_edge(*, replay: float, target: float, together: float, n: int = 5) -> Draw:
    """n seeds whose three effects are as many standard errors away from 0 as given."""

    def draw(generator: torch.Generator) -> Inputs:
        rng = numpy_generator(generator)

        def seeds(errors: float) -> Array:
            values = rng.normal(size=n)
            return (values - values.mean()) / values.std(ddof=1) + errors / np.sqrt(n)

        a, b, c = 10 * seeds(replay), 10 * seeds(target), 5 * seeds(together)
        easy = 200 + 30 * rng.normal(size=n)
        return Inputs((easy + a + b + c, easy + a - b - c, easy - a + b - c, easy - a - b + c), {})

    return draw


def runs(*cells: list[float]) -> Draw:
    return lambda _: Inputs(tuple(np.array(cell) for cell in cells), {})


CLAIMS = Exercise(
    id="pg.claims",
    title="What the ablation allows one to say",
    points=3,
    reference=claims,
    cases=(
        Case(
            "three seeds, replay helps and nothing else does",
            runs([30.0, 31, 32], [31.0, 32, 30], [10.0, 12, 11], [11.0, 10, 12]),
            "With replay the runs reach 30 to 32, without it 10 to 12. The other differences are "
            "small and go both ways.",
            expected={"replay": 1, "target": 0, "together": 0},
            observe=numbers,
        ),
        Case(
            "a switch that harms",
            runs([10.0, 12, 11], [30.0, 31, 33], [11.0, 10, 12], [31.0, 33, 31]),
            "Where `target` is on the runs are worse by about 20: the claim is −1.",
            expected={"replay": 0, "target": -1, "together": 0},
            observe=numbers,
        ),
        Case(
            "only together",
            runs([50.0, 52, 51], [11.0, 12, 10], [11.0, 10, 12], [10.0, 12, 11]),
            "Each switch alone does nothing; together they do much. Averaged over the other "
            "switch both help, and `together` is 50 − 11 − 11 + 11.",
            expected={"replay": 1, "target": 1, "together": 1},
            observe=numbers,
        ),
        Case(
            "the luck of a seed is larger than the effect",
            planted(replay=4, noise=3, luck=60),
            "Seed 3 is easy in all four cells and seed 5 hard in all four. Take the difference "
            "first, within a seed, and the interval of the differences afterwards.",
            observe=numbers,
        ),
        Case(
            "a small effect, ten times",
            planted(replay=30, noise=30, luck=0),
            "The interval is that of the mean: t · s/√n, and narrower than the spread of the "
            "seeds.",
            observe=numbers,
        ),
        Case(
            "a large mean difference that proves nothing",
            planted(replay=20, target=25, noise=70, luck=0),
            "A difference of means is no claim: does its interval exclude 0?",
            observe=numbers,
        ),
        Case(
            "each alone is enough",
            planted(replay=100, target=100, together=-100, noise=10, luck=20),
            "Both help, and the second adds nothing to the first: `together` is −1.",
            observe=numbers,
        ),
        Case(
            "five seeds, 2.65 standard errors from 0",
            at_the_edge(replay=2.65, target=-2.65, together=2.65),
            "With five seeds the 95 % interval reaches 2.78 standard errors to each side, so all "
            "three hold 0. The number is that of Student's t for four degrees of freedom.",
            expected={"replay": 0, "target": 0, "together": 0},
            observe=numbers,
        ),
        Case(
            "five seeds, 2.9 standard errors from 0",
            at_the_edge(replay=2.9, target=-2.9, together=2.9),
            "With five seeds the 95 % interval reaches 2.78 standard errors to each side, so none "
            "of the three holds 0.",
            expected={"replay": 1, "target": -1, "together": 1},
            observe=numbers,
        ),
        Case(
            "ten seeds, 2.5 standard errors from 0",
            at_the_edge(replay=2.5, target=-2.5, together=2.5, n=10),
            "With ten seeds the 95 % interval reaches 2.26 standard errors to each side, so none "
            "of the three holds 0.",
            expected={"replay": 1, "target": -1, "together": 1},
            observe=numbers,
        ),
    ),
    wrong_answers=(
        WrongAnswer(
            "You compare the means and leave out the intervals. Two means are always different.",
            by_difference(lambda d: int(np.sign(d.mean()))),
        ),
        WrongAnswer(
            "You compute the interval from the spread of the runs. The four runs of a seed share "
            "its luck: subtract within the seed first.",
            as_if_unpaired,
        ),
        WrongAnswer(
            "You compare each switch with nothing at all. A main effect is averaged over both "
            "positions of the other switch.",
            alone_only,
        ),
        WrongAnswer(
            "`together` is not both against neither: what each does alone must be subtracted, "
            "(both − replay) − (target − neither).",
            against_both,
        ),
        WrongAnswer("You exchanged `replay` and `target`.", exchanged),
        WrongAnswer(
            "You took about two standard errors to each side. That is right for many seeds; for "
            "five the t interval reaches 2.78 of them. `plots.t_interval` knows the number.",
            by_difference(normal),
        ),
        WrongAnswer(
            "You took 2.78 standard errors to each side, whatever the number of seeds. That is "
            "right for five; for ten it is 2.26.",
            by_difference(as_if_five),
        ),
        WrongAnswer(
            "You did not divide by √n: that is the spread of the seeds, not that of their mean.",
            by_difference(too_wide),
        ),
    ),
)
