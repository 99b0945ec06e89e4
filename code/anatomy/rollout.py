"""What acting produces and learning consumes: two frozen records of (B, T) tensors.

B counts actors (or responses), T counts steps (or response tokens). The same
records carry CartPole and text, so that one PPO serves both.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from anatomy.runtime import require_same_device


@dataclass(frozen=True, eq=False)
class _Record:
    """Checks that both records share."""

    _steps: ClassVar[tuple[str, ...]] = ()  # fields that are (B, T) exactly
    _rows: ClassVar[tuple[str, ...]] = ()  # fields that only share B

    def _tensors(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def __post_init__(self) -> None:
        name = type(self).__name__
        tensors = self._tensors()
        for field, tensor in tensors.items():
            if not isinstance(tensor, Tensor):
                raise TypeError(f"{name}.{field} must be a tensor, got {type(tensor).__name__}")
        shape = tensors[self._steps[0]].shape
        if len(shape) != 2:
            raise ValueError(f"{name}.{self._steps[0]} must be (B, T), got {tuple(shape)}")
        for field in self._steps:
            found = tuple(tensors[field].shape)
            if found != shape:
                raise ValueError(f"{name}.{field} must be (B, T) = {tuple(shape)}, got {found}")
        for field in ("terminated", "truncated", "mask"):
            # ~1 is −2 for an integer: a flag of another type would corrupt GAE silently
            if field in tensors and tensors[field].dtype != torch.bool:
                raise TypeError(f"{name}.{field} must be bool, got {tensors[field].dtype}")
        for field in self._rows:
            found = tuple(tensors[field].shape)
            if found[:1] != shape[:1]:
                raise ValueError(f"{name}.{field} must have B = {shape[0]} rows, got {found}")
        require_same_device(**tensors)

    def __len__(self) -> int:
        """Number of rows, B."""
        return getattr(self, self._steps[0]).shape[0]

    def to(self, device: torch.device | str) -> Self:
        """Return the record with every tensor on `device`."""
        return replace(
            self, **{name: tensor.to(device) for name, tensor in self._tensors().items()}
        )


@dataclass(frozen=True, eq=False)
class Rollout(_Record):
    """What N actors experienced in T steps under one policy.

    `observations` (B, T, ...) is what the policy saw before each action, and
    `observations[:, t + 1]` is always what followed action t. After an end that
    is the final observation, and the step that starts from it (the environment
    resets, the action is ignored) has `mask` False. A language rollout holds the
    whole text instead, (B, P + T). `last_values` is V of what followed step T.

    `terminated`: the task ended, so there is no future. `truncated`: the clock
    ran out or the text was cut, so there is a future that we did not see.
    """

    observations: Tensor  # (B, T, ...) or (B, P + T)
    actions: Tensor  # (B, T, ...)
    logprobs: Tensor  # (B, T)  log π_old(a_t | s_t), kept from acting
    values: Tensor  # (B, T)  V(s_t)
    last_values: Tensor  # (B,)    V(s_T)
    rewards: Tensor  # (B, T)
    terminated: Tensor  # (B, T)  bool
    truncated: Tensor  # (B, T)  bool
    mask: Tensor  # (B, T)  bool, True where the step counts

    _steps: ClassVar = ("rewards", "logprobs", "values", "terminated", "truncated", "mask")
    _rows: ClassVar = ("observations", "actions", "last_values")


@dataclass(frozen=True, eq=False)
class Batch(_Record):
    """What a PPO update needs of each step once the advantages are known.

    Rows are the unit that minibatches are cut from: whole responses for text;
    for environments `flatten` first, so that a row is one step.
    """

    observations: Tensor  # (B, T, ...)
    actions: Tensor  # (B, T, ...)
    old_logprobs: Tensor  # (B, T)
    old_values: Tensor  # (B, T)
    advantages: Tensor  # (B, T)
    returns: Tensor  # (B, T)
    mask: Tensor  # (B, T)

    _steps: ClassVar = ("advantages", "old_logprobs", "old_values", "returns", "mask")
    _rows: ClassVar = ("observations", "actions")

    def __getitem__(self, rows: Tensor | slice) -> Batch:
        """Return the chosen rows (an index tensor, a boolean tensor or a slice)."""
        return Batch(**{name: tensor[rows] for name, tensor in self._tensors().items()})

    def flatten(self) -> Batch:
        """(B, T) → (B·T, 1), without the steps that the mask excludes.

        Only for observations of one step each, (B, T, ...); a step of a text
        cannot be evaluated apart from the text before it.
        """
        batch, steps = self.mask.shape
        for name in self._rows:
            if getattr(self, name).shape[:2] != (batch, steps):
                raise ValueError(
                    f"flatten needs {name} of shape (B, T, ...) = ({batch}, {steps}, ...), "
                    f"got {tuple(getattr(self, name).shape)}; keep sequences as rows instead"
                )
        return Batch(
            **{
                name: tensor[self.mask].unsqueeze(1)  # (B·T, 1, ...)
                for name, tensor in self._tensors().items()
            }
        )
