"""Recipes: what it takes to train a module, as one record, and the name that it is kept under."""

from __future__ import annotations

import ast
import hashlib
import inspect
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, is_dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol, TypeVar

from torch import nn

CACHE_VARIABLE = "ANATOMY_CACHE"
Trained = TypeVar("Trained", bound=nn.Module, covariant=True)


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


class Resumable(Recipe[Trained], Protocol[Trained]):
    """A recipe whose training can go on where it stopped."""

    def begin(self, module: Any, /, *parents: Any) -> dict[str, Any]:
        """All that changes from step to step beside the weights, as the first step finds it.

        A recipe may have `parents`, a tuple of recipes: what they train is handed over here.

        Optimizers, further modules, torch and Python generators; lists and dictionaries of these.
        """

    def train(self, module: Any, state: Any = None, done: int = 0, /) -> Iterable[Any]:
        """Train on after `done` steps, with the `state` that they left."""


def cache_file(recipe: Recipe[Any]) -> Path:
    """Where the module of a recipe is kept: its name, and a hash of configuration and code."""
    code = {module.__name__: _code_hash(module) for module in modules_of(recipe)}
    content = json.dumps([as_json(recipe), code], sort_keys=True)
    key = hashlib.sha256(content.encode()).hexdigest()[:16]
    asked = os.environ.get(CACHE_VARIABLE)
    folder = Path(asked).expanduser() if asked else Path.home() / ".cache" / "anatomy"
    return folder / f"{recipe.name}-{key}.safetensors"


def modules_of(recipe: Recipe[Any]) -> Iterator[ModuleType]:
    """The modules that decide the weights: the recipe's own, its sources, and its parents'."""
    own = inspect.getmodule(type(recipe))
    if own is not None:
        yield own
    yield from recipe.sources
    for parent in getattr(recipe, "parents", ()):
        yield from modules_of(parent)


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


def as_json(config: Any) -> Any:
    """A configuration as JSON holds it: a dataclass becomes a dictionary, a tuple a list."""
    plain = asdict(config) if is_dataclass(config) and not isinstance(config, type) else config
    return json.loads(json.dumps(plain))
