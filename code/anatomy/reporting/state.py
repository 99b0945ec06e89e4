"""The state of a training beside its weights: what it takes to go on as if it had not stopped.

A state is a dictionary of parts: optimizers, further modules, random generators, actors in
their environments, and lists or dictionaries of these. Numbers become tensors, the rest
becomes JSON.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn


@runtime_checkable
class Stateful(Protocol):
    """What describes itself by tensors and JSON under names, as `anatomy.envs.Actors` does."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: dict[str, Any], /) -> Any: ...


Part = torch.optim.Optimizer | nn.Module | torch.Generator | random.Random | Stateful


class CheckpointError(ValueError):
    """A checkpoint that cannot be used, and why, in one sentence."""


def parts(state: Mapping[str, Any]) -> Iterator[tuple[str, Part]]:
    """Every part under its dotted name: {"optimizers": [a, b]} has optimizers.0 and optimizers.1.

    Raises TypeError for anything that is none of the parts that can be kept.
    """
    for name, part in state.items():
        if isinstance(part, Mapping | list | tuple):
            inner = part.items() if isinstance(part, Mapping) else enumerate(part)
            yield from parts({f"{name}.{key}": value for key, value in inner})
        elif isinstance(part, Part):
            yield name, part
        elif part is not None:
            raise TypeError(
                f"{name} is a {type(part).__name__}, which a checkpoint cannot keep: a state holds "
                "optimizers, modules, random generators and what has a state_dict"
            )


def pack(name: str, part: Part) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """One part as tensors, whose names begin with its own, and JSON."""
    meta: dict[str, Any] = {"kind": type(part).__name__}
    if isinstance(part, torch.Generator):
        return {name: part.get_state()}, meta
    if isinstance(part, random.Random):
        return {}, meta | {"state": part.getstate()}
    if isinstance(part, nn.Module):
        return {f"{name}.{key}": tensor for key, tensor in part.state_dict().items()}, meta
    state = part.state_dict()
    if not isinstance(part, torch.optim.Optimizer):
        numbers = {f"{name}.{key}": value for key, value in state.items() if _is_tensor(value)}
        return numbers, meta | {"state": {k: v for k, v in state.items() if not _is_tensor(v)}}
    slots = {
        f"{name}.{index}.{slot}": torch.as_tensor(value)
        for index, kept in state["state"].items()
        for slot, value in kept.items()
    }
    return slots, meta | {"groups": state["param_groups"]}


def unpack(
    path: Path, name: str, part: Part, tensors: Mapping[str, Tensor], stored: Mapping[str, Any]
) -> Callable[[], object]:
    """Check that `stored` and its tensors fit the part; return the call that loads them.

    Raises CheckpointError when they do not, and changes nothing either way.
    """
    kind = type(part).__name__
    if name not in stored or stored[name]["kind"] != kind:
        found = f"the state of {stored[name]['kind']}" if name in stored else f"no {name} state"
        raise CheckpointError(f"{path} holds {found}, not that of {kind}")
    meta, mine = stored[name], below(name, tensors)
    if isinstance(part, torch.Generator):
        state = tensors.get(name)
        if state is None or state.shape != part.get_state().shape:  # a GPU's has another length
            raise CheckpointError(
                f"{path} holds the state of a generator that is not one of {part.device}: "
                "continue on the kind of device that the run began on, or train again"
            )
        return lambda: part.set_state(state)
    if isinstance(part, random.Random):
        version, numbers, following = meta["state"]
        return lambda: part.setstate((version, tuple(numbers), following))
    if isinstance(part, nn.Module):
        check_weights(path, mine, part)
        return lambda: part.load_state_dict(mine)
    if not isinstance(part, torch.optim.Optimizer):
        whole = {**mine, **meta["state"]}
        _check_own(path, name, whole, part.state_dict())
        return lambda: part.load_state_dict(whole)
    slots = _optimizer_state(path, name, part, mine, meta["groups"])
    return lambda: part.load_state_dict(slots)


def below(name: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors whose names begin with `name` and a dot, without these."""
    start = f"{name}."
    return {key.removeprefix(start): t for key, t in tensors.items() if key.startswith(start)}


def check_weights(path: Path, weights: Mapping[str, Tensor], module: nn.Module) -> None:
    """Raise CheckpointError unless `weights` are exactly the module's, by name and shape."""
    expected = module.state_dict()
    for name in sorted(expected.keys() | weights.keys()):
        if name not in weights or name not in expected:
            where = "lacks" if name not in weights else "has an unknown"
            raise CheckpointError(f"{path} {where} weight {name!r}")
        if weights[name].shape != expected[name].shape:
            raise CheckpointError(
                f"{path}: weight {name!r} is {tuple(weights[name].shape)}, "
                f"this model needs {tuple(expected[name].shape)}"
            )


def _is_tensor(value: Any) -> bool:
    return isinstance(value, Tensor)


def _check_own(
    path: Path, name: str, stored: Mapping[str, Any], expected: Mapping[str, Any]
) -> None:
    """Raise CheckpointError unless names and shapes are those that the part itself has now."""
    for key in sorted(stored.keys() | expected.keys()):
        if key not in stored or key not in expected:
            where = "lacks" if key not in stored else "has an unknown"
            raise CheckpointError(f"{path} {where} {name} state {key!r}")
        shapes = [tuple(getattr(side[key], "shape", ())) for side in (stored, expected)]
        if shapes[0] != shapes[1]:
            raise CheckpointError(
                f"{path}: {name} state {key!r} is {shapes[0]}, this run needs {shapes[1]}"
            )


def _optimizer_state(
    path: Path,
    name: str,
    optimizer: torch.optim.Optimizer,
    tensors: Mapping[str, Tensor],
    groups: list[dict[str, Any]],
) -> dict[str, Any]:
    slots: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        index, slot = key.split(".", 1)
        slots.setdefault(int(index), {})[slot] = tensor
    counts = [len(group["params"]) for group in optimizer.param_groups]
    if [len(group["params"]) for group in groups] != counts:
        raise CheckpointError(f"{path}: its optimizer has other groups of weights than this one")
    shapes = [weight.shape for group in optimizer.param_groups for weight in group["params"]]
    for position, kept in slots.items():
        for slot, tensor in kept.items():
            if tensor.ndim and tensor.shape != shapes[position]:  # Adam's step count has none
                raise CheckpointError(
                    f"{path}: {name} state {position}.{slot} is {tuple(tensor.shape)}, "
                    f"this optimizer needs {tuple(shapes[position])}"
                )
    return {"state": slots, "param_groups": groups}
