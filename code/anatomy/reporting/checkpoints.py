"""Checkpoints: safetensors for the numbers, JSON beside them for what they mean.

A checkpoint is one `.safetensors` file whose header carries the JSON. It is
written atomically and checked on loading, and nothing in it can execute.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import json
import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from anatomy.reporting.progress import progress
from anatomy.reporting.receipts import replace_file
from anatomy.version import __version__

FORMAT = "anatomy-checkpoint"
CACHE_VARIABLE = "ANATOMY_CACHE"
Trained = TypeVar("Trained", bound=nn.Module, covariant=True)


class CheckpointError(ValueError):
    """A checkpoint that cannot be used, and why, in one sentence."""


def save_checkpoint(
    path: str | Path,
    module: nn.Module,
    *,
    config: Any,
    seed: int,
    step: int = 0,
    optimizer: torch.optim.Optimizer | None = None,
    generator: torch.Generator | None = None,
    extra: Mapping[str, Any] | None = None,
) -> Path:
    """Write the module's weights with what made them.

    With the optimizer's and the generator's state, a run that was interrupted
    continues as if it had not been.
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
    }
    if optimizer is not None:
        state = optimizer.state_dict()
        meta["optimizer"] = {"name": type(optimizer).__name__, "groups": state["param_groups"]}
        for index, slots in state["state"].items():
            for slot, value in slots.items():
                tensors[f"optimizer.{index}.{slot}"] = torch.as_tensor(value)
    if generator is not None:
        tensors["generator"] = generator.get_state()
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
    config: Any = None,
) -> dict[str, Any]:
    """Load weights (and optimizer and generator state) in place; return the checkpoint's JSON.

    Everything is checked before anything is changed. With `config`, a checkpoint
    made under another configuration is refused.
    """
    tensors, meta = read_checkpoint(path)
    if meta["module"] != type(module).__name__:
        raise CheckpointError(f"{path} holds a {meta['module']}, not a {type(module).__name__}")
    if config is not None and meta["config"] != as_json(config):
        different = _first_difference(meta["config"], as_json(config))
        raise CheckpointError(f"{path} was made with another configuration: {different}")
    weights = {n.removeprefix("module."): t for n, t in tensors.items() if n.startswith("module.")}
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
    state = _optimizer_state(path, tensors, meta, optimizer)
    if generator is not None and "generator" not in tensors:
        raise CheckpointError(f"{path} holds no generator state")
    module.load_state_dict(weights)
    if optimizer is not None:
        optimizer.load_state_dict(state)
    if generator is not None:
        generator.set_state(tensors["generator"])
    return meta


class Recipe(Protocol[Trained]):
    """What `cached` needs: a frozen dataclass that can build a module and train it."""

    @property
    def name(self) -> str:
        """Begins the file's name."""

    @property
    def seed(self) -> int:
        """Of the weights and of everything drawn."""

    @property
    def steps(self) -> int:
        """How many times `train` yields."""

    @property
    def sources(self) -> Sequence[ModuleType]:
        """The modules whose code decides the weights, beside the recipe's own."""

    def build(self) -> Trained:
        """The module before training."""

    def train(self, module: Any, /) -> Iterable[Any]:
        """Train it in place, yielding after every step."""


def cached(recipe: Recipe[Trained]) -> Trained:
    """The module that `recipe` trains: loaded if it was trained before, else trained now and kept.

    What is kept is found again by the recipe's configuration and by the code that it
    runs (without comments and docstrings), so that a change of either trains anew.
    Training shows a progress bar with the time that remains. A damaged file is trained over.
    The folder is $ANATOMY_CACHE, else ~/.cache/anatomy.
    """
    path = cache_file(recipe)
    module = recipe.build()
    if path.is_file():
        try:
            load_checkpoint(path, module, config=recipe)
            return module.eval()
        except CheckpointError as error:
            warnings.warn(f"trained again, because {error}", stacklevel=2)
    for _ in progress(recipe.train(module), f"training the {recipe.name}", total=recipe.steps):
        pass
    save_checkpoint(path, module, config=recipe, seed=recipe.seed, step=recipe.steps)
    return module.eval()


def is_cached(recipe: Recipe[Any]) -> bool:
    """Whether `cached(recipe)` would find a file and not train."""
    return cache_file(recipe).is_file()


def cache_file(recipe: Recipe[Any]) -> Path:
    """Where the module of a recipe is kept: its name, and a hash of configuration and code."""
    own = inspect.getmodule(type(recipe))
    modules = [*([own] if own is not None else []), *recipe.sources]
    code = {module.__name__: _code_hash(module) for module in modules}
    content = json.dumps([as_json(recipe), code], sort_keys=True)
    key = hashlib.sha256(content.encode()).hexdigest()[:16]
    asked = os.environ.get(CACHE_VARIABLE)
    folder = Path(asked).expanduser() if asked else Path.home() / ".cache" / "anatomy"
    return folder / f"{recipe.name}-{key}.safetensors"


def _code_hash(module: ModuleType) -> str:
    """A hash of what a module does: its syntax tree without docstrings; comments are not in it."""
    try:
        tree = ast.parse(inspect.getsource(module))
    except OSError:  # defined in a notebook's cell
        return ""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
            and ast.get_docstring(node) is not None
        ):
            node.body = node.body[1:]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()


def _optimizer_state(
    path: str | Path,
    tensors: Mapping[str, Tensor],
    meta: Mapping[str, Any],
    optimizer: torch.optim.Optimizer | None,
) -> dict[str, Any]:
    if optimizer is None:
        return {}
    stored = meta.get("optimizer")
    if stored is None or stored["name"] != type(optimizer).__name__:
        found = "no optimizer state" if stored is None else f"the state of {stored['name']}"
        raise CheckpointError(f"{path} holds {found}, not that of {type(optimizer).__name__}")
    slots: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        if name.startswith("optimizer."):
            _, index, slot = name.split(".", 2)
            slots.setdefault(int(index), {})[slot] = tensor
    counts = [len(group["params"]) for group in optimizer.param_groups]
    if [len(group["params"]) for group in stored["groups"]] != counts:
        raise CheckpointError(f"{path}: its optimizer has other groups of weights than this one")
    shapes = [weight.shape for group in optimizer.param_groups for weight in group["params"]]
    for position, kept in slots.items():
        for slot, tensor in kept.items():
            if tensor.ndim and tensor.shape != shapes[position]:  # Adam's step count has none
                raise CheckpointError(
                    f"{path}: optimizer state {position}.{slot} is {tuple(tensor.shape)}, "
                    f"this optimizer needs {tuple(shapes[position])}"
                )
    return {"state": slots, "param_groups": stored["groups"]}


def as_json(config: Any) -> Any:
    """A configuration as JSON holds it: a dataclass becomes a dictionary, a tuple a list."""
    plain = asdict(config) if is_dataclass(config) and not isinstance(config, type) else config
    return json.loads(json.dumps(plain))


def _first_difference(stored: Any, wanted: Any) -> str:
    if not (isinstance(stored, dict) and isinstance(wanted, dict)):
        return f"{stored!r}, not {wanted!r}"
    name = next(n for n in stored | wanted if stored.get(n) != wanted.get(n))
    return f"{name} is {stored.get(name)!r} there and {wanted.get(name)!r} here"
