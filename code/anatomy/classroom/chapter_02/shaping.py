"""Exercise 6: a bonus that speeds learning up and changes nothing."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from anatomy.algorithms.dynamic_programming import shaped
from anatomy.classroom.case import Case, Inputs
from anatomy.classroom.chapter_02.drawing import numpy_generator
from anatomy.classroom.exercise import Exercise, WrongAnswer
from anatomy.envs.mdp import MDP, Array, random_mdp, random_walk


def shaped_reward(mdp: MDP, potential: Array, *, gamma: float) -> Array:
    """r(s,a) + γ E[Φ(s')] − Φ(s), with Φ(terminal) = 0: (S, A)."""
    return shaped(mdp, potential, gamma=gamma).reward


def bonus_of(
    bonus: Callable[[MDP, Array, float], Array], *, ends_are_zero: bool = True
) -> Callable[..., Array]:
    """A wrong answer: another bonus, or a potential that counts at the end too."""

    def function(mdp: MDP, potential: Array, *, gamma: float) -> Array:
        if ends_are_zero:
            potential = np.where(mdp.terminal, 0.0, potential)
        paid = bonus(mdp, potential, gamma)
        return mdp.reward + np.where(mdp.terminal[:, None], 0.0, paid)

    return function


def on_the_walk(potential: list[float]) -> Callable[[torch.Generator], Inputs]:
    def draw(_: torch.Generator) -> Inputs:
        return Inputs((random_walk(3), np.array(potential)), {"gamma": 0.9})

    return draw


def at_random(generator: torch.Generator) -> Inputs:
    rng = numpy_generator(generator)
    mdp = random_mdp(6, 3, generator=rng)
    return Inputs((mdp, rng.normal(size=6) * 3), {"gamma": 0.8})


SHAPING = Exercise(
    id="rl.shaping",
    title="A bonus that changes nothing",
    points=4,
    reference=shaped_reward,
    cases=(
        Case(
            "no potential, no bonus",
            on_the_walk([0.0] * 5),
            "With Φ = 0 the reward stays as it is.",
            expected=np.array([[0, 0], [0, 0], [0, 0], [0, 1], [0, 0]], dtype=float),
        ),
        Case(
            "the walk with Φ = (0, 1, 2, 3, 0)",
            on_the_walk([0.0, 1.0, 2.0, 3.0, 0.0]),
            "From place 2 to the right: 0.9 · 3 − 2. From place 3 over the end: 1 + 0 − 3.",
            expected=np.array([[0, 0], [-1, 0.8], [-1.1, 0.7], [-1.2, -2], [0, 0]]),
        ),
        Case(
            "a potential that is not 0 at the ends",
            on_the_walk([8.0, 1.0, 2.0, 3.0, 8.0]),
            "Nothing is paid back after an end, so Φ must count as 0 there.",
            expected=np.array([[0, 0], [-1, 0.8], [-1.1, 0.7], [-1.2, -2], [0, 0]]),
        ),
        Case(
            "six states, chance in every step",
            at_random,
            "The bonus is an expectation: γ Σ_s' P(s'|s,a) Φ(s') − Φ(s).",
        ),
    ),
    wrong_answers=(
        WrongAnswer(
            "You counted Φ at the ends. An agent could collect it there and never pay it back.",
            bonus_of(
                lambda mdp, phi, gamma: gamma * mdp.transition @ phi - phi[:, None],
                ends_are_zero=False,
            ),
        ),
        WrongAnswer(
            "You left γ out of the bonus. The sum over a path telescopes only as γ Φ(s') − Φ(s).",
            bonus_of(lambda mdp, phi, gamma: mdp.transition @ phi - phi[:, None]),
        ),
        WrongAnswer(
            "Your sign is turned round: progress costs, retreat pays.",
            bonus_of(lambda mdp, phi, gamma: phi[:, None] - gamma * mdp.transition @ phi),
        ),
        WrongAnswer(
            "You pay for being in good places, γ Φ(s'), and take nothing back. Then it pays to "
            "stay there.",
            bonus_of(lambda mdp, phi, gamma: gamma * mdp.transition @ phi),
        ),
        WrongAnswer(
            "You only subtract Φ(s).",
            bonus_of(lambda mdp, phi, gamma: np.broadcast_to(-phi[:, None], mdp.reward.shape)),
        ),
        WrongAnswer(
            "You return the bonus alone; add the reward of the task.",
            lambda mdp, potential, gamma: shaped_reward(mdp, potential, gamma=gamma) - mdp.reward,
        ),
    ),
)
