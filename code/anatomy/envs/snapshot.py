"""Where the copies of an environment stand, as tensors and JSON, so that a run can go on there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium.vector import AutoresetMode, VectorEnv

# What describes an environment and does not change while it runs.
CONSTANT = (gymnasium.Space, gymnasium.envs.registration.EnvSpec, AutoresetMode)


def snapshot(envs: VectorEnv) -> dict[str, Any]:
    """All attributes of an environment that steps as arrays: arrays, numbers, random streams.

    Raises TypeError for an environment that keeps anything else. gymnasium steps most
    environments one copy at a time in Python; what those hold, nobody can see from here.
    """
    name = name_of(envs)
    found: dict[str, Any] = {}
    if envs.unwrapped is not envs:
        raise TypeError(f"{name} is wrapped, and what a wrapper remembers cannot be kept")
    for attribute, value in vars(envs).items():
        key = f"{name}.{attribute}"
        if isinstance(value, CONSTANT):
            continue
        if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
            found[key] = torch.from_numpy(value.copy())
        elif isinstance(value, np.random.Generator):
            found[key] = value.bit_generator.state
        elif value is None or isinstance(value, bool | int | float | str):
            found[key] = value
        else:
            raise TypeError(
                f"where {name} stands cannot be kept: its {attribute!r} is a "
                f"{type(value).__name__}; use an environment that steps all copies as arrays, "
                "such as 'CartPole-v1' or 'anatomy/Pendulum-v1'"
            )
    return found


def restore(envs: VectorEnv, state: Mapping[str, Any]) -> None:
    """Put an environment where `snapshot` found one of the same kind and number of copies."""
    for attribute, value in vars(envs).items():
        if isinstance(value, CONSTANT):
            continue
        kept: Any = state[f"{name_of(envs)}.{attribute}"]
        if isinstance(value, np.random.Generator):
            value.bit_generator.state = kept
        else:
            setattr(envs, attribute, kept.numpy().copy() if torch.is_tensor(kept) else kept)


def name_of(envs: VectorEnv) -> str:
    """The name under which the environment was made, else its class's."""
    return envs.spec.id if envs.spec is not None else type(envs).__name__


def difference(mine: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """Why one state cannot take the place of the other, in a few words, or nothing."""
    if odd := sorted(mine.keys() ^ other.keys()):
        return f"{odd[0]!r} is {'missing' if odd[0] in mine else 'unknown here'}"
    for name, value in mine.items():
        if torch.is_tensor(value) != torch.is_tensor(other[name]):
            return f"{name!r} is of another kind"
        if torch.is_tensor(value) and value.shape != other[name].shape:
            return f"{name!r} is {tuple(other[name].shape)}, here {tuple(value.shape)}"
    return ""
