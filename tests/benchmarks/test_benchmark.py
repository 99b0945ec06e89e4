"""The benchmark's harness: arithmetic, resuming, refusals. No test here looks at a clock."""

from __future__ import annotations

import importlib
import json
import math
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from anatomy.reporting import receipts

SCRIPTS = Path(__file__).parents[2] / "code" / "benchmarks"
MODULES = ("tasks", "ppo", "run_ours", "variants")


@pytest.fixture(scope="module")
def modules() -> Iterator[dict[str, ModuleType]]:
    sys.path.insert(0, str(SCRIPTS))
    yield {name: importlib.import_module(name) for name in MODULES}
    sys.path.remove(str(SCRIPTS))
    for name in MODULES:
        sys.modules.pop(name, None)


@pytest.fixture
def ppo(
    modules: dict[str, ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> ModuleType:
    """The script, writing to a temporary folder and pinning nothing."""
    monkeypatch.setattr(receipts, "RESULTS", tmp_path)
    monkeypatch.setattr(modules["ppo"], "pin", lambda core: None)
    monkeypatch.setattr(modules["ppo"], "version", lambda name: "0")
    return modules["ppo"]


def record(
    seconds: float, steps: int = 1000, means: tuple[float, ...] = (480.0,)
) -> dict[str, Any]:
    """A run as a child process prints it."""
    count = len(means)
    curve = [(seconds * (i + 1) / count, steps * (i + 1) // count, m) for i, m in enumerate(means)]
    return {"curve": curve, "spent": {"acting": 0.1, "updating": 0.2}, "greedy": [490.0, 500.0]}


def pair(ppo: ModuleType, ours: float, peer: float, seed: int = 100) -> dict[str, Any]:
    task = ppo.TASKS["cartpole"]
    sides = {"ours": ppo.thin(record(ours), task), "peer": ppo.thin(record(peer), task)}
    stamp = {"wall_seconds": 1.0, "commit": "x", "date": "2026-11-23"}
    return {"task": "cartpole", "seed": seed, "order": ["ours", "peer"]} | sides | stamp


# --- arithmetic ------------------------------------------------------------------------


def test_ratio_by_hand(ppo: ModuleType) -> None:
    # ratios 4 and 9: geometric mean 6, median of logs the same; log ratio's standard error
    # ln(9/4)/2, t(0.975, 1) = 12.7062
    found = ppo.ratio([8.0, 9.0], [2.0, 1.0])
    assert found["middle"] == pytest.approx(6.0)
    assert found["median"] == pytest.approx(6.0)
    half = 12.7062 * math.log(9 / 4) / 2
    assert found["high"] == pytest.approx(6.0 * math.exp(half), rel=1e-3)
    # three decimals are kept
    assert found["low"] == pytest.approx(6.0 * math.exp(-half), abs=1e-3)


def test_seconds_ratio_is_peer_over_ours_and_speed_ratio_ours_over_peer(ppo: ModuleType) -> None:
    pairs = [pair(ppo, ours=2.0, peer=20.0, seed=s) for s in (100, 101)]
    found = ppo.summarise(ppo.TASKS["cartpole"], pairs)
    assert found["seconds_ratio"]["middle"] == pytest.approx(10.0)
    # 1000 steps in 2 s and in 20 s
    assert found["speed_ratio"]["middle"] == pytest.approx(10.0)
    assert found["ours"]["steps_per_second"]["middle"] == pytest.approx(500.0)


def test_a_run_that_never_reaches_the_goal_counts_with_all_its_seconds(ppo: ModuleType) -> None:
    run = ppo.thin(record(30.0, means=(math.nan, 100.0, 474.9)), ppo.TASKS["cartpole"])
    assert run["seconds_to_goal"] is None
    assert run["final_mean"] == pytest.approx(474.9)
    assert ppo.to_goal(run) == pytest.approx(30.0)
    bad = pair(ppo, 2.0, 20.0) | {"peer": run}
    assert ppo.summarise(ppo.TASKS["cartpole"], [bad])["peer"]["reached"] == 0


def test_the_goal_counts_from_when_it_is_never_lost_again(ppo: ModuleType) -> None:
    means = (math.nan, 476.0, 468.0, 475.0, 490.0)
    run = ppo.thin(record(5.0, steps=500, means=means), ppo.TASKS["cartpole"])
    assert run["seconds_to_goal"] == pytest.approx(4.0)
    assert run["steps_to_goal"] == 400
    assert run["greedy_mean"] == pytest.approx(495.0)
    assert run["curve"][0][2] is None  # NaN, which JSON has not


def test_a_long_curve_is_thinned_and_keeps_both_ends(ppo: ModuleType) -> None:
    run = ppo.thin(record(5.0, steps=5000, means=(1.0,) * 1000), ppo.TASKS["cartpole"])
    assert len(run["curve"]) == ppo.POINTS
    assert run["curve"][-1][1] == 5000
    assert run["curve"][0][1] == 5


def test_one_seed_has_no_interval(ppo: ModuleType) -> None:
    found = ppo.summarise(ppo.TASKS["cartpole"], [pair(ppo, 2.0, 20.0)])
    assert found["seconds_ratio"]["low"] is None
    assert "10.0x" in ppo.table({"cartpole": found})


# --- running ---------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["0-4", "9", "5-200", "104-100", "x", "100-y"])
def test_seeds_that_tuning_saw_and_nonsense_are_refused(ppo: ModuleType, text: str) -> None:
    with pytest.raises(SystemExit):
        ppo.arguments(["--seeds", text])


def test_seeds(ppo: ModuleType) -> None:
    assert ppo.seeds("100-102") == [100, 101, 102]
    assert ppo.seeds("107") == [107]


def test_an_interruption_loses_no_finished_pair_and_the_rest_is_done(
    ppo: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    calls: list[tuple[str, str, int]] = []
    stop_at = 101

    def run(side: str, task: str, seed: int) -> dict[str, Any]:
        if seed == stop_at and side == "peer":
            raise KeyboardInterrupt
        calls.append((side, task, seed))
        return record(2.0 if side == "ours" else 20.0)

    monkeypatch.setattr(ppo, "run", run)
    command = ["--tasks", "cartpole", "--seeds", "100-102"]
    with pytest.raises(SystemExit, match="every finished pair is kept"):
        ppo.main(command)
    data = json.loads((tmp_path / "benchmark_ppo.json").read_text())
    assert [p["seed"] for p in data["pairs"]] == [100]
    assert data["receipt"]["seeds"] == [100]

    calls.clear()
    stop_at = -1
    ppo.main(command)
    # seed 100 is not run again; the order alternates: ours first on even seeds
    assert [(side, seed) for side, _, seed in calls] == [
        ("peer", 101),
        ("ours", 101),
        ("ours", 102),
        ("peer", 102),
    ]
    data = json.loads((tmp_path / "benchmark_ppo.json").read_text())
    assert data["receipt"]["seeds"] == [100, 101, 102]
    assert data["summary"]["cartpole"]["seconds_ratio"]["middle"] == pytest.approx(10.0)


def test_changed_settings_are_refused_until_fresh(
    ppo: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = pair(ppo, 2.0, 20.0) | {"task": "pendulum"}
    ppo.write([pair(ppo, 2.0, 20.0), other])
    assert len(ppo.measured()) == 2
    changed = replace(ppo.TASKS["cartpole"], actors=7)
    monkeypatch.setitem(ppo.TASKS, "cartpole", changed)
    with pytest.raises(ppo.BenchmarkError, match="cartpole was measured under other settings"):
        ppo.measured()
    assert [p["task"] for p in ppo.measured(discard=["cartpole"])] == ["pendulum"]


def test_a_child_that_fails_is_named(ppo: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = Path("no-such-script.py")
    monkeypatch.setitem(ppo.SIDES, "peer", missing)
    with pytest.raises(ppo.BenchmarkError, match=r"peer on cartpole, seed 100.*no-such-script"):
        ppo.run("peer", "cartpole", 100)


def test_a_missing_peer_is_one_sentence(ppo: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> str:
        raise ppo.PackageNotFoundError(name)

    monkeypatch.setattr(ppo, "version", absent)
    with pytest.raises(SystemExit, match="make benchmark"):
        ppo.main(["--tasks", "cartpole", "--seeds", "100"])


def test_the_peer_gets_our_settings_where_the_task_says_so(modules: dict[str, ModuleType]) -> None:
    task = modules["tasks"].TASKS["cartpole_same"]
    peer, ours = task.peer_settings, task.config
    assert peer["n_steps"] == ours.steps
    assert peer["batch_size"] == ours.steps * task.actors // ours.minibatches
    assert peer["n_epochs"] == ours.epochs
    assert (peer["gamma"], peer["gae_lambda"]) == (ours.gamma, ours.gae_lambda)
    assert peer["learning_rate"] == f"lin_{ours.learning_rate:g}"
    assert (peer["clip_range"], peer["max_grad_norm"]) == (ours.clip_range, ours.max_gradient_norm)
    assert task.peer_actors == task.actors
    assert task.peer_budget == task.anneal


# --- our side --------------------------------------------------------------------------


def test_our_run_spends_its_budget_and_says_where(modules: dict[str, ModuleType]) -> None:
    ours, tasks = modules["run_ours"], modules["tasks"]
    task = replace(tasks.TASKS["cartpole"], actors=8)
    _, found = ours.train(task, seed=3, budget=500)
    steps = [steps for _, steps, _ in found["curve"]]
    assert steps == sorted(steps)
    assert 500 <= steps[-1] < 500 + 8 * task.config.steps
    assert set(found["spent"]) == {"acting", "advantages", "updating"}


def test_our_run_stops_at_the_goal(modules: dict[str, ModuleType]) -> None:
    ours, tasks = modules["run_ours"], modules["tasks"]
    task = replace(tasks.TASKS["cartpole"], goal=1.0)
    _, found = ours.train(task, seed=3, budget=50_000)
    assert found["curve"][-1][2] >= 1.0
    assert found["curve"][-1][1] < 10_000


def test_one_vector_computes_what_the_package_computes(modules: dict[str, ModuleType]) -> None:
    variants = modules["variants"]
    rollout = variants.make_acting(variants.CategoricalActorCritic)()
    package = variants.make_update(variants.CategoricalActorCritic, rollout)()
    faster = variants.make_update(variants.OneVector, rollout)()
    assert faster.keys() == package.keys()
    for name, value in package.items():
        assert faster[name] == pytest.approx(value, rel=2e-3, abs=1e-5), name


def test_numpy_acts_as_torch_does(modules: dict[str, ModuleType]) -> None:
    variants = modules["variants"]
    package = variants.make_acting(variants.CategoricalActorCritic)()
    faster = variants.make_acting(variants.NumPyActor)()
    assert (package.actions == faster.actions).float().mean() > 0.999
