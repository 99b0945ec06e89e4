"""Exercise 4: TD(0) along an episode, and bias and variance over many seeds."""

from __future__ import annotations

import numpy as np
import torch

from anatomy.algorithms.temporal_difference import first_visit_returns, move, td_target
from anatomy.classroom.case import Case, Draw, Inputs
from anatomy.classroom.chapter_02.drawing import fixed, numbers, numpy_generator
from anatomy.classroom.exercise import Exercise, WrongAnswer
from anatomy.envs.mdp import Array


def td0_episode(
    values: Array, states: list[int], rewards: list[float], *, step_size: float, gamma: float
) -> Array:
    """TD(0) along one finished episode s_0 … s_T: new values (S,), the old ones untouched."""
    values = values.copy()
    last = len(rewards) - 1
    for t, reward in enumerate(rewards):
        target = td_target(reward, values[states[t + 1]], t == last, gamma=gamma)
        values[states[t]] = move(values[states[t]], target, step_size=step_size)
    return values


def wrong_td0(
    values: Array,
    states: list[int],
    rewards: list[float],
    *,
    step_size: float,
    gamma: float,
    mistake: str,
) -> Array:
    """TD(0) as in the reference, except for one mistake."""
    before, values = values, values.copy()
    last = len(rewards) - 1
    order = range(last, -1, -1) if mistake == "backwards" else range(last + 1)
    discount = 1.0 if mistake == "no discount" else gamma
    for t in order:
        table = before if mistake == "old table" else values
        here, following = states[t], states[t + 1]
        ended = t == last and mistake != "end counts"
        if mistake == "end is a place":
            ended = following == len(values) - 1
        target = td_target(rewards[t], table[following], ended, gamma=discount)
        if mistake == "replaced":
            values[here] = target
        elif mistake == "wrong place":
            values[following] = move(values[following], target, step_size=step_size)
        elif mistake == "old table":
            values[here] += step_size * (target - before[here])
        else:
            values[here] = move(values[here], target, step_size=step_size)
    return values


def monte_carlo_instead(
    values: Array, states: list[int], rewards: list[float], *, step_size: float, gamma: float
) -> Array:
    values = values.copy()
    for state, target in first_visit_returns(states[:-1], rewards, gamma=gamma).items():
        values[state] = move(values[state], target, step_size=step_size)
    return values


def mistaken(mistake: str, explanation: str) -> WrongAnswer:
    def function(
        values: Array, states: list[int], rewards: list[float], *, step_size: float, gamma: float
    ) -> Array:
        return wrong_td0(values, states, rewards, step_size=step_size, gamma=gamma, mistake=mistake)

    return WrongAnswer(explanation, function)


def random_episode(generator: torch.Generator) -> Inputs:
    """Twelve steps among five places, then the end, place 5, whose entry holds nonsense."""
    rng = numpy_generator(generator)
    values = np.append(rng.normal(size=5), 50.0)
    states = [*rng.integers(5, size=12).tolist(), 5]
    return Inputs((values, states, rng.normal(size=12).tolist()), {"step_size": 0.3, "gamma": 0.9})


def given_episode(
    values: list[float], states: list[int], rewards: list[float], **rest: float
) -> Draw:
    def draw(_: torch.Generator) -> Inputs:
        return Inputs((np.array(values), list(states), list(rewards)), dict(rest))

    return draw


TD0 = Exercise(
    id="rl.td0",
    title="TD(0) along an episode",
    points=3,
    reference=td0_episode,
    cases=(
        Case(
            "one step, then the end",
            given_episode([1.0, 7.0], [0, 1], [3.0], step_size=0.5, gamma=0.9),
            "The target is 3: after the end nothing follows, whatever the table says.",
            expected=np.array([2.0, 7.0]),
        ),
        Case(
            "two steps, no reward before the end",
            given_episode([0.0, 1.0, 0.0], [0, 1, 2], [0.0, 1.0], step_size=0.5, gamma=0.8),
            "V(0) moves half the way to 0.8 · V(1). V(1) is already right.",
            expected=np.array([0.4, 1.0, 0.0]),
        ),
        Case(
            "a place visited twice",
            given_episode(
                [0.0, 2.0, 4.0, 9.0], [0, 1, 0, 3], [1.0, 0.0, 2.0], step_size=0.5, gamma=0.9
            ),
            "0 → 1.4, then V(1) moves towards 0.9 · 1.4, then V(0) from 1.4 towards 2.",
            expected=np.array([1.7, 1.63, 4.0, 9.0]),
        ),
        Case(
            "an end in place 0, on the way through the last row",
            given_episode(
                [50.0, 1.0, 2.0], [1, 2, 1, 0], [1.0, 2.0, 3.0], step_size=0.5, gamma=0.5
            ),
            "The episode ends with its last step, wherever that leads: the target there is 3. The "
            "step into place 2 ends nothing.",
            expected=np.array([50.0, 2.25, 2.375]),
        ),
        Case(
            "twelve random steps", random_episode, "Compare step by step with r + γ V(s') − V(s)."
        ),
    ),
    wrong_answers=(
        mistaken(
            "end counts",
            "You bootstrap from the last state. The episode has ended there: its target is r.",
        ),
        mistaken("no discount", "You left γ out of the target."),
        mistaken(
            "old table",
            "You used the table as it was before the episode. TD(0) learns within it: a value that "
            "was just moved is used at the next step.",
        ),
        mistaken("wrong place", "You moved V(s') instead of V(s)."),
        mistaken("replaced", "You replaced V(s) by the target; move only a part α of the way."),
        mistaken(
            "backwards",
            "You went through the episode from its end. That is a good idea, and another "
            "algorithm: TD(0) cannot know the end while it walks.",
        ),
        mistaken(
            "end is a place",
            "You take the last row of the table for the end. An episode ends with its last step, "
            "wherever that leads.",
        ),
        WrongAnswer(
            "Your targets are returns: that is Monte Carlo. TD(0) asks the next state's value.",
            monte_carlo_instead,
        ),
    ),
)


def bias_and_variance(estimates: Array, truth: Array) -> dict[str, float]:
    """Squared bias, variance and squared error of estimates (N, S), each a mean over states."""
    mean = estimates.mean(axis=0)
    return {
        "bias_squared": float(((mean - truth) ** 2).mean()),
        "variance": float(estimates.var(axis=0).mean()),
        "mse": float(((estimates - truth) ** 2).mean()),
    }


def with_bias(estimates: Array, truth: Array) -> dict[str, float]:
    bias = float((estimates.mean(axis=0) - truth).mean())
    return bias_and_variance(estimates, truth) | {"bias_squared": bias**2}


def not_squared(estimates: Array, truth: Array) -> dict[str, float]:
    bias = float(np.abs(estimates.mean(axis=0) - truth).mean())
    return bias_and_variance(estimates, truth) | {"bias_squared": bias}


def over_states(estimates: Array, truth: Array) -> dict[str, float]:
    spread = float(estimates.var(axis=1).mean())
    return bias_and_variance(estimates, truth) | {"variance": spread}


def deviation(estimates: Array, truth: Array) -> dict[str, float]:
    spread = float(estimates.std(axis=0).mean())
    return bias_and_variance(estimates, truth) | {"variance": spread}


def one_less(estimates: Array, truth: Array) -> dict[str, float]:
    spread = float(estimates.var(axis=0, ddof=1).mean())
    return bias_and_variance(estimates, truth) | {"variance": spread}


def random_estimates(generator: torch.Generator) -> Inputs:
    rng = numpy_generator(generator)
    return Inputs((rng.normal(size=(6, 4)) + np.arange(4.0), rng.normal(size=4)), {})


BIAS_VARIANCE = Exercise(
    id="rl.bias_variance",
    title="Bias and variance over seeds",
    points=2,
    reference=bias_and_variance,
    cases=(
        Case(
            "two seeds, two states",
            fixed([[1.0, 2.0], [3.0, 2.0]], [1.0, 1.0]),
            "The means are 2 and 2, each 1 too high. Only the first state varies: by 1.",
            expected={"bias_squared": 1.0, "variance": 0.5, "mse": 1.5},
            observe=numbers,
        ),
        Case(
            "errors of opposite signs",
            fixed([[1.0, 1.0], [1.0, 1.0]], [0.0, 3.0]),
            "Off by 1 and by −2: square before you average, or they cancel.",
            expected={"bias_squared": 2.5, "variance": 0.0, "mse": 2.5},
            observe=numbers,
        ),
        Case(
            "six seeds, four states",
            random_estimates,
            "bias_squared + variance must equal mse, to the last digit.",
            observe=numbers,
        ),
    ),
    wrong_answers=(
        WrongAnswer(
            "You averaged the bias over the states before squaring it: errors cancel.", with_bias
        ),
        WrongAnswer("Your bias is not squared; then the parts do not add up to mse.", not_squared),
        WrongAnswer(
            "Your variance is over the states of one seed. It is over the seeds, state by state.",
            over_states,
        ),
        WrongAnswer("You report the standard deviation; square it.", deviation),
        WrongAnswer(
            "You divided by N − 1. It estimates the variance of other seeds; the parts add up to "
            "mse only with N.",
            one_less,
        ),
    ),
)
