"""Actions that are real numbers: A2C and PPO with a Gaussian policy on Pendulum, five seeds.

No method that takes the max over actions can do this: there is no list to take it over.

    python code/experiments/policy_gradient_pendulum.py
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from anatomy.algorithms.policy_gradient import A2C
from anatomy.algorithms.ppo import PPOConfig
from anatomy.losses import policy_gradient_loss
from learners import Watch, learn_policy
from multiseed import SEEDS, arguments, run_all, write

ENV, STEPS, EVERY, SCALE = "anatomy/Pendulum-v1", 100_000, 10_000, 0.1
CONFIGS = {
    "A2C": replace(A2C, steps=10, gamma=0.95, learning_rate=3e-3, max_gradient_norm=5.0),
    "PPO": PPOConfig(steps=100, epochs=10, gamma=0.95, learning_rate=3e-3, max_gradient_norm=5.0),
}


@dataclass(frozen=True)
class Run:
    """Everything that decides a run."""

    name: str
    config: PPOConfig
    seed: int
    steps: int


def train(run: Run) -> dict[str, Any]:
    watch = Watch(ENV, min(EVERY, run.steps), run.seed)
    how = {"policy_loss": policy_gradient_loss} if run.name == "A2C" else {}
    return learn_policy(
        ENV, run.config, seed=run.seed, steps=run.steps, watch=watch, reward_scale=SCALE, **how
    )


def main(argv: Sequence[str] | None = None) -> None:
    options = arguments(__doc__.splitlines()[0], argv, seeds=SEEDS[:5])
    names = [name for name in CONFIGS if options.only in name]
    steps = options.steps or STEPS
    runs = [Run(name, CONFIGS[name], seed, steps) for name in names for seed in options.seeds]
    done = run_all("policy_gradient_pendulum", train, runs, workers=options.workers)
    data: dict[str, Any] = {}
    for name in names:
        results = [d["rows"] for d, run in zip(done, runs, strict=True) if run.name == name]
        milestones = min(map(len, results))
        data[name] = {
            "steps": [EVERY * (i + 1) for i in range(milestones)],
            "training": [[row["return"] for row in r[:milestones]] for r in results],
            "tested": [[row["tested"] for row in r[:milestones]] for r in results],
        }
    write(
        "policy_gradient_pendulum",
        {"env": ENV, "learners": data},
        config={"steps": steps, "scale": SCALE, **{n: asdict(CONFIGS[n]) for n in names}},
        finished=done,
        options=options,
    )
    for name, learner in data.items():
        means = np.array(learner["tested"], dtype=float).mean(axis=0)
        print(f"{name:5}", *(f"{value:7.0f}" for value in means))


if __name__ == "__main__":
    main()
