"""The multi-seed scripts: statistics, a tiny run of each, and the results in the repository."""

from __future__ import annotations

import importlib
import json
import math
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.pool import ThreadPool
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch

from anatomy.reporting import read_result, receipts

SCRIPTS = Path(__file__).parents[2] / "code" / "experiments"
NAMES = ("ppo_table1", "ppo_details", "ppo_health")


@pytest.fixture(scope="module")
def multiseed() -> Iterator[ModuleType]:
    sys.path.insert(0, str(SCRIPTS))
    yield importlib.import_module("multiseed")
    sys.path.remove(str(SCRIPTS))


@pytest.fixture
def elsewhere(
    multiseed: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """Results and cache in a temporary folder, torch's threads as they were."""
    threads = torch.get_num_threads()
    monkeypatch.setattr(receipts, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(multiseed, "CACHE", tmp_path / "cache")
    monkeypatch.setenv("ANATOMY_PROGRESS", "off")
    yield tmp_path
    torch.set_num_threads(threads)


# --- statistics ------------------------------------------------------------------------


def test_paired_difference_by_hand(multiseed: ModuleType) -> None:
    # differences 1, 2, 3: mean 2, standard error 1/√3, t(0.975, 2) = 4.30265
    interval = multiseed.paired([2.0, 4.0, 6.0], [1.0, 2.0, 3.0])
    assert interval["mean"] == pytest.approx(2.0)
    assert interval["high"] - 2.0 == pytest.approx(4.30265 / math.sqrt(3), rel=1e-5)
    assert 2.0 - interval["low"] == pytest.approx(4.30265 / math.sqrt(3), rel=1e-5)


def test_bootstrap_weighs_strata_equally(multiseed: ModuleType) -> None:
    # two constant strata of unequal size: nothing to draw, and the mean is 1, not 1/2 or 4/3
    interval = multiseed.bootstrap([0.0] * 6, [2.0] * 3)
    assert interval == {"mean": 1.0, "low": 1.0, "high": 1.0}


def test_bootstrap_interval_of_a_coin(multiseed: ModuleType) -> None:
    # the mean of 100 fair coins: resampling gives ±1.96 · 0.05 around 0.5
    interval = multiseed.bootstrap([0.0, 1.0] * 50)
    assert interval["low"] == pytest.approx(0.402, abs=0.015)
    assert interval["high"] == pytest.approx(0.598, abs=0.015)


def test_band_keeps_ends_and_gaps(multiseed: ModuleType) -> None:
    curves = [[None, *range(1, 101)], [None, *range(1, 101)]]
    thin = multiseed.band(curves, points=5)
    assert thin["index"] == [0, 25, 50, 75, 100]
    assert thin["mean"] == [None, 25.0, 50.0, 75.0, 100.0]
    assert thin["low"] == thin["mean"] == thin["high"]


def test_rounded_keeps_significant_digits(multiseed: ModuleType) -> None:
    assert multiseed.rounded({"a": [0.000123456, 98765.4, 3, None, "x"]}) == {
        "a": [0.0001235, 98770.0, 3, None, "x"]
    }


# --- running ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Sum:
    a: int
    b: int


def test_finished_runs_are_kept_and_others_done(multiseed: ModuleType, elsewhere: Path) -> None:
    calls: list[Sum] = []

    def add(run: Sum) -> dict[str, Any]:
        calls.append(run)
        if run.b == 9:
            raise KeyboardInterrupt
        return {"sum": run.a + run.b}

    first = [Sum(1, 2), Sum(3, 4)]
    assert [r["sum"] for r in multiseed.run_all("sums", add, first, workers=1)] == [3, 7]
    with pytest.raises(KeyboardInterrupt):
        multiseed.run_all("sums", add, [*first, Sum(5, 9)], workers=1)
    calls.clear()
    more = [Sum(5, 6), *first]
    assert [r["sum"] for r in multiseed.run_all("sums", add, more, workers=1)] == [11, 3, 7]
    assert calls == [Sum(5, 6)]


def test_a_failed_run_does_not_lose_those_that_finish_beside_it(
    multiseed: ModuleType, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = elsewhere / "cache" / "sums"
    threads = SimpleNamespace(Pool=ThreadPool)  # a process could not run a function of this test
    monkeypatch.setattr(multiseed.multiprocessing, "get_context", lambda kind: threads)

    def add(run: Sum) -> dict[str, Any]:
        patience = time.monotonic() + 5
        while run.b == 9 and len(list(kept.glob("*.json"))) < 5 and time.monotonic() < patience:
            time.sleep(0.01)
        if run.b == 9:
            raise FloatingPointError
        return {"sum": run.a + run.b}

    runs = [Sum(a, 1) for a in range(5)]
    for fails in range(2):  # whichever place the shuffle gives it
        with pytest.raises(FloatingPointError):
            multiseed.run_all("sums", add, [*runs, Sum(fails, 9)], workers=2)
        assert len(list(kept.glob("*.json"))) == 5
    found = multiseed.run_all("sums", add, runs, workers=2)
    assert [result["sum"] for result in found] == [1, 2, 3, 4, 5]


def test_results_of_several_workers_belong_to_their_runs(
    multiseed: ModuleType, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = SimpleNamespace(Pool=ThreadPool)
    monkeypatch.setattr(multiseed.multiprocessing, "get_context", lambda kind: threads)

    def add(run: Sum) -> dict[str, Any]:
        time.sleep(0.02 * (run.a % 3))  # they end in another order than they began
        return {"sum": run.a + run.b}

    runs = [Sum(a, 10) for a in range(7)]
    found = multiseed.run_all("sums", add, runs, workers=3)
    assert [result["sum"] for result in found] == list(range(10, 17))


def test_a_damaged_cache_file_is_done_again(multiseed: ModuleType, elsewhere: Path) -> None:
    def add(run: Sum) -> dict[str, Any]:
        return {"sum": run.a + run.b}

    multiseed.run_all("sums", add, [Sum(1, 2)], workers=1)
    (file,) = (elsewhere / "cache" / "sums").glob("*.json")
    file.write_text('{"run": {"a"')
    assert multiseed.run_all("sums", add, [Sum(1, 2)], workers=1)[0]["sum"] == 3


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("ppo_table1", ["--only", "no clipping", "--steps", "17000"]),
        ("ppo_details", ["--only", "truncation", "--steps", "7000"]),
        ("ppo_health", ["--only", "healthy", "--steps", "17000"]),
    ],
)
def test_tiny_run(
    name: str,
    options: list[str],
    multiseed: ModuleType,
    elsewhere: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    script = importlib.import_module(name)
    if name == "ppo_table1":
        monkeypatch.setattr(script, "EPOCHS", (1,))
    script.main([*options, "--seeds", "0", "--workers", "1"])
    data = json.loads((elsewhere / "results" / "local" / f"{name}.json").read_text())
    assert data["receipt"]["seeds"] == [0]
    assert data["receipt"]["runs"] > 0
    assert not (elsewhere / "results" / f"{name}.json").exists()  # only a complete run is quoted


def test_truncation_treated_as_termination_loses_the_future(multiseed: ModuleType) -> None:
    script = importlib.import_module("ppo_details")
    one = torch.ones(1, 1)
    flags = {"terminated": torch.zeros(1, 1).bool(), "truncated": torch.ones(1, 1).bool()}
    arguments = (one, one, torch.tensor([5.0]), *flags.values())
    discounts = {"gamma": 0.5, "gae_lambda": 0.9}
    assert script.gae(*arguments, **discounts).item() == 1 + 0.5 * 5 - 1
    assert script.gae_without_truncation(*arguments, **discounts).item() == 1 - 1


# --- the results in the repository -----------------------------------------------------


def numbers(data: Any) -> Iterator[float]:
    if isinstance(data, dict):
        data = list(data.values())
    if isinstance(data, list):
        for item in data:
            yield from numbers(item)
    elif isinstance(data, int | float):
        yield data


@pytest.mark.parametrize("name", NAMES)
def test_result_is_complete(name: str) -> None:
    data = read_result(name)
    stamp = data["receipt"]
    assert len(set(stamp["seeds"])) >= 10
    assert not set(stamp["seeds"]) & set(range(10)), "seeds that tuning looked at"
    assert stamp["cpu_seconds"] > 0
    assert stamp["torch"]
    assert stamp["date"]
    assert all(math.isfinite(number) for number in numbers(data))
    assert (receipts.RESULTS / f"{name}.json").stat().st_size < 400_000


def test_scores_are_scaled_between_the_untrained_and_the_best(multiseed: ModuleType) -> None:
    scale = importlib.import_module("ppo_table1").scale
    assert scale([-500.0, -100.0, -300.0], zero=-500.0, one=-100.0) == [0.0, 1.0, 0.5]
    assert scale([20.0], zero=20.0, one=20.0) == [0.0]


def test_table_has_the_papers_rows_and_scale() -> None:
    data = read_result("ppo_table1")
    paper = [-0.39, 0.76, 0.82, 0.70, 0.68, 0.74, 0.71, 0.62, 0.71, 0.72, 0.69]
    assert [row["paper"] for row in data["table"]] == paper
    for task in data["tasks"].values():
        means = []
        for cell in task["rows"].values():
            assert len(cell["scores"]) >= 10
            means.append(sum(cell["scaled"]) / len(cell["scaled"]))
            raw = sum(cell["scores"]) / len(cell["scores"])
            scaled = (raw - task["untrained"]) / (task["best"] - task["untrained"])
            assert means[-1] == pytest.approx(scaled, abs=2e-3)
        assert max(means) == pytest.approx(1.0, abs=1e-3)
    for row in data["table"]:
        cells = [task["rows"][row["name"]] for task in data["tasks"].values()]
        mean = sum(sum(c["scaled"]) / len(c["scaled"]) for c in cells) / len(cells)
        assert row["score"]["mean"] == pytest.approx(mean, abs=1e-3)
        assert row["score"]["low"] <= row["score"]["mean"] <= row["score"]["high"]


def test_details_are_compared_seed_by_seed() -> None:
    data = read_result("ppo_details")
    for task in data["tasks"].values():
        base = task["rows"]["base"]["areas"]
        for cell in task["rows"].values():
            assert len(cell["areas"]) == len(base) >= 10
            mean = sum(a - b for a, b in zip(cell["areas"], base, strict=True)) / len(base)
            assert cell["area_minus_base"]["mean"] == pytest.approx(
                mean, abs=0.5
            )  # 4 digits of 1,000


def test_each_patient_has_all_curves() -> None:
    data = read_result("ppo_health")
    assert len(data["runs"]) == 4
    for patient in data["runs"].values():
        assert len(patient["final_returns"]) >= 10
        for curve in patient["curves"].values():
            assert len(curve["mean"]) == len(patient["steps"]) <= 60


def test_a_partial_run_never_takes_the_place_of_a_committed_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, multiseed: ModuleType
) -> None:
    monkeypatch.setattr(multiseed.results, "RESULTS", tmp_path)
    for given, where in (
        ([], "some"),
        (["--seeds", "1", "2", "--workers", "1"], "some"),
        (["--seeds", "1"], "local/some"),
        (["--steps", "5"], "local/some"),
        (["--only", "PPO"], "local/some"),
    ):
        options = multiseed.arguments("A script.", given, seeds=(1, 2))
        assert multiseed.place("some", options) == where, given
    assert (tmp_path / "local").is_dir()


@pytest.mark.parametrize("option", ["steps", "only"])
def test_what_a_script_would_ignore_it_does_not_offer(
    option: str, capsys: pytest.CaptureFixture[str], multiseed: ModuleType
) -> None:
    options = multiseed.arguments("A script.", [], **{option: False})
    assert options.complete
    with pytest.raises(SystemExit):
        multiseed.arguments("A script.", [f"--{option}", "5"], **{option: False})
    assert f"unrecognized arguments: --{option}" in capsys.readouterr().err


@pytest.mark.parametrize("script", sorted(SCRIPTS.glob("*.py")), ids=lambda path: path.stem)
def test_every_option_that_a_script_offers_is_read(script: Path) -> None:
    text = script.read_text()
    if "multiseed import" in text and (call := re.search(r"= arguments\((.+)\)\n", text)):
        for option in ("steps", "only"):
            refused = f"{option}=False" in call[1]
            assert refused != (f"options.{option}" in text), option
        for write in re.findall(r"write_result\((\w+)", text):
            assert write == "place", "a partial run would overwrite the committed result"
