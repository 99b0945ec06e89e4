"""Double DQN and REINFORCE on CartPole-v1, each until it has learned it.

No peer runs here. The question is whether every seed arrives, and after how many environment
steps and CPU seconds. DQN has arrived when the mean of its last 100 training returns,
exploration included, is 475 or more. REINFORCE trains with a policy that draws its actions; it
has arrived when the most likely actions reach a mean of 475 in a test. Neither tests nor
imports are charged. The loops are those of chapter 4 (code/experiments/learners.py).

    python code/benchmarks/value_and_policy.py            # ten seeds each, four minutes of CPU
    python code/benchmarks/value_and_policy.py --fresh    # measure again what is there
    python code/benchmarks/value_and_policy.py --table    # only print what is there
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.append(str(Path(__file__).resolve().parents[1] / "experiments"))

import numpy as np
import torch

from anatomy.algorithms.dqn import DQNConfig
from anatomy.algorithms.policy_gradient import REINFORCE
from anatomy.algorithms.ppo import PPOConfig
from anatomy.reporting import read_result, receipt, write_result
from anatomy.reporting.plots import bootstrap_interval
from anatomy.reporting.recipes import as_json
from learners import GOAL, Watch, learn_values, reinforce

NAME = "benchmark_value_and_policy"
ENV = "CartPole-v1"
SEEDS = range(100, 110)
TUNING_SEEDS = range(5)
FRESH_EPISODES = 100

Run = dict[str, Any]


@dataclass(frozen=True)
class Task:
    """What is learned, when it counts as learned, and how long that may take."""

    title: str
    config: DQNConfig | PPOConfig
    until: str  # as Watch has it
    budget: int  # environment steps
    learn: Callable[..., dict[str, Any]]
    how: dict[str, Any]
    every: int  # environment steps between two tests

    def settings(self) -> dict[str, Any]:
        how = {"until": self.until, "budget": self.budget} | self.how
        return {"config": as_json(self.config)} | how


TASKS = {
    "dqn": Task(
        title="double DQN",
        # γ = 0.99 looks 100 steps ahead, and lets the cart drift off the track after about 200
        config=replace(DQNConfig(), gamma=0.995),
        until="training",
        budget=150_000,
        learn=learn_values,
        how={"count": 16, "anneal": 100_000},
        every=10_000,
    ),
    "reinforce": Task(
        title="REINFORCE with a baseline",
        config=replace(REINFORCE, value_coef=0.5),
        until="tested",
        budget=150_000,
        learn=reinforce,
        how={"count": 8, "reward_scale": 0.05},
        every=2_500,
    ),
}


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    parser.add_argument("--fresh", action="store_true", help="discard what was measured on --tasks")
    parser.add_argument("--table", action="store_true", help="print the table, measure nothing")
    options = parser.parse_args(argv)
    if set(options.seeds) & set(TUNING_SEEDS):
        sys.exit("benchmark: the settings were chosen on seeds 0–4: report on others")
    try:
        kept = read_result(NAME)["runs"]
    except ValueError as missing:
        if options.table:
            sys.exit(f"benchmark: {missing}")
        kept = []
    if options.table:
        print(table(summary(kept)))
        return
    torch.set_num_threads(1)
    runs = [run for run in kept if still_holds(run)]
    if options.fresh:
        runs = [run for run in runs if run["task"] not in options.tasks]
    done = {(run["task"], run["seed"]) for run in runs}
    todo = [(name, seed) for seed in options.seeds for name in options.tasks]
    todo = [pair for pair in todo if pair not in done]
    if todo:
        for task in TASKS.values():  # the first optimizer of a process imports for a second
            measure(task, seed=0, budget=1_500)
    for count, (name, seed) in enumerate(todo, 1):
        run = {"task": name, "seed": seed} | measure(TASKS[name], seed, TASKS[name].budget)
        runs.append(run | {"settings": TASKS[name].settings()})
        write(runs)
        print(f"[{count}/{len(todo)}] {describe(run)}", flush=True)
    print(table(summary(runs)))


def still_holds(run: Run) -> bool:
    """Whether a finished run has today's settings."""
    return run["task"] in TASKS and run["settings"] == TASKS[run["task"]].settings()


def measure(task: Task, seed: int, budget: int) -> Run:
    """Learn until the goal or the end of the budget; then test once, on fresh episodes."""
    wall, cpu, last = perf_counter(), process_time(), []

    class Kept(Watch):
        def __call__(self, policy: Any, steps: int, returns: list[float]) -> bool:
            last[:] = [policy, steps]
            return super().__call__(policy, steps, returns)

    watch = Kept(ENV, task.every, seed, episodes=32, until=task.until)
    task.learn(ENV, task.config, seed=seed, steps=budget, watch=watch, **task.how)
    policy, steps = last
    return {
        "reached": task.until in watch.solved,
        "steps": watch.solved.get(task.until, steps),
        "seconds": round(watch.seconds.get(task.until, watch.spent()), 2),
        "greedy": round(float(watch.test(policy, FRESH_EPISODES).mean()), 1),
        "wall_seconds": round(perf_counter() - wall, 1),
        "cpu_seconds": round(process_time() - cpu, 2),
    }


# --- the result ------------------------------------------------------------------------


def write(runs: Sequence[Run]) -> Path:
    stamp = receipt(
        config={name: {"title": task.title} | task.settings() for name, task in TASKS.items()},
        seeds=sorted({run["seed"] for run in runs}),
        wall_seconds=sum(run["wall_seconds"] for run in runs),
        cpu_seconds=sum(run["cpu_seconds"] for run in runs),
    )
    stamp |= {"packages": {name: version(name) for name in ("gymnasium", "numpy")}}
    data = {"receipt": stamp, "goal": GOAL, "summary": summary(runs), "runs": list(runs)}
    return write_result(NAME, data)


def summary(runs: Sequence[Run]) -> dict[str, Any]:
    """For each task: how many seeds arrived, and medians with 95 % bootstrap intervals.

    A run that did not arrive counts with all the steps and seconds that it spent.
    """
    found = {}
    for name, task in TASKS.items():
        those = [run for run in runs if run["task"] == name]
        if those:
            found[name] = {
                "title": task.title,
                "runs": len(those),
                "reached": sum(run["reached"] for run in those),
                "steps": centre([run["steps"] for run in those]),
                "seconds": centre([run["seconds"] for run in those]),
            }
    return found


def centre(values: Sequence[float]) -> dict[str, float | None]:
    """Median and its bootstrap interval; an absent interval, of one seed, as None."""
    names = ("middle", "low", "high")
    found = bootstrap_interval(values, np.median)
    return {
        name: round(float(value), 2) if np.isfinite(value) else None
        for name, value in zip(names, found, strict=True)
    }


def describe(run: Run) -> str:
    outcome = "arrived after" if run["reached"] else "NOT in"
    return (
        f"{run['task']} seed {run['seed']}: {outcome} {run['steps']:,} steps, "
        f"{run['seconds']:.1f} CPU seconds; greedy {run['greedy']:.0f}"
    )


def table(results: dict[str, Any]) -> str:
    """The summary for a terminal."""
    lines = []
    for found in results.values():
        lines.append(f"{found['title']}: {found['reached']} of {found['runs']} seeds arrived")
        for what, form in (("steps", ",.0f"), ("seconds", ".1f")):
            figures = found[what]
            line = f"  {what:8s} {figures['middle']:{form}}"
            if figures["low"] is not None:
                line += f" [{figures['low']:{form}}, {figures['high']:{form}}]"
            lines.append(line)
    return "\n".join(lines) or "nothing has been measured yet"


if __name__ == "__main__":
    main()
