"""What every multi-seed script needs: run many configurations, resume, and state intervals.

A script describes each run as a frozen dataclass and gives a function that turns
it into numbers. `run_all` spreads the runs over single-threaded processes and
keeps each finished one in `.cache/experiments/<name>/`, keyed by the run's
configuration, so that an interrupted script continues where it stopped. The key
does not see the package's code: after a change there, delete that folder.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import multiprocessing
import os
import random
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

# before torch is imported: small tensors gain nothing from more threads
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import numpy.typing as npt
import torch
from scipy import stats
from torch import nn

from anatomy.envs import Actors
from anatomy.models.actor_critic import CategoricalActorCritic, GaussianActorCritic
from anatomy.reporting import progress
from anatomy.reporting import receipts as results
from anatomy.reporting.recipes import as_json
from anatomy.runtime import initial_weights
from anatomy.version import __version__

CACHE = Path(__file__).parents[3] / ".cache" / "experiments"
SEEDS = tuple(range(100, 110))  # no choice of hyperparameters ever looked at these
RESAMPLES = 10_000


# --- running ---------------------------------------------------------------------------


def arguments(
    description: str,
    argv: Sequence[str] | None = None,
    *,
    seeds: Sequence[int] = SEEDS,
    steps: bool = True,
    only: bool = True,
) -> argparse.Namespace:
    """The options that scripts share; without any, a script makes the committed result.

    `seeds` are those of the committed result. A script that cannot be shortened, or has no
    rows to choose from, does not offer `--steps` or `--only`.
    """
    parser = argparse.ArgumentParser(description=description)
    listed = ", ".join(map(str, seeds))
    parser.add_argument(
        "--seeds", type=int, nargs="+", default=list(seeds), help=f"default: {listed}"
    )
    parser.add_argument("--workers", type=int, default=2, help="processes, one thread each")
    parser.set_defaults(steps=None, only="")
    if steps:
        parser.add_argument("--steps", type=int, help="fewer steps for every run")
    if only:
        parser.add_argument("--only", default="", help="only rows whose name contains this")
    options = parser.parse_args(argv)
    options.complete = not options.only and options.steps is None and options.seeds == list(seeds)
    return options


def run_all(
    name: str, function: Callable[[Any], dict[str, Any]], runs: Sequence[Any], *, workers: int
) -> list[dict[str, Any]]:
    """Return `function(run)` for every run, in order, with its "cpu_seconds" and "wall_seconds".

    Finished runs are read from the cache. The others are done in a shuffled order,
    so that cheap and costly ones mix and the remaining time is estimated fairly.
    """
    folder = CACHE / name
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"{_key(run)}.json" for run in runs]
    missing = [
        (run, file) for run, file in zip(runs, files, strict=True) if not _finished(run, file)
    ]
    random.Random(0).shuffle(missing)
    calls = [(place, function, run) for place, (run, _) in enumerate(missing)]
    for place, result in progress(_results(calls, workers), name, total=len(missing)):
        run, file = missing[place]
        record = {"run": as_json(run), "result": result}
        results.replace_file(file, json.dumps(record).encode())
    return [json.loads(file.read_text())["result"] for file in files]


def _results(calls: list[Any], workers: int) -> Iterator[tuple[int, dict[str, Any]]]:
    """The result of each call with its place among them, as they come."""
    if workers <= 1 or len(calls) <= 1:
        _one_thread()
        yield from map(_timed, calls)
        return
    # spawned, not forked: a fork copies torch's thread pools in an unknown state
    with multiprocessing.get_context("spawn").Pool(workers, initializer=_one_thread) as pool:
        # unordered: what is finished is kept at once, and a failure elsewhere cannot lose it
        yield from pool.imap_unordered(_timed, calls)


def _one_thread() -> None:
    torch.set_num_threads(1)


def _timed(call: tuple[int, Callable[[Any], dict[str, Any]], Any]) -> tuple[int, dict[str, Any]]:
    place, function, run = call
    wall, cpu = time.perf_counter(), time.process_time()
    result = function(run)
    return place, result | {
        "cpu_seconds": time.process_time() - cpu,
        "wall_seconds": time.perf_counter() - wall,
    }


def _key(run: Any) -> str:
    content = json.dumps([as_json(run), __version__], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:20]


def _finished(run: Any, file: Path) -> bool:
    """Whether `file` holds the result of exactly this run."""
    try:
        return json.loads(file.read_text())["run"] == as_json(run)
    except (OSError, ValueError, KeyError):
        return False


def make_policy(
    actors: Actors, seed: int, *, initial_std: float = 1.0
) -> CategoricalActorCritic | GaussianActorCritic:
    """A fresh actor-critic, two layers of 64, for the actors' observations and actions."""
    (observation,) = actors.envs.single_observation_space.shape or ()
    action = actors.envs.single_action_space
    with initial_weights(seed):
        if hasattr(action, "n"):
            return CategoricalActorCritic(observation, int(action.n))
        (size,) = action.shape or ()
        return GaussianActorCritic(observation, size, initial_std=initial_std)


def is_finite(policy: nn.Module) -> bool:
    """Whether every weight is a finite number."""
    return all(bool(torch.isfinite(weight).all()) for weight in policy.parameters())


# --- intervals -------------------------------------------------------------------------


def bootstrap(*strata: Sequence[float]) -> dict[str, float]:
    """The mean over strata of each stratum's mean, with a 95 % percentile bootstrap interval.

    A stratum is one task's scores, one number per seed; seeds are drawn again with
    replacement within each (Agarwal et al. 2021, stratified bootstrap).
    """
    rng = np.random.default_rng(0)
    means = np.zeros(RESAMPLES)
    for scores in strata:
        values = np.asarray(scores, dtype=float)
        drawn = rng.integers(len(values), size=(RESAMPLES, len(values)))
        means += values[drawn].mean(axis=1) / len(strata)
    low, high = np.percentile(means, [2.5, 97.5])
    return {
        "mean": float(np.mean([np.mean(scores) for scores in strata])),
        "low": float(low),
        "high": float(high),
    }


def paired(scores: npt.ArrayLike, base: npt.ArrayLike) -> dict[str, float]:
    """Mean of score − base over the seeds that both share, with Student's 95 % interval."""
    difference = np.asarray(scores, dtype=float) - np.asarray(base, dtype=float)
    count = len(difference)
    mean = float(difference.mean())
    if count < 2:
        return {"mean": mean, "low": mean, "high": mean}
    half = float(stats.t.ppf(0.975, count - 1) * difference.std(ddof=1) / math.sqrt(count))
    return {"mean": mean, "low": mean - half, "high": mean + half}


def band(curves: Sequence[Sequence[float | None]], *, points: int = 60) -> dict[str, list[Any]]:
    """Mean curve over seeds with a pointwise 95 % t interval; None where any seed has none.

    Longer curves are thinned to at most `points`; "index" says which were kept.
    """
    length = min(len(curve) for curve in curves)
    index = np.unique(np.linspace(0, length - 1, min(points, length)).round().astype(int))
    out: dict[str, list[Any]] = {"index": index.tolist(), "mean": [], "low": [], "high": []}
    for i in index:
        column = [curve[i] for curve in curves]
        if any(value is None for value in column):
            interval: dict[str, float | None] = {"mean": None, "low": None, "high": None}
        else:
            interval = {**paired([float(v) for v in column if v is not None], 0.0)}
        for key, value in interval.items():
            out[key].append(value)
    return out


# --- writing ---------------------------------------------------------------------------


def finite(value: float | None) -> float | None:
    """`value`, or None where it is NaN or infinite, which JSON cannot hold."""
    return float(value) if value is not None and math.isfinite(value) else None


def rounded(data: Any, digits: int = 4) -> Any:
    """Every float in nested dictionaries and lists, to `digits` significant digits."""
    if isinstance(data, dict):
        return {key: rounded(value, digits) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [rounded(value, digits) for value in data]
    if isinstance(data, float):
        return float(f"{data:.{digits}g}")
    return data


def place(name: str, options: argparse.Namespace) -> str:
    """Where a result belongs: its name, or `local/`, which git ignores, for a partial one."""
    if options.complete:
        return name
    (results.RESULTS / "local").mkdir(parents=True, exist_ok=True)
    return f"local/{name}"


def write(
    name: str,
    data: dict[str, Any],
    *,
    config: Any,
    finished: Sequence[dict[str, Any]],
    options: argparse.Namespace,
) -> Path:
    """Write the result with its receipt to its `place`."""
    stamp = results.receipt(
        config=as_json(config),
        seeds=options.seeds,
        wall_seconds=sum(run["wall_seconds"] for run in finished) / max(1, options.workers),
        cpu_seconds=sum(run["cpu_seconds"] for run in finished),
    )
    path = results.write_result(
        place(name, options), {"receipt": stamp | {"runs": len(finished)}} | rounded(data)
    )
    print(f"{path.name}: {len(finished)} runs, {stamp['cpu_seconds']:.0f} CPU seconds")
    return path
