"""Exercises 1 and 2: evaluate a policy, sweep, and measure how fast the sweeps close in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch

from anatomy.algorithms.dynamic_programming import (
    action_values,
    bellman_expectation,
    bellman_optimality,
    evaluate_exactly,
    uniform,
)
from anatomy.classroom.case import Case, Draw, Function, Inputs
from anatomy.classroom.chapter_02.drawing import fixed, numpy_generator
from anatomy.classroom.exercise import Exercise, WrongAnswer
from anatomy.envs.mdp import MDP, Array, random_mdp, random_walk

PRECISION = 1e-8

# Pays 1, and ends half of the time.
COIN = MDP(
    transition=np.array([[[0.5, 0.5]], [[0, 1]]]),
    reward=np.array([[1], [0]]),
    terminal=np.array([False, True]),
)
# Stay in 0 for 1 each time, or go to 1, which pays 5 and ends.
STAY_OR_GO = MDP(
    transition=np.array([[[1, 0, 0], [0, 1, 0]], [[0, 0, 1]] * 2, [[0, 0, 1]] * 2]),
    reward=np.array([[1, 0], [5, 5], [0, 0]]),
    terminal=np.array([False, False, True]),
    actions=("stay", "go"),
)


def drawn(*, gamma: float, what: str) -> Draw:
    """A random MDP of eight states and three actions, with a random policy or random values."""

    def draw(generator: torch.Generator) -> Inputs:
        rng = numpy_generator(generator)
        mdp = random_mdp(8, 3, generator=rng)
        policy, values = rng.dirichlet(np.ones(3), size=8), rng.normal(size=8) * 5
        return Inputs((mdp, policy if what == "policy" else values), {"gamma": gamma})

    return draw


def endless(generator: torch.Generator) -> Inputs:
    """A random MDP that reaches its end about once in a thousand steps, and a random policy."""
    rng = numpy_generator(generator)
    mdp = random_mdp(8, 3, generator=rng)
    transition = mdp.transition.copy()
    transition[:-1, :, -1] = 1e-3
    transition[:-1] /= transition[:-1].sum(axis=2, keepdims=True)
    policy = rng.dirichlet(np.ones(3), size=8)
    return Inputs((replace(mdp, transition=transition), policy), {"gamma": 0.999})


def states_off(function: Function, inputs: Inputs) -> Any:
    """How many states are further than 1e-8 from the linear solve."""
    found = function(*inputs.args, **inputs.kwargs)
    exact = evaluate_exactly(*inputs.args, **inputs.kwargs)
    if type(found) is not np.ndarray or found.shape != exact.shape or found.dtype.kind != "f":
        return found
    return {"states off by more than 1e-8": float((~(np.abs(found - exact) <= PRECISION)).sum())}


def swept(
    mdp: MDP,
    policy: Array,
    *,
    gamma: float,
    backup: Callable[..., Array] = bellman_expectation,
    sweeps: int = 20_000,
    change: float = 1e-13,
) -> Array:
    """Evaluation by repeated backups, stopped after `sweeps` or below `change`."""
    values = np.zeros(mdp.state_count)
    for _ in range(sweeps):
        following = backup(mdp, policy, values, gamma=gamma)
        small = np.abs(following - values).max() < change
        values = following
        if small:
            break
    return values


def discounted_too_early(mdp: MDP, policy: Array, values: Array, *, gamma: float) -> Array:
    return gamma * (policy * (mdp.reward + mdp.continues @ values)).sum(axis=1)


def best_action(mdp: MDP, policy: Array, values: Array, *, gamma: float) -> Array:
    return bellman_optimality(mdp, values, gamma=gamma)


def even_policy(mdp: MDP, policy: Array, *, gamma: float) -> Array:
    return evaluate_exactly(mdp, uniform(mdp), gamma=gamma)


def no_discount(mdp: MDP, policy: Array, *, gamma: float) -> Array:
    return evaluate_exactly(mdp, policy, gamma=1.0)


def first_step_only(mdp: MDP, policy: Array, *, gamma: float) -> Array:
    return (policy * mdp.reward).sum(axis=1)


def arrivals(mdp: MDP, policy: Array, values: Array, *, gamma: float) -> Array:
    """Sums over the wrong index: what comes from s' instead of what goes there."""
    onward = np.einsum("sa,sat->st", policy, mdp.continues)
    return (policy * mdp.reward).sum(axis=1) + gamma * onward.T @ values


EVALUATION = Exercise(
    id="rl.evaluation",
    title="What is this policy worth?",
    points=3,
    reference=evaluate_exactly,
    cases=(
        Case(
            "one place that pays 1 and ends half of the time, γ = 0.9",
            fixed(COIN, [[1.0], [1.0]], gamma=0.9),
            "V = 1 + 0.9 · ½ · V, so V = 1/0.55. The end is worth 0.",
            expected=np.array([1 / 0.55, 0.0]),
        ),
        Case(
            "stay or go, by a coin, γ = 0.5",
            fixed(STAY_OR_GO, [[0.5, 0.5]] * 3, gamma=0.5),
            "V(1) = 5 and V(0) = ½ (1 + ½ V(0)) + ½ (½ · 5).",
            expected=np.array([7 / 3, 5.0, 0.0]),
        ),
        Case(
            "the random walk without discount",
            fixed(random_walk(5), [[0.5, 0.5]] * 7, gamma=1.0),
            "From place k the right end comes first with probability k/6.",
            expected=np.array([0, 1, 2, 3, 4, 5, 0]) / 6,
        ),
        Case(
            "eight states, a random policy",
            drawn(gamma=0.9, what="policy"),
            "V(s) = Σ_a π(a|s) [r(s,a) + γ Σ_s' P(s'|s,a) V(s')] must hold in every state.",
        ),
        Case(
            "to 1e-8, also at γ = 0.999",
            endless,
            "A small change per sweep is not a small error: the error may be γ/(1−γ) times "
            "as large. Sweep longer, or solve the linear equations.",
            observe=states_off,
        ),
    ),
    wrong_answers=(
        WrongAnswer(
            "You took the best action. Evaluation takes the policy's own: the mean over π(a|s).",
            partial(swept, backup=best_action),
        ),
        WrongAnswer(
            "You did not use the policy: these are the values of the even one.", even_policy
        ),
        WrongAnswer(
            "You discount the reward of the first step too: it is r + γ V', not γ (r + V').",
            partial(swept, backup=discounted_too_early),
        ),
        WrongAnswer("You left γ out.", no_discount),
        WrongAnswer("You counted one step only: the future is missing.", first_step_only),
        WrongAnswer(
            "You stopped when a sweep changed less than 1e-8. What is still missing can be "
            "γ/(1−γ) times as much.",
            partial(swept, change=1e-8),
        ),
        WrongAnswer(
            "You stopped after a fixed number of sweeps; near γ = 1 thousands are needed.",
            partial(swept, sweeps=20),
        ),
    ),
)


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
