"""Worlds and inputs of NumPy arrays, fresh for each call, and what is compared of an answer."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import numpy as np
import torch

from anatomy.classroom.case import Draw, Function, Inputs
from anatomy.envs.mdp import MDP, random_mdp

# Stay in 0 for 1 each time, or go to 1, which pays 5 and ends.
STAY_OR_GO = MDP(
    transition=np.array([[[1, 0, 0], [0, 1, 0]], [[0, 0, 1]] * 2, [[0, 0, 1]] * 2]),
    reward=np.array([[1, 0], [5, 5], [0, 0]]),
    terminal=np.array([False, False, True]),
    actions=("stay", "go"),
)


def fixed(*args: Any, **kwargs: Any) -> Draw:
    """The same inputs each time, as copies; nested lists become float64 arrays."""

    def draw(_: torch.Generator) -> Inputs:
        return Inputs(
            tuple(
                np.array(a, dtype=float) if isinstance(a, list) and a else deepcopy(a) for a in args
            ),
            dict(kwargs),
        )

    return draw


def numpy_generator(generator: torch.Generator) -> np.random.Generator:
    """A NumPy stream that belongs to this case and seed."""
    return np.random.default_rng(generator.initial_seed())


def drawn(*, gamma: float, what: str) -> Draw:
    """A random MDP of eight states and three actions, with a random policy or random values."""

    def draw(generator: torch.Generator) -> Inputs:
        rng = numpy_generator(generator)
        mdp = random_mdp(8, 3, generator=rng)
        policy, values = rng.dirichlet(np.ones(3), size=8), rng.normal(size=8) * 5
        return Inputs((mdp, policy if what == "policy" else values), {"gamma": gamma})

    return draw


def numbers(function: Function, inputs: Inputs) -> dict[str, float]:
    """A dictionary of numbers, NumPy's scalars taken as Python's."""
    found = function(*inputs.args, **inputs.kwargs)
    if type(found) is not dict:
        return found
    return {name: float(value) for name, value in found.items()}
