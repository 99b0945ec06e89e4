"""PPO beside Stable-Baselines3: the same tasks, one core, one thread, one window of time.

For every seed our run and the peer's run follow each other, in processes of their
own, the order alternating from pair to pair; so both meet the same neighbours,
and only ratios within a pair are reported. What is charged is CPU time, from
making the environments on; imports and a first tiny training are not charged.

    python code/benchmarks/ppo.py                    # every task, seeds 200–209
    python code/benchmarks/ppo.py --tasks cartpole --seeds 200-204
    python code/benchmarks/ppo.py --table            # only print what is there

After each pair `anatomy/results/benchmark_ppo.json` is written with its receipt.
An interrupted benchmark continues where it stopped; changed settings are refused
until `--fresh` discards what was measured under the old ones. The goal counts as
reached when the mean of the last 100 returns stays there to the end of the run.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from anatomy.reporting import read_result, receipt, write_result
from anatomy.reporting.plots import bootstrap_interval, t_interval
from tasks import TASKS, TUNING_SEEDS, Task

NAME = "benchmark_ppo"
HERE = Path(__file__).parent
SIDES = {"ours": HERE / "run_ours.py", "peer": HERE / "run_peer.py"}
PEER = "stable-baselines3"
POINTS = 60  # of a learning curve that the result keeps

Run = dict[str, Any]
Pair = dict[str, Any]


class BenchmarkError(RuntimeError):
    """Why the benchmark cannot go on, in one sentence."""


def main(argv: Sequence[str] | None = None) -> None:
    options = arguments(argv)
    try:
        pairs = measured(discard=options.tasks if options.fresh else ())
        if not options.table:
            run_missing(pairs, options.tasks, options.seeds, options.core)
        print(table(summary(pairs)))
    except BenchmarkError as error:
        sys.exit(f"benchmark: {error}")
    except KeyboardInterrupt:
        sys.exit("\nstopped; every finished pair is kept, and the same command continues")


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--seeds", type=seeds, default=seeds("200-209"), metavar="FIRST-LAST")
    parser.add_argument("--core", type=int, help="pin both sides to this core (default: the last)")
    parser.add_argument("--fresh", action="store_true", help="discard what was measured on --tasks")
    parser.add_argument("--table", action="store_true", help="print the table, measure nothing")
    return parser.parse_args(argv)


def seeds(text: str) -> list[int]:
    """ "200-204" → [200, …, 204]; none that tuning saw."""
    first, _, last = text.partition("-")
    try:
        chosen = list(range(int(first), int(last or first) + 1))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not FIRST-LAST") from None
    if not chosen:
        raise argparse.ArgumentTypeError(f"{text!r} holds no seed: the first is above the last")
    if set(chosen) & set(TUNING_SEEDS):
        raise argparse.ArgumentTypeError("the settings were chosen on seeds 0–9: report on others")
    return chosen


# --- measuring -------------------------------------------------------------------------


def run_missing(pairs: list[Pair], tasks: Sequence[str], seeds: Sequence[int], core: int | None):
    """Run every pair that is not there yet, writing the result after each."""
    try:
        version(PEER)
    except PackageNotFoundError:
        raise BenchmarkError(f"{PEER} is not installed; `make benchmark` installs it") from None
    pin(core)
    done = {(pair["task"], pair["seed"]) for pair in pairs}
    todo = [(task, seed) for seed in seeds for task in tasks if (task, seed) not in done]
    print(f"{len(done)} pairs are there, {len(todo)} to run", flush=True)
    for count, (task, seed) in enumerate(todo, 1):
        began = perf_counter()
        order = list(SIDES) if seed % 2 == 0 else list(reversed(SIDES))
        pair: Pair = {"task": task, "seed": seed, "order": order}
        for side in order:
            pair[side] = thin(run(side, task, seed), TASKS[task])
        wall = perf_counter() - began
        stamp = receipt(config=None, seeds=[seed], wall_seconds=wall)
        pair |= {"wall_seconds": round(wall, 1), "commit": stamp["commit"], "date": today()}
        pairs.append(pair)
        write(pairs)
        ours, peer = pair["ours"]["cpu_seconds"], pair["peer"]["cpu_seconds"]
        print(
            f"[{count}/{len(todo)}] {task} seed {seed}: ours {ours:.2f} s, "
            f"peer {peer:.2f} s of CPU, in {wall:.0f} s",
            flush=True,
        )


def run(side: str, task: str, seed: int) -> Run:
    """One side, in a process of its own with one thread."""
    single = dict.fromkeys(["OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"], "1")
    answer = subprocess.run(
        [sys.executable, str(SIDES[side]), task, str(seed)],
        capture_output=True,
        text=True,
        env=os.environ | single,
        check=False,
    )
    if answer.returncode != 0:
        reason = (answer.stderr.strip().splitlines() or ["no message"])[-1]
        raise BenchmarkError(f"the run of {side} on {task}, seed {seed}, failed: {reason}")
    return json.loads(answer.stdout.splitlines()[-1])


def pin(core: int | None) -> None:
    """Keep this process and its children on one core, where the system can."""
    if not hasattr(os, "sched_setaffinity"):
        return
    allowed = os.sched_getaffinity(0)
    if core is not None and core not in allowed:
        raise BenchmarkError(f"core {core} is not among this machine's: {sorted(allowed)}")
    os.sched_setaffinity(0, {max(allowed) if core is None else core})


def thin(record: Run, task: Task) -> Run:
    """What the result keeps of a run."""
    curve = record["curve"]
    seconds, steps, _ = curve[-1]
    means = [mean if math.isfinite(mean) else None for _, _, mean in curve]
    below = [i for i, mean in enumerate(means) if mean is None or mean < task.goal]
    held = below[-1] + 1 if below else 0  # from here to the end the goal is never lost
    first = held if held < len(means) else None
    kept = sorted({round(i) for i in np.linspace(0, len(curve) - 1, min(POINTS, len(curve)))})
    return {
        "cpu_seconds": round(seconds, 3),
        "steps": steps,
        "steps_per_second": round(steps / seconds, 1),
        "seconds_to_goal": None if first is None else round(curve[first][0], 3),
        "steps_to_goal": None if first is None else curve[first][1],
        "final_mean": None if means[-1] is None else round(means[-1], 2),
        "greedy_mean": round(float(np.mean(record["greedy"])), 2),
        "spent": {name: round(value, 3) for name, value in record["spent"].items()},
        "curve": [
            [round(curve[i][0], 3), curve[i][1], None if means[i] is None else round(means[i], 1)]
            for i in kept
        ],
    }


# --- the result ------------------------------------------------------------------------


def settings() -> dict[str, Any]:
    """What decides the numbers besides seeds and machine."""
    return json.loads(json.dumps({name: task.settings() for name, task in TASKS.items()}))


def measured(*, discard: Sequence[str] = ()) -> list[Pair]:
    """The pairs of earlier runs, without those of the tasks to `discard`."""
    try:
        data = read_result(NAME)
    except ValueError:
        return []
    pairs = [pair for pair in data["pairs"] if pair["task"] not in discard]
    then, now = data["receipt"]["config"], settings()
    changed = sorted({p["task"] for p in pairs if then.get(p["task"]) != now.get(p["task"])})
    if changed:
        names = " ".join(changed)
        raise BenchmarkError(
            f"{names} was measured under other settings; --fresh --tasks {names} discards that"
        )
    return pairs


def write(pairs: list[Pair]) -> Path:
    """Write the result with its receipt."""
    stamp = receipt(
        config=settings(),
        seeds=sorted({pair["seed"] for pair in pairs}),
        wall_seconds=sum(pair["wall_seconds"] for pair in pairs),
        cpu_seconds=sum(pair[side]["cpu_seconds"] for pair in pairs for side in SIDES),
    )
    packages = {name: version(name) for name in (PEER, "gymnasium", "numpy")}
    stamp |= {"threads": 1, "packages": packages}
    return write_result(NAME, {"receipt": stamp, "summary": summary(pairs), "pairs": pairs})


def summary(pairs: Sequence[Pair]) -> dict[str, Any]:
    """For each task: each side's figures and the paired ratios, with 95 % intervals."""
    return {
        name: summarise(task, [pair for pair in pairs if pair["task"] == name])
        for name, task in TASKS.items()
        if any(pair["task"] == name for pair in pairs)
    }


def summarise(task: Task, pairs: Sequence[Pair]) -> dict[str, Any]:
    sides: dict[str, Any] = {}
    for side in SIDES:
        runs = [pair[side] for pair in pairs]
        reached = [run for run in runs if run["seconds_to_goal"] is not None]
        sides[side] = {
            "reached": len(reached),
            "seconds_to_goal": centre([to_goal(run) for run in runs]),
            "steps_to_goal": centre([run["steps_to_goal"] or run["steps"] for run in runs]),
            "steps_per_second": centre([run["steps_per_second"] for run in runs]),
            "final_mean": mean([run["final_mean"] for run in runs]),
            "greedy_mean": mean([run["greedy_mean"] for run in runs]),
            "spent": shares(runs),
        }
    return {
        "title": task.title,
        "goal": task.goal,
        "pairs": len(pairs),
        **sides,
        "seconds_ratio": ratio(
            [to_goal(pair["peer"]) for pair in pairs], [to_goal(pair["ours"]) for pair in pairs]
        ),
        "speed_ratio": ratio(
            [pair["ours"]["steps_per_second"] for pair in pairs],
            [pair["peer"]["steps_per_second"] for pair in pairs],
        ),
    }


def to_goal(run: Run) -> float:
    """CPU seconds until the goal is reached for good; all that were spent where it is not."""
    return run["seconds_to_goal"] or run["cpu_seconds"]


def centre(values: Sequence[float]) -> dict[str, float]:
    """Median and its bootstrap interval."""
    return interval(*bootstrap_interval(values, np.median))


def mean(values: Sequence[float | None]) -> dict[str, float] | None:
    """Mean and its t interval; None where a run had too few episodes for a mean."""
    if any(value is None for value in values):
        return None
    return interval(*t_interval(values))


def ratio(above: Sequence[float], below: Sequence[float]) -> dict[str, float]:
    """Pair by pair: the median ratio, and the geometric mean with its t interval."""
    logs = np.log(np.asarray(above) / np.asarray(below))
    geometric = interval(*(np.exp(value) for value in t_interval(logs)))
    return {"median": round(float(np.exp(np.median(logs))), 3)} | geometric


def interval(middle: Any, low: Any, high: Any) -> dict[str, Any]:
    """Three numbers as JSON, an absent interval (of one seed) as None."""
    names = ("middle", "low", "high")
    return {
        name: round(float(value), 3) if np.isfinite(value) else None
        for name, value in zip(names, (middle, low, high), strict=True)
    }


def shares(runs: Sequence[Run]) -> dict[str, float]:
    """Where the CPU seconds went, as shares of the whole."""
    whole = sum(run["cpu_seconds"] for run in runs)
    return {
        name: round(sum(run["spent"][name] for run in runs) / whole, 3) for name in runs[0]["spent"]
    }


def table(results: dict[str, Any]) -> str:
    """The summary for a terminal."""
    lines = []
    for result in results.values():
        lines.append(f"{result['title']}, goal {result['goal']:g}, {result['pairs']} pairs")
        for side in SIDES:
            figures = result[side]
            lines.append(
                f"  {side:5s} reached {figures['reached']}/{result['pairs']}"
                f"   {text(figures['seconds_to_goal'], '.2f')} s to the goal"
                f"   {text(figures['steps_per_second'], ',.0f')} steps/s"
                f"   greedy {text(figures['greedy_mean'], '.1f')}"
            )
        for name, title in (("seconds_ratio", "seconds"), ("speed_ratio", "steps/s")):
            found = result[name]
            lines.append(f"  ratio of {title}: median {found['median']:.1f}x, {text(found, '.1f')}")
    return "\n".join(lines) or "nothing has been measured yet"


def text(found: dict[str, float], form: str) -> str:
    if found["low"] is None:
        return f"{found['middle']:{form}}"
    return f"{found['middle']:{form}} [{found['low']:{form}}, {found['high']:{form}}]"


def today() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d")


if __name__ == "__main__":
    main()
