"""Exercise 4: two rewards that explain one expert, checked by solving the MDP."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from anatomy.algorithms.dynamic_programming import (
    action_values,
    evaluate_exactly,
    greedy,
    optimal_values,
)
from anatomy.classroom.case import Case, Draw, Function, Inputs
from anatomy.classroom.chapter_02.drawing import numpy_generator
from anatomy.classroom.exercise import Exercise, WrongAnswer
from anatomy.envs.gridworld import Gridworld
from anatomy.envs.mdp import MDP, Array, random_mdp, random_walk

GAMMA = 0.95
ALIKE = 0.99  # correlation from which two rewards are one wish
GAP = 1e-9  # how much worse, relative to the values, every other action must be


def deviates(mdp: MDP, expert: Array) -> Array:
    """1 for every action that the expert does not take, 0 elsewhere and in the ends: (S, A)."""
    others = np.arange(mdp.action_count) != np.asarray(expert)[:, None]
    return np.where(mdp.terminal[:, None], 0.0, others)


def two_rewards(mdp: MDP, expert: Array, *, gamma: float) -> tuple[Array, Array]:
    """−1 for each deviation; and a price for deviating that differs from place to place."""
    price = 1.0 + np.arange(mdp.state_count)
    return -deviates(mdp, expert), -price[:, None] * deviates(mdp, expert)


def without_reward(mdp: MDP) -> MDP:
    return replace(mdp, reward=np.zeros_like(mdp.reward))


def places_unexplained(mdp: MDP, reward: Array, expert: Array, gamma: float) -> int:
    """In how many places the expert's action is not the only best one under `reward`.

    V of the expert's policy solves a linear system. The policy is the only optimal one
    exactly when in each place each other action is worth less, Bellman's optimality
    equation with a strict maximum.
    """
    paid = replace(mdp, reward=reward)
    policy = np.eye(mdp.action_count)[expert]
    values = evaluate_exactly(paid, policy, gamma=gamma)
    q = action_values(paid, values, gamma=gamma)
    here = np.arange(mdp.state_count)
    taken = q[here, expert]
    q[here, expert] = -np.inf
    margin = taken - q.max(axis=1)
    beaten = ~(margin > GAP * np.maximum(1.0, np.abs(taken)))  # so that NaN counts, too
    return int((beaten & ~mdp.terminal).sum())


def differ(mdp: MDP, first: Array, second: Array) -> bool:
    """Whether neither is nearly a multiple of the other plus a constant: |correlation| < 0.99."""
    one, other = (reward[~mdp.terminal].ravel() for reward in (first, second))
    one, other = one - one.mean(), other - other.mean()
    sizes = np.linalg.norm(one) * np.linalg.norm(other)
    return bool(sizes > 0 and abs(one @ other) < ALIKE * sizes)


def solved(function: Function, inputs: Inputs) -> Any:
    mdp, expert = inputs.args
    gamma = inputs.kwargs["gamma"]
    found = function(mdp, expert, gamma=gamma)
    if found is None:
        return None
    if not isinstance(found, (tuple, list)) or len(found) != 2:
        raise TypeError("return two rewards, as a tuple (first, second)")
    for reward in found:
        if type(reward) is not np.ndarray or reward.shape != mdp.reward.shape:
            raise TypeError(
                f"each reward must be a NumPy array of shape (S, A) = {mdp.reward.shape}"
            )
        if reward.dtype.kind not in "bif" or not np.isfinite(reward).all():
            raise TypeError("a reward holds finite numbers only")
    first, second = (np.asarray(reward, dtype=float) for reward in found)
    where = "places where the expert's action is not the only best one, under the"
    return {
        f"{where} first": float(places_unexplained(mdp, first, expert, gamma)),
        f"{where} second": float(places_unexplained(mdp, second, expert, gamma)),
        "the two differ by more than scale and shift": float(differ(mdp, first, second)),
    }


def three_places(_: torch.Generator) -> Inputs:
    """Three places in a row; the expert goes right."""
    mdp = without_reward(random_walk(3))
    return Inputs((mdp, np.ones(mdp.state_count, dtype=int)), {"gamma": 0.9})


def house(*, sober: bool) -> Draw:
    """The house of chapter 2, and an expert who is the best there or has a random habit."""

    def draw(generator: torch.Generator) -> Inputs:
        mdp = Gridworld("house").mdp
        best = action_values(mdp, optimal_values(mdp, gamma=GAMMA), gamma=GAMMA)
        drunk = numpy_generator(generator).integers(mdp.action_count, size=mdp.state_count)
        expert = greedy(best).argmax(axis=1) if sober else drunk
        return Inputs((without_reward(mdp), expert), {"gamma": GAMMA})

    return draw


def anywhere(generator: torch.Generator) -> Inputs:
    rng = numpy_generator(generator)
    mdp = random_mdp(7, 3, generator=rng)
    return Inputs((without_reward(mdp), rng.integers(3, size=7)), {"gamma": 0.8})


Pair = Callable[[Array, Array], tuple[Array, Array]]


def from_deviations(pair: Pair) -> Callable[..., tuple[Array, Array]]:
    """A wrong answer made of two tables: who deviates, and which places are open."""

    def function(mdp: MDP, expert: Array, *, gamma: float) -> tuple[Array, Array]:
        everywhere = np.broadcast_to(~mdp.terminal[:, None], mdp.reward.shape).astype(float)
        return pair(deviates(mdp, expert), everywhere)

    return function


def one_other(mdp: MDP, expert: Array, *, gamma: float) -> tuple[Array, Array]:
    """Punishes a single other action in each place."""
    first = np.zeros_like(mdp.reward)
    first[np.arange(mdp.state_count), (np.asarray(expert) + 1) % mdp.action_count] = -1
    first[mdp.terminal] = 0
    return first, first * (1.0 + np.arange(mdp.state_count))[:, None]


RIGHT = {
    "places where the expert's action is not the only best one, under the first": 0.0,
    "places where the expert's action is not the only best one, under the second": 0.0,
    "the two differ by more than scale and shift": 1.0,
}
HINT = (
    "Under each of your rewards we solve the MDP: the expert's action must be the only best one "
    "in every open place."
)

DEGENERACY = Exercise(
    id="rlhf.degeneracy",
    title="Two rewards, one expert",
    points=3,
    reference=two_rewards,
    cases=(
        Case("three places in a row, the expert goes right", three_places, HINT, RIGHT, solved),
        Case("the house, with the best expert", house(sober=True), HINT, RIGHT, solved),
        Case(
            "the house, with an expert of random habits",
            house(sober=False),
            f"{HINT} Whoever has a habit can be explained by a reward; it need not be sensible.",
            RIGHT,
            solved,
        ),
        Case("seven states, chance in every step", anywhere, HINT, RIGHT, solved),
    ),
    wrong_answers=(
        WrongAnswer(
            "You pay for doing what the expert does. Then it pays to stay on the way: a detour "
            "collects more payments than the straight path. Charge for deviating instead.",
            from_deviations(
                lambda off, open_: (
                    open_ - off,
                    (open_ - off) * (1.0 + np.arange(len(off)))[:, None],
                )
            ),
        ),
        WrongAnswer(
            "r = 0 makes the expert optimal, and everybody else as well: no action is the only "
            "best one.",
            from_deviations(lambda off, open_: (0 * off, 0 * off)),
        ),
        WrongAnswer(
            "A reward that pays the same everywhere says nothing about the actions.",
            from_deviations(lambda off, open_: (open_, -open_)),
        ),
        WrongAnswer(
            "Your second reward is the first again, a multiple of it, or nearly so. That is the "
            "same wish in another currency; find one that is really different.",
            from_deviations(lambda off, open_: (-off, -2 * off)),
        ),
        WrongAnswer(
            "Your second reward is the first plus a constant. In a world with ends that is no "
            "harmless shift: it pays for staying alive, or for dying early.",
            from_deviations(lambda off, open_: (-off, open_ - off)),
        ),
        WrongAnswer(
            "The sign: you charge for what the expert does.",
            from_deviations(lambda off, open_: (off, (1.0 + np.arange(len(off)))[:, None] * off)),
        ),
        WrongAnswer(
            "You charge for one other action only; the remaining ones are as good as the expert's.",
            one_other,
        ),
    ),
)
