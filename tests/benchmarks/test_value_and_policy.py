"""DQN and REINFORCE until they have learned CartPole: what counts, what is kept and refused."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from anatomy.reporting import read_result, receipts

SCRIPT = Path(__file__).parents[2] / "code" / "benchmarks" / "value_and_policy.py"


@pytest.fixture(scope="module")
def script() -> Iterator[ModuleType]:
    before = list(sys.path)
    spec = importlib.util.spec_from_file_location("value_and_policy", SCRIPT)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # a dataclass looks its module up
    spec.loader.exec_module(module)
    yield module
    sys.modules.pop(spec.name)
    sys.path[:] = before


@pytest.fixture
def benchmark(script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script, writing to a temporary folder."""
    monkeypatch.setattr(receipts, "RESULTS", tmp_path)
    return script


def run(script: ModuleType, seed: int, steps: int, *, reached: bool = True) -> dict[str, Any]:
    return {
        "task": "dqn",
        "seed": seed,
        "reached": reached,
        "steps": steps,
        "seconds": steps / 1000,
        "greedy": 500.0,
        "wall_seconds": 1.0,
        "cpu_seconds": 1.0,
        "settings": script.TASKS["dqn"].settings(),
    }


def test_who_did_not_arrive_counts_with_all_that_it_spent(benchmark: ModuleType) -> None:
    runs = [run(benchmark, 100, 10), run(benchmark, 101, 20)]
    runs.append(run(benchmark, 102, 900, reached=False))
    found = benchmark.summary(runs)["dqn"]
    assert (found["runs"], found["reached"], found["steps"]["middle"]) == (3, 2, 20)
    assert found["seconds"]["middle"] == 0.02
    assert "2 of 3 seeds arrived" in benchmark.table({"dqn": found})


def test_a_watch_ends_the_run_at_its_goal_and_charges_no_test(
    benchmark: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([0.0, 3.0, 10.0, 11.0])  # made at 0; a test from 3 to 10; read at 11
    learners = sys.modules["learners"]
    monkeypatch.setattr(learners, "process_time", lambda: next(clock))
    monkeypatch.setattr(learners, "evaluate_policy", lambda *_, **__: np.array([480.0]))
    watch = learners.Watch("CartPole-v1", 100, 0, until="tested", began=0.0)
    next(clock)
    assert not watch(None, 99, [500.0])  # not the time for a test
    assert watch(None, 100, [20.0])
    assert watch.solved == {"tested": 100}
    assert watch.seconds == {"tested": 11.0 - 7.0}


def test_the_training_goal_is_a_mean_of_100_episodes(benchmark: ModuleType) -> None:
    watch = sys.modules["learners"].Watch("CartPole-v1", 10**9, 0, until="training")
    assert not watch(None, 1, [500.0] * 99)
    assert not watch(None, 2, [474.9] * 100)
    assert watch(None, 3, [0.0, *[475.0] * 100])
    assert watch.solved == {"training": 3}


def test_finished_runs_are_kept_while_their_settings_hold(
    benchmark: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    task = replace(benchmark.TASKS["reinforce"], budget=600, every=300)
    monkeypatch.setattr(benchmark, "TASKS", {"reinforce": task})
    monkeypatch.setattr(benchmark, "FRESH_EPISODES", 2)
    benchmark.main(["--seeds", "100"])
    (first,) = read_result(benchmark.NAME)["runs"]
    assert not first["reached"]
    assert first["steps"] >= 600
    benchmark.main(["--seeds", "100", "101"])
    runs = read_result(benchmark.NAME)["runs"]
    assert [found["seed"] for found in runs] == [100, 101]
    assert runs[0] == first
    monkeypatch.setattr(benchmark, "TASKS", {"reinforce": replace(task, budget=700)})
    benchmark.main(["--seeds", "100"])
    (again,) = read_result(benchmark.NAME)["runs"]
    assert again["settings"]["budget"] == 700
    capsys.readouterr()
    benchmark.main(["--table"])
    assert "0 of 1 seeds arrived" in capsys.readouterr().out


def test_refusals(benchmark: ModuleType) -> None:
    with pytest.raises(SystemExit, match="seeds 0–4"):
        benchmark.main(["--seeds", "3"])
    with pytest.raises(SystemExit, match="no result"):
        benchmark.main(["--table"])


def test_the_committed_result_is_that_of_today_s_settings(script: ModuleType) -> None:
    result = read_result(script.NAME)
    assert all(script.still_holds(found) for found in result["runs"])
    for name in script.TASKS:
        seeds = {found["seed"] for found in result["runs"] if found["task"] == name}
        assert seeds == set(script.SEEDS)
    assert result["summary"] == script.summary(result["runs"])
