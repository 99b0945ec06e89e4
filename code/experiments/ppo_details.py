"""PPO's implementation details, changed one at a time from a healthy base, ten seeds, two tasks.

The base is Table 1's row ε = 0.2 (see ppo_table1.py) with what implementations
usually add: the gradient's norm is clipped at 0.5. Pendulum gets 61,000 steps
instead of 72,000. Every other row differs from the base in the one thing that its
name says. Two scores: the mean of the learning curve over the whole run ("area")
and the mean return of the last 32 episodes ("final"). Each row is compared with
the base seed by seed; the interval is Student's for the mean of the differences.
Of 52 such intervals at 95 %, two or three will miss 0 by luck alone.

    python code/experiments/ppo_details.py       # makes anatomy/results/ppo_details.json
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from anatomy.algorithms.ppo import PPOConfig, ValueLoss, judge, make_optimizer, update
from anatomy.envs import Actors
from anatomy.estimators import gae
from anatomy.losses import clipped_value_loss, value_loss
from anatomy.runtime import make_generator
from multiseed import arguments, band, bootstrap, finite, make_policy, paired, run_all, write

ACTORS = 32
BASE = PPOConfig(steps=64, epochs=10, minibatches=4, learning_rate=5e-3, max_gradient_norm=0.5)
TASKS = {"CartPole-v1": 41_000, "anatomy/Pendulum-v1": 61_000}


@dataclass(frozen=True)
class Detail:
    """One row: the base with one thing changed."""

    name: str
    config: PPOConfig = BASE
    reward_scale: float = 0.1
    value_clip_range: float | None = None
    last_layer_gain: float = 0.01
    learning_rate_decays: bool = False
    truncation_ends: bool = False  # treat a truncation as a termination
    masks_resets: bool = True


DETAILS = (
    Detail("base"),
    Detail("advantages not normalised", replace(BASE, normalise_advantages=False)),
    Detail("value loss clipped at 0.2", value_clip_range=0.2),
    Detail("policy's last layer starts with gain 1", last_layer_gain=1.0),
    Detail("gradient norm not clipped", replace(BASE, max_gradient_norm=float("inf"))),
    Detail("learning rate falls to 0", learning_rate_decays=True),
    Detail("entropy bonus 0.01", replace(BASE, entropy_coef=0.01)),
    Detail("λ = 0", replace(BASE, gae_lambda=0.0)),
    Detail("λ = 1", replace(BASE, gae_lambda=1.0)),
    Detail("K = 1 epoch", replace(BASE, epochs=1)),
    Detail("K = 20 epochs", replace(BASE, epochs=20)),
    Detail("rewards not scaled", reward_scale=1.0),
    Detail("truncation treated as termination", truncation_ends=True),
    Detail("reset steps not masked", masks_resets=False),
)


@dataclass(frozen=True)
class Run:
    """Everything that decides a run."""

    task: str
    detail: Detail
    seed: int
    steps: int


def gae_without_truncation(
    rewards: Tensor,
    values: Tensor,
    last_values: Tensor,
    terminated: Tensor,
    truncated: Tensor,
    **discounts: float,
) -> Tensor:
    """GAE as in code that knows only `done`: a truncated episode has no future."""
    done = terminated | truncated
    return gae(rewards, values, last_values, done, torch.zeros_like(done), **discounts)


def train(run: Run) -> dict[str, Any]:
    """One run: Algorithm 1 with the row's change."""
    detail, config = run.detail, run.detail.config
    actors = Actors(run.task, ACTORS, seed=run.seed, reward_scale=detail.reward_scale)
    policy = make_policy(actors, run.seed)
    with torch.no_grad():
        last: nn.Linear = policy.actor[-1]  # type: ignore[assignment]
        last.weight.mul_(detail.last_layer_gain / 0.01)
    optimizer = make_optimizer(policy, config)
    generator = make_generator(run.seed)
    loss: ValueLoss = value_loss
    if detail.value_clip_range is not None:
        loss = partial(clipped_value_loss, clip_range=detail.value_clip_range)
    advantage_fn = gae_without_truncation if detail.truncation_ends else gae

    rows: list[dict[str, Any]] = []
    while actors.steps < run.steps:
        if detail.learning_rate_decays:
            optimizer.param_groups[0]["lr"] = config.learning_rate * (1 - actors.steps / run.steps)
        rollout = actors.run(policy, config.steps, generator)
        if not detail.masks_resets:
            rollout = replace(rollout, mask=torch.ones_like(rollout.mask))
        batch = judge(rollout, config, advantage_fn=advantage_fn).flatten()
        stats = update(policy, optimizer, batch, config, generator, value_loss=loss)
        returns = actors.episode_returns[-ACTORS:]
        rows.append(
            {"steps": actors.steps, "return": np.mean(returns) if returns else None} | stats
        )

    seen = [row["return"] for row in rows if row["return"] is not None]
    if not seen:
        raise ValueError(f"no episode of {run.task} ended within {run.steps} steps: allow more")
    half = rows[len(rows) // 2 :]
    return {
        "area": float(np.mean(seen)),
        "final": float(seen[-1]),
        "curve": [[row["steps"], finite(row["return"])] for row in rows],
        "kl": finite(float(np.mean([row["kl"] for row in half]))),
        "clip_fraction": finite(float(np.mean([row["clip_fraction"] for row in half]))),
        "explained_variance": finite(float(np.median([r["explained_variance"] for r in half]))),
    }


def main(argv: Sequence[str] | None = None) -> None:
    options = arguments(__doc__.splitlines()[0], argv)
    details = [d for d in DETAILS if d.name == "base" or options.only in d.name]
    budgets = {task: options.steps or steps for task, steps in TASKS.items()}
    runs = [
        Run(task, detail, seed, budgets[task])
        for task in TASKS
        for detail in details
        for seed in options.seeds
    ]
    done = run_all("ppo_details", train, runs, workers=options.workers)

    tasks: dict[str, dict[str, Any]] = {}
    for task in TASKS:
        cells: dict[str, dict[str, Any]] = {}
        for detail in details:
            results = [
                result
                for run, result in zip(runs, done, strict=True)
                if run.task == task and run.detail == detail
            ]
            curve = band([[point[1] for point in result["curve"]] for result in results])
            steps = [results[0]["curve"][i][0] for i in curve.pop("index")]
            cell: dict[str, Any] = {"curve": {"steps": steps} | curve}
            for score in ("area", "final"):
                cell[f"{score}s"] = [result[score] for result in results]
                cell[score] = bootstrap(cell[f"{score}s"])
            for name in ("kl", "clip_fraction", "explained_variance"):
                cell[name] = [result[name] for result in results]
            cells[detail.name] = cell
        for cell in cells.values():
            for score in ("area", "final"):
                cell[f"{score}_minus_base"] = paired(cell[f"{score}s"], cells["base"][f"{score}s"])
        tasks[task] = {"steps": budgets[task], "rows": cells}

    write(
        "ppo_details",
        {"rows": [detail.name for detail in details], "tasks": tasks},
        config={"actors": ACTORS, "reward_scale": 0.1, "steps": budgets, "ppo": asdict(BASE)},
        finished=done,
        options=options,
    )
    for task in TASKS:
        print(task)
        for name, cell in tasks[task]["rows"].items():
            area, final = cell["area_minus_base"], cell["final_minus_base"]
            print(
                f"  {name:40} area {area['mean']:7.1f} [{area['low']:7.1f}, {area['high']:7.1f}]"
                f"   final {final['mean']:7.1f} [{final['low']:7.1f}, {final['high']:7.1f}]"
            )


if __name__ == "__main__":
    main()
