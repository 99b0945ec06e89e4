"""Chapter 4's scripts: a tiny run of each, the pieces they add, and the committed results."""

from __future__ import annotations

import importlib
import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from anatomy.reporting import read_result, receipts
from anatomy.rollout import Rollout

SCRIPTS = Path(__file__).parents[2] / "code" / "experiments"


@pytest.fixture(scope="module")
def multiseed() -> Iterator[ModuleType]:
    sys.path.insert(0, str(SCRIPTS))
    yield importlib.import_module("multiseed")
    sys.path.remove(str(SCRIPTS))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("policy_gradient_critic", ["--steps", "2500"]),
        ("policy_gradient_families", ["--steps", "2500"]),
        ("policy_gradient_mountain_car", ["--steps", "4000"]),
        ("policy_gradient_pendulum", ["--steps", "3200"]),
        ("policy_gradient_language", ["--steps", "800"]),
        ("policy_gradient_stale", ["--steps", "2"]),
        ("policy_gradient_variance", ["--steps", "4"]),
        ("value_replay_target", ["--steps", "1200"]),
    ],
)
def test_tiny_run(
    name: str,
    options: list[str],
    multiseed: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    script = importlib.import_module(name)
    monkeypatch.setattr(receipts, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(multiseed, "CACHE", tmp_path / "cache")
    monkeypatch.setenv("ANATOMY_PROGRESS", "off")
    script.main([*options, "--seeds", "0", "--workers", "1"])
    data = json.loads((tmp_path / "results" / "local" / f"{name}.json").read_text())
    assert data["receipt"]["seeds"] == [0]
    assert not (tmp_path / "results" / f"{name}.json").exists()  # only a complete run is quoted


def test_a_value_learner_that_diverges_at_its_first_update_is_a_result(
    multiseed: ModuleType,
) -> None:
    learners = importlib.import_module("learners")
    found = learners.learn_values(
        "CartPole-v1",
        learners.DQNConfig(warm_up=0),
        seed=0,
        steps=300,
        watch=learners.Watch("CartPole-v1", 1_000, 0),
        reward_scale=math.inf,
    )
    assert (found["diverged"], found["value"]) == (True, None)


def test_shaping_telescopes_over_an_episode(multiseed: ModuleType) -> None:
    """Σ γ^t (γΦ(s_{t+1}) − Φ(s_t)) = −Φ(s_0) for an episode that terminates."""
    script = importlib.import_module("policy_gradient_mountain_car")
    steps, gamma = 6, 0.9
    seen = torch.rand(1, steps + 1, 2, generator=torch.Generator().manual_seed(0)) * 0.1 - 0.5
    zeros, no = torch.zeros(1, steps), torch.zeros(1, steps, dtype=torch.bool)
    terminated = no.clone()
    terminated[0, -1] = True
    rollout = Rollout(
        observations=seen[:, :-1],
        actions=zeros.long(),
        logprobs=zeros,
        values=zeros,
        last_values=torch.zeros(1),
        rewards=zeros,
        terminated=terminated,
        truncated=no,
        mask=~no,
    )
    shaped = script.shaping(gamma, 1.0)(rollout, seen[:, -1])
    total = (shaped.rewards[0] * gamma ** torch.arange(steps)).sum()
    assert total.item() == pytest.approx(-script.potential(seen[0, 0]).item(), rel=1e-4)
    rest, flag = torch.tensor([-math.pi / 6, 0.0]), torch.tensor([math.pi / 6, 0.0])
    assert script.potential(rest).item() == pytest.approx(-70, abs=1e-3)
    assert script.potential(flag).item() == pytest.approx(0, abs=1e-3)


def test_without_a_memory_only_the_last_round_is_seen(multiseed: ModuleType) -> None:
    learners = importlib.import_module("learners")
    latest = learners.Latest()
    for value in (1.0, 2.0):
        filled = torch.full((4,), value)
        latest.add(
            learners.Transitions(
                filled[:, None], filled.long(), filled, filled[:, None], filled < 0, filled
            )
        )
    assert (latest.sample(50, torch.Generator()).rewards == 2).all()


@pytest.mark.parametrize(
    "name", ["policy_gradient_stale", "policy_gradient_variance", "policy_gradient_families"]
)
def test_results_over_ten_seeds(name: str) -> None:
    data = read_result(name)
    stamp = data["receipt"]
    assert len(set(stamp["seeds"])) >= 10
    assert not set(stamp["seeds"]) & set(range(10)), "seeds that tuning looked at"
    assert stamp["cpu_seconds"] > 0


def test_the_ladder_is_what_the_chapter_says() -> None:
    """Each unbiased rung lowers the variance in the mean of ten policies."""
    ladder = read_result("policy_gradient_variance")["ladder"]
    means = [np.mean(rung["variance"]) for rung in ladder.values()]
    assert means[0] > means[1] > means[2] > means[3] > means[4]


def test_fresh_batches_reach_what_one_batch_only_gambles_for() -> None:
    students = read_result("policy_gradient_stale")["students"]
    fresh = np.array(students["fresh batches"]["return"])[:, -1]
    stale = np.array(students["one batch"]["return"])[:, -1]
    assert students["fresh batches"]["steps"][-1] == 32
    assert fresh.min() > 400
    assert (stale < 100).any()
    assert stale.max() > 400


def final(learner: dict) -> np.ndarray:
    return np.array(learner["tested"], dtype=float)[:, -1]


def test_the_families_are_ordered_as_the_chapter_says() -> None:
    families = read_result("policy_gradient_families")["families"]
    assert final(families["PPO"]).min() > 475
    slowest = max(families, key=lambda name: np.mean(families[name]["cpu_seconds"]))
    assert slowest == "double DQN"
    best = np.array(families["A2C"]["tested"]).max(axis=1)
    assert (best >= 475).sum() > 2 * (final(families["A2C"]) >= 475).sum()  # most fall again


def test_replay_and_target_help_together() -> None:
    for cells in read_result("value_replay_target")["actors"].values():
        both, replay, target, neither = (
            np.array(cells[name]["tested"], dtype=float)[:, -2:].mean(axis=1)
            for name in ("replay and target", "replay only", "target only", "neither")
        )
        together = both - replay - target + neither
        assert together.mean() > 2.776 * together.std(ddof=1) / math.sqrt(5)  # t, 4 degrees
        for name, cell in cells.items():
            slow = name in ("replay and target", "target only")
            assert (np.mean(cell["value"]) < 35) == slow


def test_what_the_car_the_pendulum_and_the_texts_show() -> None:
    car = read_result("policy_gradient_mountain_car")["learners"]
    assert np.max(car["PPO"]["tested"]) == -200
    assert final(car["PPO, shaped"]).min() > -200
    assert final(car["DQN"]).min() > -200
    swing = read_result("policy_gradient_pendulum")["learners"]
    assert final(swing["PPO"]).min() > -300
    assert final(swing["A2C"]).max() < -1000
    for block in read_result("policy_gradient_language")["vocabularies"].values():
        means = {name: final(cell).mean() for name, cell in block.items()}
        assert max(means, key=means.__getitem__) == "A2C from the language model"
        assert means["DQN from the language model"] < means["DQN"]
