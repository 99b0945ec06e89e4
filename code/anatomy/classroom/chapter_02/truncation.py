"""Exercise 5: what stands in for the future at the two kinds of end."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from anatomy.classroom.case import Case, Inputs
from anatomy.classroom.chapter_02.drawing import numpy_generator
from anatomy.classroom.exercise import Exercise, WrongAnswer
from anatomy.envs.mdp import Array


def bootstrap_target(
    rewards: Array, next_values: Array, terminated: Array, truncated: Array, *, gamma: float
) -> Array:
    """r + γ V(s'), with V(s') = 0 after a termination and only then: (N,)."""
    return rewards + gamma * np.where(terminated, 0.0, next_values)


def target_by(
    worthless: Callable[[Array, Array], Array],
) -> Callable[..., Array]:
    """A wrong answer: another idea of when the future is worth 0."""

    def function(
        rewards: Array, next_values: Array, terminated: Array, truncated: Array, *, gamma: float
    ) -> Array:
        return rewards + gamma * np.where(worthless(terminated, truncated), 0.0, next_values)

    return function


def unpaid(
    rewards: Array, next_values: Array, terminated: Array, truncated: Array, *, gamma: float
) -> Array:
    return np.where(terminated, 0.0, rewards + gamma * next_values)


def undiscounted(
    rewards: Array, next_values: Array, terminated: Array, truncated: Array, *, gamma: float
) -> Array:
    return bootstrap_target(rewards, next_values, terminated, truncated, gamma=1.0)


def multiplied(
    rewards: Array, next_values: Array, terminated: Array, truncated: Array, *, gamma: float
) -> Array:
    return rewards + gamma * next_values * (1 - terminated)


def four_kinds(generator: torch.Generator) -> Inputs:
    rng = numpy_generator(generator)
    flags = rng.random((2, 40)) < 0.4
    return Inputs((rng.normal(size=40), rng.normal(size=40), *flags), {"gamma": 0.95})


def steps(
    rewards: list[float],
    next_values: list[float],
    terminated: list[bool],
    truncated: list[bool],
) -> Callable[[torch.Generator], Inputs]:
    def draw(_: torch.Generator) -> Inputs:
        arrays = (np.array(x) for x in (rewards, next_values, terminated, truncated))
        return Inputs(tuple(arrays), {"gamma": 0.9})

    return draw


TRUNCATION = Exercise(
    id="rl.truncation",
    title="Two ways to stop",
    points=2,
    reference=bootstrap_target,
    cases=(
        Case(
            "no end",
            steps([1.0, -1.0], [10.0, 2.0], [False] * 2, [False] * 2),
            "r + γ V(s').",
            expected=np.array([10.0, 0.8]),
        ),
        Case(
            "a termination and a truncation",
            steps([1.0, 1.0], [10.0, 10.0], [True, False], [False, True]),
            "After the termination nothing follows. The truncated step had a future: 0.9 · 10.",
            expected=np.array([1.0, 10.0]),
        ),
        Case(
            "the goal, reached in the last second",
            steps([5.0], [10.0], [True], [True]),
            "Both flags: the task ended, and the clock ran out at the same step. Ended is ended.",
            expected=np.array([5.0]),
        ),
        Case(
            "a value after the end that is not a number",
            steps([1.0, 1.0], [float("nan"), 2.0], [True, False], [False, False]),
            "Use np.where: 0 · NaN is NaN.",
            expected=np.array([1.0, 2.8]),
        ),
        Case(
            "forty steps with ends of all kinds",
            four_kinds,
            "`truncated` has no influence on the target.",
        ),
    ),
    wrong_answers=(
        WrongAnswer(
            "You stopped the bootstrap at truncations too. The clock says nothing about the "
            "state: its future is worth V(s').",
            target_by(lambda terminated, truncated: terminated | truncated),
        ),
        WrongAnswer(
            "You bootstrap after terminations. Where the task has ended nothing follows.",
            target_by(lambda terminated, truncated: np.zeros_like(terminated)),
        ),
        WrongAnswer(
            "You exchanged the two flags.", target_by(lambda terminated, truncated: truncated)
        ),
        WrongAnswer(
            "You bootstrap when both flags are set. A task that has ended has ended, whatever "
            "the clock says.",
            target_by(lambda terminated, truncated: terminated & ~truncated),
        ),
        WrongAnswer("You drop the last reward: it was paid.", unpaid),
        WrongAnswer("You left γ out.", undiscounted),
        WrongAnswer(
            "You multiply with 1 − terminated, and 0 · NaN is NaN. Choose with np.where.",
            multiplied,
        ),
    ),
)
