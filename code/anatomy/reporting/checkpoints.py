"""Models that are trained once and kept: `cached(recipe)`.

A checkpoint is one `.safetensors` file whose header carries JSON, see `checkpoint_file`;
reading and writing it is reached from here, too.
"""

from __future__ import annotations

import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from filelock import FileLock, Timeout
from torch import nn

from anatomy.reporting.checkpoint_file import load_checkpoint, read_checkpoint, save_checkpoint
from anatomy.reporting.progress import progress, somebody_watches
from anatomy.reporting.recipes import CACHE_VARIABLE, Recipe, Resumable, Trained, cache_file
from anatomy.reporting.state import CheckpointError

__all__ = [
    "CheckpointError",
    "cache_file",
    "cached",
    "is_cached",
    "load_checkpoint",
    "read_checkpoint",
    "save_checkpoint",
    "untrained",
]
KEEP_EVERY = 20.0  # seconds: what an interrupted training loses at most


def cached(recipe: Recipe[Trained], *, keep_every: float = KEEP_EVERY) -> Trained:
    """The module that `recipe` trains: loaded if it was trained before, else trained now and kept.

    What is kept is found again by the recipe's configuration and by the code that it
    runs (without comments and docstrings), so that a change of either trains anew.
    Training shows a progress bar with the time that remains. A damaged file is trained over.
    The folder is $ANATOMY_CACHE, else ~/.cache/anatomy. Raises CheckpointError, before it
    trains anything, when nothing can be kept there.

    The training of a `Resumable` recipe is kept every `keep_every` seconds too. Interrupted,
    it goes on from there at the next call, and ends in the very same weights. What it
    builds on, its `parents`, is trained or loaded first. A run that diverges is kept beside.
    """
    if (first := untrained(recipe)[:-1]) and somebody_watches():
        print(
            f"The {recipe.name} builds on what is not trained on this machine yet: first the "
            f"{', then the '.join(first)}. All are kept in {cache_file(recipe).parent}.",
            flush=True,
        )
    return _trained(recipe, keep_every)


def _trained(recipe: Recipe[Trained], keep_every: float) -> Trained:
    path = cache_file(recipe)
    module = recipe.build()
    if _loaded(path, module, recipe):
        return module.eval()
    _make_room(path.parent)
    with _alone(path, recipe.name) as waited:
        if waited and _loaded(path, module, recipe):
            return module.eval()
        partial = path.with_suffix(".partial.safetensors")
        if hasattr(recipe, "begin"):
            _train_on(cast("Resumable[Trained]", recipe), module, partial, keep_every)
        else:
            steps = recipe.train(module)
            for _ in progress(steps, f"training the {recipe.name}", total=recipe.steps):
                pass
        save_checkpoint(path, module, config=recipe, seed=recipe.seed, step=recipe.steps)
        partial.unlink(missing_ok=True)
    return module.eval()


def _loaded(path: Path, module: nn.Module, recipe: Recipe[Any]) -> bool:
    """Whether the file is there and sound, and its weights are now in `module`."""
    if not path.is_file():
        return False
    try:
        load_checkpoint(path, module, config=recipe)
    except CheckpointError as error:
        warnings.warn(f"trained again, because {error}", stacklevel=3)
        return False
    return True


def _make_room(folder: Path) -> None:
    """The folder, made if need be; CheckpointError when nothing can be written there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise CheckpointError(
            f"trained models cannot be kept in {folder} ({error.strerror}): "
            f"set {CACHE_VARIABLE} to a folder that you may write to"
        ) from None


def untrained(recipe: Recipe[Any]) -> list[str]:
    """The names of what `cached(recipe)` would train, in order, the recipe's own last."""
    if is_cached(recipe):
        return []
    names = [name for parent in getattr(recipe, "parents", ()) for name in untrained(parent)]
    return [*dict.fromkeys(names), recipe.name]


@contextmanager
def _alone(path: Path, name: str) -> Iterator[bool]:
    """Let one process train what several notebooks want; yield whether this one had to wait."""
    lock = FileLock(path.with_suffix(".lock"))
    waited = False
    try:
        lock.acquire(timeout=0.1)
    except OSError as error:
        if not isinstance(error, Timeout):  # a shared folder without locks: two may train the same
            yield False
            return
        print(f"another process trains the {name}; waiting for it", flush=True)
        lock.acquire()
        waited = True
    try:
        yield waited
    finally:
        lock.release()


def _train_on(
    recipe: Resumable[Trained], module: nn.Module, partial: Path, keep_every: float
) -> None:
    """Train from where `partial` stands, or from the beginning, keeping `partial` up to date."""
    parents = [_trained(parent, keep_every) for parent in getattr(recipe, "parents", ())]
    state, done = recipe.begin(module, *parents), 0
    if partial.is_file():
        try:
            done = load_checkpoint(partial, module, config=recipe, state=state)["step"]
        except CheckpointError as error:
            warnings.warn(f"training starts from the beginning, because {error}", stacklevel=3)
    steps = progress(
        recipe.train(module, state, done),
        f"training the {recipe.name}",
        total=recipe.steps,
        done=done,
    )
    kept = time.monotonic()
    try:
        for step, _ in enumerate(steps, start=done + 1):
            if step < recipe.steps and time.monotonic() - kept >= keep_every:
                save_checkpoint(
                    partial, module, config=recipe, seed=recipe.seed, step=step, state=state
                )
                kept = time.monotonic()
    except FloatingPointError as error:
        diverged = partial.with_name(partial.name.replace(".partial.", ".diverged."))
        save_checkpoint(diverged, module, config=recipe, seed=recipe.seed, state=state)
        partial.unlink(missing_ok=True)
        raise type(error)(f"{error} The model as it was then is kept in {diverged}.") from None


def is_cached(recipe: Recipe[Any]) -> bool:
    """Whether `cached(recipe)` would find a file and not train."""
    return cache_file(recipe).is_file()
