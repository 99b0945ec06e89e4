"""Why A2C falls on CartPole: because of the length of its steps, or because of its critic?

Three learners that differ in one thing each, ten seeds, 100,000 steps. A2C as in the comparison
of families; A2C with half the learning rate; A2C whose critic makes twenty regression steps
on each batch instead of one, while the policy makes one as before. For each fifth of a run
the critic's mean value is recorded, and how much of the returns' variance it explains.

    python code/experiments/policy_gradient_critic.py
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
from multiseed import arguments, bootstrap, run_all, write

ENV, STEPS, EVERY = "CartPole-v1", 100_000, 10_000
VARIANTS = {  # configuration, and how many steps the critic makes alone
    "A2C": (A2C, 0),
    "half the learning rate": (replace(A2C, learning_rate=A2C.learning_rate / 2), 0),
    "20 steps for the critic": (A2C, 19),
}


@dataclass(frozen=True)
class Run:
    """Everything that decides a run."""

    config: PPOConfig
    critic_steps: int
    seed: int
    steps: int


def train(run: Run) -> dict[str, Any]:
    return learn_policy(
        ENV,
        run.config,
        seed=run.seed,
        steps=run.steps,
        watch=Watch(ENV, min(EVERY, run.steps), run.seed),
        critic_steps=run.critic_steps,
        policy_loss=policy_gradient_loss,
    )


def main(argv: Sequence[str] | None = None) -> None:
    options = arguments(__doc__.splitlines()[0], argv)
    names = [name for name in VARIANTS if options.only in name]
    steps = options.steps or STEPS
    runs = [Run(*VARIANTS[name], seed, steps) for name in names for seed in options.seeds]
    done = run_all("policy_gradient_critic", train, runs, workers=options.workers)
    data: dict[str, Any] = {}
    for i, name in enumerate(names):
        results = done[i * len(options.seeds) : (i + 1) * len(options.seeds)]
        data[name] = {
            "steps": [EVERY * (i + 1) for i in range(len(results[0]["rows"]))],
            "training": [[row["return"] for row in r["rows"]] for r in results],
            "tested": [[row["tested"] for row in r["rows"]] for r in results],
            "explained_variance": [r["explained_variance"] for r in results],
            "value": [r["value"] for r in results],
        }
    write(
        "policy_gradient_critic",
        {"env": ENV, "learners": data},
        config={"steps": steps}
        | {name: asdict(VARIANTS[name][0]) | {"critic_steps": VARIANTS[name][1]} for name in names},
        finished=done,
        options=options,
    )
    for name, learner in data.items():
        last = bootstrap([curve[-1] for curve in learner["tested"]])
        explained = np.nanmean(np.array(learner["explained_variance"], dtype=float), axis=0)
        print(
            f"{name:25} tested at the end {last['mean']:.0f} "
            f"[{last['low']:.0f}, {last['high']:.0f}], explained variance {explained.round(2)}"
        )


if __name__ == "__main__":
    main()
