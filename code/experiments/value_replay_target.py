"""Replay × target network, 2 × 2, five seeds each, on CartPole.

Without replay every update sees only the steps of its own round. Without a target
network the network chases itself. One actor collects the data, as in Mnih et al.
(2015): with many actors side by side even the latest steps come from many places. The
same four with 16 actors show how much of the memory's work they do.

    python code/experiments/value_replay_target.py
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from anatomy.algorithms.dqn import DQNConfig
from learners import Watch, learn_values
from multiseed import SEEDS, arguments, run_all, write

ENV, STEPS = "CartPole-v1", 16_000
# as many updates for each step in both settings, and as many between two copies
SETTINGS = {
    1: replace(DQNConfig(), steps=32, updates=4, copy_every=16, double=False, n=1),
    16: replace(DQNConfig(), steps=8, updates=16, copy_every=4, double=False, n=1),
}
CELLS = {
    "replay and target": (True, True),
    "replay only": (True, False),
    "target only": (False, True),
    "neither": (False, False),
}


@dataclass(frozen=True)
class Run:
    """Everything that decides a run."""

    cell: str
    actors: int
    config: DQNConfig
    seed: int
    steps: int


def train(run: Run) -> dict[str, Any]:
    remembers, slow_target = CELLS[run.cell]
    return learn_values(
        ENV,
        run.config,
        seed=run.seed,
        steps=run.steps,
        watch=Watch(ENV, min(4_000, run.steps), run.seed),
        count=run.actors,
        remembers=remembers,
        slow_target=slow_target,
    )


def main(argv: Sequence[str] | None = None) -> None:
    options = arguments(__doc__.splitlines()[0], argv, seeds=SEEDS[:5])
    cells = [name for name in CELLS if options.only in name]
    steps = options.steps or STEPS
    runs = [
        Run(cell, actors, config, seed, steps)
        for actors, config in SETTINGS.items()
        for cell in cells
        for seed in options.seeds
    ]
    done = run_all("value_replay_target", train, runs, workers=options.workers)
    data: dict[str, Any] = {}
    for actors in SETTINGS:
        data[f"{actors} actor{'s' * (actors > 1)}"] = block = {}
        for cell in cells:
            results = [
                d
                for d, run in zip(done, runs, strict=True)
                if (run.actors, run.cell) == (actors, cell)
            ]
            block[cell] = {
                "steps": [row["steps"] for row in results[0]["rows"]],
                "tested": [[row["tested"] for row in r["rows"]] for r in results],
                "training": [[row["return"] for row in r["rows"]] for r in results],
                "value": [r["value"] for r in results],
                "diverged": sum(r["diverged"] for r in results),
            }
    write(
        "value_replay_target",
        {"env": ENV, "largest_true_value": 100.0, "actors": data},
        config={"steps": steps} | {str(count): asdict(c) for count, c in SETTINGS.items()},
        finished=done,
        options=options,
    )
    for actors, block in data.items():
        for name, cell in block.items():
            late = np.array(cell["tested"], dtype=float)[:, -3:].mean()
            value = np.array(cell["value"], dtype=float).mean()  # NaN where a seed diverged at once
            print(f"{actors:10} {name:20} tested {late:6.1f}, value {value:8.1f}")


if __name__ == "__main__":
    main()
