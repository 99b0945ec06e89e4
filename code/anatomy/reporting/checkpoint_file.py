"""One checkpoint: a `.safetensors` file whose header carries JSON that says what the numbers mean.

It is written atomically and checked on loading, and nothing in it can execute.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from anatomy.reporting.receipts import replace_file
from anatomy.reporting.recipes import as_json
from anatomy.reporting.state import CheckpointError, below, check_weights, pack, parts, unpack
from anatomy.version import __version__

FORMAT = "anatomy-checkpoint"


def save_checkpoint(
    path: str | Path,
    module: nn.Module,
    *,
    config: Any,
    seed: int,
    step: int = 0,
    optimizer: torch.optim.Optimizer | None = None,
    generator: torch.Generator | None = None,
    state: Mapping[str, Any] | None = None,
    extra: Mapping[str, Any] | None = None,
) -> Path:
    """Write the module's weights with what made them.

    With the optimizer's and the generator's state, a run that was interrupted
    continues as if it had not been. `state` names further parts: optimizers, modules,
    torch and Python generators, lists and dictionaries of these.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {f"module.{name}": tensor for name, tensor in module.state_dict().items()}
    meta: dict[str, Any] = {
        "format": FORMAT,
        "version": __version__,
        "module": type(module).__name__,
        "config": as_json(config),
        "seed": seed,
        "step": step,
        "extra": dict(extra or {}),
        "state": {},
    }
    for name, part in parts(_together(optimizer, generator, state)):
        numbers, meta["state"][name] = pack(name, part)
        tensors |= numbers
    # a copy each: safetensors refuses tensors that share memory (tied embeddings)
    whole = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}
    replace_file(path, save(whole, metadata={FORMAT: json.dumps(meta)}))
    return path


def read_checkpoint(path: str | Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return all tensors and the JSON of a checkpoint; CheckpointError when it is not one."""
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"no checkpoint at {path}")
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            if FORMAT not in header:
                raise CheckpointError(
                    f"{path} holds tensors but was not written by this course; "
                    "load its weights with safetensors instead"
                )
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{path} is damaged or not a safetensors file ({error}); delete it and train again"
        ) from None
    try:
        meta = json.loads(header[FORMAT])
    except ValueError:
        meta = None
    if not isinstance(meta, dict) or meta.get("format") != FORMAT:
        raise CheckpointError(f"{path} is damaged: its description is unreadable; train again")
    return tensors, meta


def load_checkpoint(
    path: str | Path,
    module: nn.Module,
    *,
    optimizer: torch.optim.Optimizer | None = None,
    generator: torch.Generator | None = None,
    state: Mapping[str, Any] | None = None,
    config: Any = None,
) -> dict[str, Any]:
    """Load weights (and optimizer, generator and further state) in place; return the JSON.

    Everything is checked before anything is changed. With `config`, a checkpoint
    made under another configuration is refused.
    """
    path = Path(path)
    tensors, meta = read_checkpoint(path)
    if meta["module"] != type(module).__name__:
        raise CheckpointError(f"{path} holds a {meta['module']}, not a {type(module).__name__}")
    if config is not None and meta["config"] != as_json(config):
        different = _first_difference(meta["config"], as_json(config))
        raise CheckpointError(f"{path} was made with another configuration: {different}")
    weights = below("module", tensors)
    check_weights(path, weights, module)
    loads = [
        unpack(path, name, part, tensors, meta.get("state", {}))
        for name, part in parts(_together(optimizer, generator, state))
    ]
    module.load_state_dict(weights)
    for load in loads:
        load()
    return meta


def _together(
    optimizer: torch.optim.Optimizer | None,
    generator: torch.Generator | None,
    state: Mapping[str, Any] | None,
) -> dict[str, Any]:
    named = {"optimizer": optimizer, "generator": generator}
    return {**named, **(state or {})}


def _first_difference(stored: Any, wanted: Any) -> str:
    if not (isinstance(stored, dict) and isinstance(wanted, dict)):
        return f"{stored!r}, not {wanted!r}"
    for name in stored | wanted:
        if name not in stored or name not in wanted:
            return f"{name} is set {'here' if name in wanted else 'there'} only"
        if stored[name] != wanted[name]:
            if isinstance(stored[name], dict) and isinstance(wanted[name], dict):
                return f"in {name}, {_first_difference(stored[name], wanted[name])}"
            return f"{name} is {stored[name]!r} there and {wanted[name]!r} here"
    return "nothing that can be named"
