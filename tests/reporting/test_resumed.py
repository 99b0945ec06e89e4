"""`cached`, interrupted: the training goes on where it stopped and ends in the same weights."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from anatomy.algorithms.ppo import PPOConfig, judge, make_optimizer, update
from anatomy.envs import Actors
from anatomy.models.actor_critic import CategoricalActorCritic
from anatomy.models.base_model import BaseModel
from anatomy.models.masked_model import MaskedModel
from anatomy.reporting import checkpoints
from anatomy.reporting.checkpoints import (
    CheckpointError,
    cache_file,
    cached,
    is_cached,
    load_checkpoint,
    save_checkpoint,
)
from anatomy.reporting.state import parts
from anatomy.runtime import initial_weights, make_generator

TINY = {"width": 16, "layers": 1, "heads": 2, "context": 16, "batch_size": 2, "steps": 7}


@dataclass(frozen=True)
class Everything:
    """A recipe whose state has one part of each kind."""

    seed: int = 0
    steps: int = 7
    forgets: str = ""
    ran: ClassVar[list[int]] = []
    hidden: ClassVar[dict[str, Any]] = {}
    name = "everything"
    sources: ClassVar[tuple[ModuleType, ...]] = ()

    def build(self) -> nn.Linear:
        with initial_weights(self.seed):
            return nn.Linear(3, 1)

    def begin(self, module: nn.Linear) -> dict[str, Any]:
        with initial_weights(self.seed + 1):
            critic = nn.Linear(3, 1)
        state = {
            "optimizers": [
                torch.optim.Adam(module.parameters(), 0.1),
                torch.optim.SGD(critic.parameters(), 0.1, momentum=0.9),
            ],
            "critic": critic,
            "drawn": {"torch": make_generator(self.seed), "python": random.Random(self.seed)},
            "nothing": None,
        }
        self.hidden.clear()
        if self.forgets:
            self.hidden[self.forgets] = state.pop(self.forgets)
        return state

    def train(
        self, module: nn.Linear, state: dict[str, Any] | None = None, done: int = 0
    ) -> Iterator[float]:
        state = (state or self.begin(module)) | self.hidden
        for i in range(done, self.steps):
            self.ran.append(i)
            x = torch.randn(8, 3, generator=state["drawn"]["torch"])
            loss = (module(x) - state["critic"](x) - state["drawn"]["python"].gauss(0, 1)) ** 2
            for optimizer in state["optimizers"]:
                optimizer.zero_grad()
            loss.mean().backward()
            for optimizer in state["optimizers"]:
                optimizer.step()
            yield loss.mean().item()


RECIPES = {
    "every kind of part": Everything(),
    "Muon": BaseModel(**TINY),
    "AdamW": BaseModel(**TINY, muon=False, rotary_base=None),
    "masked": MaskedModel(BaseModel(**TINY)),
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ANATOMY_CACHE", str(tmp_path))
    monkeypatch.setenv("ANATOMY_PROGRESS", "off")
    Everything.ran.clear()
    return tmp_path


def partial(recipe: Any) -> Path:
    return cache_file(recipe).with_suffix(".partial.safetensors")


def interrupt(recipe: Any, steps: int, **options: Any) -> None:
    """Ctrl-C while the step after `steps` is running."""

    def stopped(items, *args, **kwargs):
        for number, item in enumerate(items):
            if number == steps:
                raise KeyboardInterrupt
            yield item

    with pytest.MonkeyPatch.context() as monkey:
        monkey.setattr(checkpoints, "progress", stopped)
        with pytest.raises(KeyboardInterrupt):
            cached(recipe, **{"keep_every": 0.0, **options})
    assert not is_cached(recipe)


def straight(recipe: Any) -> nn.Module:
    """Trained without `cached`."""
    module = recipe.build()
    for _ in recipe.train(module):
        pass
    return module


def equal(a: nn.Module, b: nn.Module) -> bool:
    pairs = zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    return all(torch.equal(x, y) for x, y in pairs)


@pytest.mark.parametrize("name", RECIPES)
def test_interrupted_and_resumed_ends_in_the_very_same_weights(name: str, folder: Path) -> None:
    recipe = RECIPES[name]
    expected = straight(recipe)
    for steps in (3, 2):  # interrupted twice: after 3 steps, and after 2 more
        interrupt(recipe, steps)
    meta = load_checkpoint(partial(recipe), recipe.build(), config=recipe)
    assert meta["step"] == 5
    resumed = cached(recipe)
    assert equal(resumed, expected)
    assert equal(cached(recipe), expected)
    assert [path.name for path in folder.glob("*.safetensors")] == [cache_file(recipe).name]


def test_no_step_is_made_twice() -> None:
    interrupt(Everything(), 3)
    cached(Everything())
    assert Everything.ran == [0, 1, 2, 3, 3, 4, 5, 6]  # the step that was cut off, once more


@pytest.mark.parametrize("forgotten", ["optimizers", "critic", "drawn"])
def test_the_comparison_would_see_a_part_that_is_missing(forgotten: str) -> None:
    recipe = Everything(forgets=forgotten)
    expected = straight(recipe)
    interrupt(recipe, 3)
    assert not equal(cached(recipe), expected)


def test_it_is_kept_by_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that gains a second a step, and a file every two and a half."""
    clock = iter(range(1000))
    monkeypatch.setattr(checkpoints.time, "monotonic", lambda: float(next(clock)))
    interrupt(Everything(), 5, keep_every=2.5)
    meta = load_checkpoint(partial(Everything()), Everything().build())
    assert 0 < meta["step"] < 5


def test_what_is_done_in_less_is_never_kept() -> None:
    interrupt(Everything(), 5, keep_every=3600.0)
    assert not partial(Everything()).exists()


@pytest.mark.parametrize("size", [0, 40, -7])
def test_a_half_written_file_says_so_and_training_starts_over(size: int) -> None:
    expected = straight(Everything())
    interrupt(Everything(), 3)
    whole = partial(Everything()).read_bytes()
    partial(Everything()).write_bytes(whole[:size])
    Everything.ran.clear()
    with pytest.warns(UserWarning, match="from the beginning, because.*damaged") as caught:
        module = cached(Everything())
    assert "\n" not in str(caught[0].message)
    assert Everything.ran == list(range(7))
    assert equal(module, expected)


def test_a_foreign_file_says_so_and_changes_nothing() -> None:
    expected = straight(Everything())
    foreign = partial(Everything())
    save_file(Everything().build().state_dict(), foreign)
    with pytest.warns(UserWarning, match="was not written by this course"):
        assert equal(cached(Everything()), expected)
    # the partial of another seed, under this one's name
    other, recipe = Everything(seed=5), Everything(seed=6)
    interrupt(other, 3)
    partial(other).rename(partial(recipe))
    with pytest.warns(UserWarning, match="seed is 5 there and 6 here"):
        assert equal(cached(recipe), straight(recipe))


def test_a_state_of_other_parts_is_refused_before_anything_changes() -> None:
    recipe = Everything()
    interrupt(recipe, 3)
    module, state = recipe.build(), recipe.begin(recipe.build())
    state["drawn"]["more"] = make_generator(1)
    with pytest.raises(checkpoints.CheckpointError, match=r"no drawn\.more state"):
        load_checkpoint(partial(recipe), module, state=state)
    state["drawn"].pop("more")
    state["critic"] = nn.Linear(4, 1)
    with pytest.raises(
        checkpoints.CheckpointError, match=r"is \(1, 3\), this model needs \(1, 4\)"
    ):
        load_checkpoint(partial(recipe), module, state=state)
    state["critic"] = make_generator(0)
    with pytest.raises(checkpoints.CheckpointError, match="state of Linear, not that of Generator"):
        load_checkpoint(partial(recipe), module, state=state)
    assert equal(module, recipe.build())


def test_what_cannot_be_kept_is_refused_by_name() -> None:
    with pytest.raises(TypeError, match="history is a str, which a checkpoint cannot keep"):
        list(parts({"history": "abc"}))
    with pytest.raises(TypeError, match=r"losses\.0 is a float"):
        list(parts({"losses": [0.1]}))


def test_a_run_of_ppo_stopped_in_the_middle_of_episodes_ends_in_the_very_same_weights(
    tmp_path: Path,
) -> None:
    config = PPOConfig(steps=40, epochs=2)

    def start(seed: int) -> dict[str, Any]:
        with initial_weights(seed):
            policy = CategoricalActorCritic(4, 2)
        actors = Actors("CartPole-v1", 4, seed=seed)
        return {
            "policy": policy,
            "optimizer": make_optimizer(policy, config),
            "generator": make_generator(seed),
            "actors": actors,
        }

    def go_on(run: dict[str, Any], iterations: int) -> dict[str, Any]:
        policy, optimizer, generator, actors = run.values()
        for _ in range(iterations):
            batch = judge(actors.run(policy, config.steps, generator), config)
            update(policy, optimizer, batch, config, generator)
        return run

    expected = go_on(start(0), 5)
    run, path = go_on(start(0), 2), tmp_path / "run.safetensors"
    save_checkpoint(path, run.pop("policy"), config=config, seed=0, step=2, state=run)
    resumed = start(7)
    state = {name: part for name, part in resumed.items() if name != "policy"}
    load_checkpoint(path, resumed["policy"], config=config, state=state)
    assert equal(go_on(resumed, 3)["policy"], expected["policy"])
    assert resumed["actors"].episode_returns == expected["actors"].episode_returns
    assert resumed["actors"].steps == expected["actors"].steps == 5 * 4 * 40 - resets(expected)

    forgetful = start(7)
    state = {name: part for name, part in forgetful.items() if name not in ("policy", "actors")}
    load_checkpoint(path, forgetful["policy"], config=config, state=state)
    assert not equal(go_on(forgetful, 3)["policy"], expected["policy"])  # so the actors matter

    more = start(7) | {"actors": Actors("CartPole-v1", 5, seed=0)}
    before = [tensor.clone() for tensor in more["policy"].state_dict().values()]
    state = {name: part for name, part in more.items() if name != "policy"}
    with pytest.raises(CheckpointError, match=r"actors state '.*' is \(4?.*this run needs"):
        load_checkpoint(path, more["policy"], config=config, state=state)
    after = more["policy"].state_dict().values()
    assert all(torch.equal(a, b) for a, b in zip(after, before, strict=True))


def resets(run: dict[str, Any]) -> int:
    """Steps that only reset a copy: one behind each end, but where the run stopped first."""
    actors = run["actors"]
    return len(actors.episode_returns) - int(actors.state_dict()["ended"].sum())
