"""A case: a situation, how it is observed, and what is right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

Function = Callable[..., Any]


class Inputs(NamedTuple):
    """What a function is called with."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]


Draw = Callable[[torch.Generator], Inputs]  # makes fresh inputs each time, the same for a seed
Observe = Callable[[Function, Inputs], Any]  # calls a function and returns what is compared


def given(*args: Any, **kwargs: Any) -> Draw:
    """Fixed inputs; nested lists become tensors."""

    def draw(_: torch.Generator) -> Inputs:
        return Inputs(tuple(torch.tensor(a) if isinstance(a, list) else a for a in args), kwargs)

    return draw


def value(function: Function, inputs: Inputs) -> Any:
    """What the function returns."""
    return function(*inputs.args, **inputs.kwargs)


def gradient(function: Function, inputs: Inputs) -> Any:
    """The gradient of the summed result with respect to the first argument."""
    first = inputs.args[0].requires_grad_()
    result = function(first, *inputs.args[1:], **inputs.kwargs)
    if not isinstance(result, Tensor):
        return result
    if not result.requires_grad:
        return torch.zeros_like(first)  # what an optimiser would see
    (found,) = torch.autograd.grad(result.sum(), first, allow_unused=True)
    return torch.zeros_like(first) if found is None else found


@dataclass(frozen=True)
class Case:
    """One situation. `expected` is computed by hand, or left to the reference (None)."""

    name: str
    inputs: Draw
    hint: str  # what to look at when it fails
    expected: Any = None
    observe: Observe = value
