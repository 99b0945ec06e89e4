"""`cached`: trains once, loads afterwards, and never mistakes one recipe for another."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import ClassVar

import pytest
import torch
from torch import nn

from anatomy.reporting import checkpoints, recipes
from anatomy.reporting.checkpoints import CheckpointError, cached, is_cached, untrained
from anatomy.reporting.recipes import cache_file


@dataclass(frozen=True)
class Recipe:
    """A linear map whose training counts its steps."""

    width: int = 3
    seed: int = 0
    steps: int = 4
    runs: ClassVar[list[int]] = []
    name = "line"
    sources: ClassVar[tuple[ModuleType, ...]] = ()

    def build(self) -> nn.Linear:
        return nn.Linear(self.width, 1)

    def train(self, module: nn.Linear) -> Iterator[int]:
        self.runs.append(self.seed)
        for i in range(self.steps):
            nn.init.constant_(module.weight, i + 10.0 * self.seed)
            yield i


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ANATOMY_CACHE", str(tmp_path))
    monkeypatch.setenv("ANATOMY_PROGRESS", "off")
    Recipe.runs.clear()
    return tmp_path


def test_trained_once(folder: Path) -> None:
    assert not is_cached(Recipe())
    first, second = cached(Recipe()), cached(Recipe())
    assert Recipe.runs == [0]
    assert is_cached(Recipe())
    assert torch.equal(first.weight, second.weight)
    assert torch.equal(second.weight, torch.full((1, 3), 3.0))  # after the last of 4 steps
    assert not second.training
    assert [path.parent for path in folder.glob("line-*.safetensors")] == [folder]


def test_whoever_comes_second_waits_and_loads(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two notebooks want one model: the first trains, the second says that it waits."""
    inside, go = threading.Event(), threading.Event()

    class Slow(Recipe):
        def train(self, module: nn.Linear) -> Iterator[int]:
            inside.set()
            assert go.wait(30)
            yield from super().train(module)

    found: dict[str, nn.Module] = {}
    first = threading.Thread(target=lambda: found.update(first=cached(Slow())))
    second = threading.Thread(target=lambda: found.update(second=cached(Slow())))
    first.start()
    assert inside.wait(30)
    second.start()
    second.join(1.0)
    assert second.is_alive()
    go.set()
    first.join(30)
    second.join(30)
    assert Recipe.runs == [0]
    assert torch.equal(found["first"].weight, found["second"].weight)
    assert "another process trains the line; waiting for it" in capsys.readouterr().out


def test_another_configuration_is_another_model() -> None:
    cached(Recipe())
    other = cached(replace(Recipe(), seed=1))
    assert Recipe.runs == [0, 1]
    assert float(other.weight[0, 0]) == 13.0


def test_another_code_is_another_model(tmp_path: Path) -> None:
    """Comments and docstrings do not count; code does."""

    def module(code: str) -> ModuleType:
        made = ModuleType("made")
        monkey.setattr(recipes.inspect, "getsource", lambda _: code)
        return made

    with pytest.MonkeyPatch.context() as monkey:
        hashes = [
            recipes._code_hash(module(code))
            for code in (
                'def f():\n    """One."""\n    return 1\n',
                'def f():\n    """Two."""\n    return 1  # the same\n',
                'def f():\n    """One."""\n    return 2\n',
            )
        ]
    assert hashes[0] == hashes[1] != hashes[2]


def test_a_damaged_file_is_trained_over() -> None:
    cached(Recipe())
    path = cache_file(Recipe())
    path.write_bytes(path.read_bytes()[:40])
    with pytest.warns(UserWarning, match="trained again, because"):
        again = cached(Recipe())
    assert Recipe.runs == [0, 0]
    assert float(again.weight[0, 0]) == 3.0
    cached(Recipe())
    assert Recipe.runs == [0, 0]


def test_an_interrupted_training_leaves_nothing() -> None:
    class Interrupted(Recipe):
        def train(self, module: nn.Linear) -> Iterator[int]:
            yield 0
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cached(Interrupted())
    assert not is_cached(Interrupted())


@dataclass(frozen=True)
class Tuned(Recipe):
    """A recipe that builds on two others."""

    name = "tuned"

    @property
    def parents(self) -> tuple[Recipe, ...]:
        return (Recipe(), replace(Line(), seed=2))

    def begin(self, module: nn.Linear, *parents: nn.Module) -> dict[str, object]:
        assert all(not parent.training for parent in parents)
        return {}

    def train(self, module: nn.Linear, state: object = None, done: int = 0) -> Iterator[int]:
        yield from super().train(module)


class Line(Recipe):
    name = "other-line"


def test_what_must_be_trained_first_is_said_once_and_only_where_somebody_looks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert untrained(Tuned()) == ["line", "other-line", "tuned"]
    monkeypatch.delenv("ANATOMY_PROGRESS")
    cached(Tuned())
    said = capsys.readouterr().out
    assert said.count("The tuned builds on") == 1
    assert "first the line, then the other-line. All are kept in" in said
    assert untrained(Tuned()) == []
    cached(Tuned())
    cached(replace(Tuned(), seed=1))  # its parents are there
    monkeypatch.setenv("ANATOMY_PROGRESS", "off")
    cache_file(Recipe()).unlink()
    cached(replace(Tuned(), seed=3))
    assert "builds on" not in capsys.readouterr().out


def test_a_folder_that_cannot_be_written_is_refused_before_the_training(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "file").write_text("in the way")
    monkeypatch.setenv("ANATOMY_CACHE", str(folder / "file" / "models"))
    with pytest.raises(CheckpointError, match=r"cannot be kept in .*set ANATOMY_CACHE to a folder"):
        cached(Recipe())
    assert Recipe.runs == []


def test_a_folder_without_locks_serves_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: object, timeout: float | None = None) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(checkpoints.FileLock, "acquire", refuse)
    cached(Recipe())
    cached(Recipe())
    assert Recipe.runs == [0]
