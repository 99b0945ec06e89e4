"""Exercise 2: a sweep of value iteration, and how fast the sweeps close in."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from anatomy.algorithms.dynamic_programming import (
    action_values,
    bellman_expectation,
    bellman_optimality,
    uniform,
)
from anatomy.classroom.case import Case, Inputs
from anatomy.classroom.chapter_02.drawing import STAY_OR_GO, drawn, fixed, numpy_generator
from anatomy.classroom.exercise import Exercise, WrongAnswer
from anatomy.envs.mdp import MDP, Array, random_walk


def mean_sweep(mdp: MDP, values: Array, *, gamma: float) -> Array:
    return bellman_expectation(mdp, uniform(mdp), values, gamma=gamma)


def with_ends(mdp: MDP, values: Array, *, gamma: float) -> Array:
    return (mdp.reward + gamma * mdp.transition @ values).max(axis=1)


def in_place(mdp: MDP, values: Array, *, gamma: float) -> Array:
    values = values.copy()
    for state in range(mdp.state_count):
        values[state] = action_values(mdp, values, gamma=gamma)[state].max()
    return values


def two_maxima(mdp: MDP, values: Array, *, gamma: float) -> Array:
    return mdp.reward.max(axis=1) + gamma * (mdp.continues @ values).max(axis=1)


def undiscounted(mdp: MDP, values: Array, *, gamma: float) -> Array:
    return bellman_optimality(mdp, values, gamma=1.0)


SWEEP = Exercise(
    id="rl.sweep",
    title="One sweep of value iteration",
    points=2,
    reference=bellman_optimality,
    cases=(
        Case(
            "stay or go, γ = 0.5, V = (2, 3, 99)",
            fixed(STAY_OR_GO, [2.0, 3.0, 99.0], gamma=0.5),
            "max(1 + ½ · 2, 0 + ½ · 3) = 2 and 5 + 0: what stands in the table for the end "
            "does not count.",
            expected=np.array([2.0, 5.0, 0.0]),
        ),
        Case(
            "the walk, from zeros, γ = 0.9",
            fixed(random_walk(3), [0.0] * 5, gamma=0.9),
            "After one sweep only the place beside the right end knows of the reward.",
            expected=np.array([0.0, 0.0, 0.0, 1.0, 0.0]),
        ),
        Case(
            "a walk whose ends hold nonsense, γ = 0.9",
            fixed(random_walk(3), [50.0, 1.0, 2.0, 3.0, 70.0], gamma=0.9),
            "Both ends are terminal, the first state and the last. From place 1 the best is "
            "0.9 · 2, from place 3 it is 1 + 0.",
            expected=np.array([0.0, 1.8, 2.7, 1.8, 0.0]),
        ),
        Case(
            "eight states, random values",
            drawn(gamma=0.9, what="values"),
            "max_a [r(s,a) + γ Σ_s' P(s'|s,a) V(s')], with V = 0 for terminal s'.",
        ),
        Case(
            "γ = 0: the best immediate reward",
            drawn(gamma=0.0, what="values"),
            "Without a future only r(s,a) is left.",
        ),
    ),
    wrong_answers=(
        WrongAnswer("You took the mean over the actions. The best one is the max.", mean_sweep),
        WrongAnswer(
            "You counted V of a terminal state. Nothing follows an end: use `mdp.continues`.",
            with_ends,
        ),
        WrongAnswer(
            "You used values that were changed in the same sweep. It converges too, but it is not "
            "T*: every state must look at the table as it was before the sweep.",
            in_place,
        ),
        WrongAnswer(
            "You took two maxima, of the reward and of the future. It must be one action that "
            "has both.",
            two_maxima,
        ),
        WrongAnswer("You left γ out.", undiscounted),
    ),
)


def change_rates(sweeps: Array) -> Array:
    """‖V_{k+1} − V_k‖∞ / ‖V_k − V_{k−1}‖∞ for the rows V_0, V_1, …: (K, S) → (K − 2,)."""
    changes = np.abs(np.diff(sweeps, axis=0)).max(axis=1)
    return changes[1:] / changes[:-1]


def rates_by(size: Callable[[Array], Array]) -> Callable[[Array], Array]:
    """A wrong answer: another size of the change."""

    def function(sweeps: Array) -> Array:
        changes = size(np.diff(sweeps, axis=0))
        return changes[1:] / changes[:-1]

    return function


def random_sweeps(generator: torch.Generator) -> Inputs:
    return Inputs((numpy_generator(generator).normal(size=(7, 5)),), {})


RATES = Exercise(
    id="rl.rates",
    title="How fast do the sweeps close in?",
    points=1,
    reference=change_rates,
    cases=(
        Case(
            "four tables of two states",
            fixed([[0.0, 0.0], [1.0, -4.0], [1.0, -2.0], [0.0, -2.0]]),
            "The largest changes are 4, 2 and 1, whatever their sign.",
            expected=np.array([0.5, 0.5]),
        ),
        Case("seven random tables", random_sweeps, "One rate for each pair of changes: K − 2."),
    ),
    wrong_answers=(
        WrongAnswer(
            "You forgot the absolute value: a fall by 4 is a change of 4.",
            rates_by(lambda change: change.max(axis=1)),
        ),
        WrongAnswer(
            "You measured the Euclidean length. Bellman's operators shrink the largest entry; "
            "the length may even grow.",
            rates_by(lambda change: np.sqrt((change**2).sum(axis=1))),
        ),
        WrongAnswer(
            "You took the mean over the states. The promise is about the worst one: the max.",
            rates_by(lambda change: np.abs(change).mean(axis=1)),
        ),
        WrongAnswer(
            "Your ratio is upside down: the later change by the earlier one.",
            lambda sweeps: 1 / change_rates(sweeps),
        ),
    ),
)
