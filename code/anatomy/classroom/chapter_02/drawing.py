"""Inputs of NumPy arrays, fresh for each call, and what is compared of an answer."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import numpy as np
import torch

from anatomy.classroom.case import Draw, Function, Inputs


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


def numbers(function: Function, inputs: Inputs) -> dict[str, float]:
    """A dictionary of numbers, NumPy's scalars taken as Python's."""
    found = function(*inputs.args, **inputs.kwargs)
    if type(found) is not dict:
        return found
    return {name: float(value) for name, value in found.items()}
