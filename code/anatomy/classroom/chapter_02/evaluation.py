"""Exercise 1: what a policy is worth, to eight digits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch

from anatomy.algorithms.dynamic_programming import (
    bellman_expectation,
    bellman_optimality,
    evaluate_exactly,
    uniform,
)
from anatomy.classroom.case import Case, Function, Inputs
from anatomy.classroom.chapter_02.drawing import STAY_OR_GO, drawn, fixed, numpy_generator
from anatomy.classroom.exercise import Exercise, WrongAnswer
from anatomy.envs.mdp import MDP, Array, random_mdp, random_walk

PRECISION = 1e-8

# Pays 1, and ends half of the time.
COIN = MDP(
    transition=np.array([[[0.5, 0.5]], [[0, 1]]]),
    reward=np.array([[1], [0]]),
    terminal=np.array([False, True]),
)


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
            "You stopped too early. When a sweep changes less than 1e-8, what is still missing can "
            "be γ/(1−γ) times as much.",
            partial(swept, change=1e-8),
        ),
        WrongAnswer(
            "You stopped after a fixed number of sweeps; near γ = 1 thousands are needed.",
            partial(swept, sweeps=20),
        ),
    ),
)
