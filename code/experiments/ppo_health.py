"""A healthy run and three sick ones, iteration by iteration, ten seeds each, on Acrobot.

Each sickness changes one thing and shows in other curves than its neighbours:

- "learning rate × 30": the first updates throw the policy far away (KL, clip
  fraction) into a corner without entropy, from which no gradient leads out;
- "40 epochs, no clip": every update goes on until it has left the data (KL), again and again;
- "critic's targets without V": the classic slip of fitting V to Â instead of
  Â + V; the policy's curves look healthy, the explained variance does not.

Recorded per iteration, as `ppo.update` reports them: KL to the policy that acted
and share of ratios beyond ε (means over the minibatches), entropy, explained
variance, norm of the gradient before clipping, and the mean return of the last
32 episodes.

    python code/experiments/ppo_health.py        # makes anatomy/results/ppo_health.json
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from torch import Tensor

from anatomy.algorithms.ppo import PPOConfig, judge, make_optimizer, update
from anatomy.envs import Actors
from anatomy.losses import clipped_surrogate, surrogate, value_loss
from anatomy.runtime import make_generator
from multiseed import arguments, band, finite, make_policy, run_all, write

TASK, STEPS = "anatomy/Acrobot-v1", 61_000
ACTORS, REWARD_SCALE = 32, 0.1
HEALTHY = PPOConfig(steps=64, epochs=4, minibatches=4, learning_rate=3e-3)
RECORDED = ("return", "kl", "clip_fraction", "entropy", "explained_variance", "gradient_norm")


@dataclass(frozen=True)
class Patient:
    """A run and what is wrong with it."""

    name: str
    config: PPOConfig = HEALTHY
    clips: bool = True
    critic_forgets_values: bool = False


PATIENTS = (
    Patient("healthy"),
    Patient("learning rate × 30", replace(HEALTHY, learning_rate=30 * HEALTHY.learning_rate)),
    Patient("40 epochs, no clip", replace(HEALTHY, epochs=40), clips=False),
    Patient("critic's targets without V", critic_forgets_values=True),
)


@dataclass(frozen=True)
class Run:
    """Everything that decides a run."""

    patient: Patient
    seed: int
    steps: int


def value_loss_to_advantages(values: Tensor, old_values: Tensor, returns: Tensor) -> Tensor:
    """½ (V_θ(s) − Â)²: the slip, because returns − V_old = Â."""
    return value_loss(values, old_values, returns - old_values)


def train(run: Run) -> dict[str, Any]:
    """One run: Algorithm 1, and everything that `update` says about it."""
    patient, config = run.patient, run.patient.config
    actors = Actors(TASK, ACTORS, seed=run.seed, reward_scale=REWARD_SCALE)
    policy = make_policy(actors, run.seed)
    optimizer = make_optimizer(policy, config)
    generator = make_generator(run.seed)

    def policy_loss(logprobs: Tensor, old_logprobs: Tensor, advantages: Tensor) -> Tensor:
        if patient.clips:
            return clipped_surrogate(
                logprobs, old_logprobs, advantages, clip_range=config.clip_range
            )
        return surrogate(logprobs, old_logprobs, advantages)

    critic_loss = value_loss_to_advantages if patient.critic_forgets_values else value_loss
    rows, stopped = [], 0
    while actors.steps < run.steps:
        batch = judge(actors.run(policy, config.steps, generator), config).flatten()
        try:
            stats = update(
                policy,
                optimizer,
                batch,
                config,
                generator,
                policy_loss=policy_loss,
                value_loss=critic_loss,
            )
        except FloatingPointError:  # an infinite ratio: this iteration has no statistics
            stats, stopped = {}, stopped + 1
        returns = actors.episode_returns[-ACTORS:]
        stats["return"] = float(np.mean(returns)) if returns else float("nan")
        rows.append(
            {"steps": actors.steps}
            | {name: finite(stats.get(name, float("nan"))) for name in RECORDED}
        )
    return {"rows": rows, "stopped_updates": stopped}


def main(argv: Sequence[str] | None = None) -> None:
    options = arguments(__doc__.splitlines()[0], argv)
    patients = [patient for patient in PATIENTS if options.only in patient.name]
    steps = options.steps or STEPS
    runs = [Run(patient, seed, steps) for patient in patients for seed in options.seeds]
    done = run_all("ppo_health", train, runs, workers=options.workers)

    data: dict[str, dict[str, Any]] = {}
    for patient in patients:
        results = [d for d, run in zip(done, runs, strict=True) if run.patient == patient]
        curves = {
            name: band([[row[name] for row in result["rows"]] for result in results])
            for name in RECORDED
        }
        index = curves["kl"]["index"]
        data[patient.name] = {
            "steps": [results[0]["rows"][i]["steps"] for i in index],
            "curves": {
                name: {key: curve[key] for key in ("mean", "low", "high")}
                for name, curve in curves.items()
            },
            "final_returns": [result["rows"][-1]["return"] for result in results],
            "stopped_updates": [result["stopped_updates"] for result in results],
        }
    write(
        "ppo_health",
        {"task": TASK, "runs": data},
        config={
            "actors": ACTORS,
            "reward_scale": REWARD_SCALE,
            "steps": steps,
            "ppo": asdict(HEALTHY),
        },
        finished=done,
        options=options,
    )
    for name, patient_data in data.items():
        print(name)
        for curve_name, curve in patient_data["curves"].items():
            shown = [
                curve["mean"][i] for i in np.linspace(0, len(curve["mean"]) - 1, 7).astype(int)
            ]
            print(
                f"  {curve_name:20}",
                *(f"{v:9.4g}" if v is not None else "     none" for v in shown),
            )


if __name__ == "__main__":
    main()
