"""Eleven surrogate objectives, three tasks, ten seeds: the shape of the PPO paper's Table 1.

Schulman et al. (2017), section 6.1, compare no clipping or penalty, three clip
ranges, three targets of the adaptive KL penalty and four fixed KL penalties on
seven MuJoCo tasks with three seeds of a million steps. Here the tasks are
CartPole, Acrobot and Pendulum. Everything but the objective is the same in every
row and as in the paper where that is cheap: 2048 steps a rollout, K = 10 epochs,
γ = 0.99, λ = 0.95, no entropy bonus, no clipping of the gradient's norm.
Minibatches hold 512 steps and the learning rate is 5e-3, so that a rollout is
answered by 40 large steps of Adam instead of the paper's 320 small ones
(40 · 5e-3 = 0.2 against 320 · 3e-4 = 0.1). Rewards are multiplied by 0.1.
These numbers and the budgets were chosen with ε = 0.2 on seeds 0 to 3; the rows
were then run once, on seeds 100 to 109.

Score of a run, as in the paper: mean return of the last 100 training episodes,
scaled per task so that the untrained policy has 0 and the best row's mean 1;
then the mean over tasks and seeds. Interval: 95 % bootstrap over seeds within tasks.

Three more tables explain it. "epochs" turns one more knob, the number of epochs K,
with and without the clip, on Pendulum. "caution" asks on the same task whether a
smaller learning rate or a clipped gradient norm can stand in for the clip.
"patience" gives the strongest penalty, β = 10, four times the steps on CartPole and
Acrobot: is it worse, or only slower?

    python code/experiments/ppo_table1.py        # makes anatomy/results/ppo_table1.json
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch

from anatomy.algorithms.ppo import PolicyLoss, PPOConfig, judge, make_optimizer, update
from anatomy.envs import Actors
from anatomy.estimators import k3
from anatomy.losses import adapt_kl_coef, clipped_surrogate, kl_penalised_surrogate, surrogate
from anatomy.masking import masked_mean
from anatomy.models.actor_critic import Policy
from anatomy.rollout import Batch
from anatomy.runtime import make_generator
from multiseed import (
    arguments,
    band,
    bootstrap,
    finite,
    is_finite,
    make_policy,
    paired,
    run_all,
    write,
)

ACTORS = 32
REWARD_SCALE = 0.1
CONFIG = PPOConfig(
    steps=64, epochs=10, minibatches=4, learning_rate=5e-3, max_gradient_norm=float("inf")
)
TASKS = {"CartPole-v1": 41_000, "anatomy/Acrobot-v1": 31_000, "anatomy/Pendulum-v1": 72_000}
EPOCHS_TASK = "anatomy/Pendulum-v1"
EPOCHS = (1, 3, 10, 30)
CAUTION = {
    "learning rate 1e-3": replace(CONFIG, learning_rate=1e-3),
    "gradient norm clipped at 0.5": replace(CONFIG, max_gradient_norm=0.5),
}
PATIENCE_TASKS = ("CartPole-v1", "anatomy/Acrobot-v1")
PATIENCE = 4  # times the steps


@dataclass(frozen=True)
class Objective:
    """One row of the table: what bounds the step."""

    name: str
    paper: float  # its score in the paper's Table 1
    clip_range: float | None = None  # ε
    kl_coef: float | None = None  # λ_KL, the paper's β; the first one where it adapts
    kl_target: float | None = None  # d_targ

    def loss(self, kl_coef: float | None) -> PolicyLoss:
        if self.clip_range is not None:
            return partial(clipped_surrogate, clip_range=self.clip_range)
        if kl_coef is not None:
            return partial(kl_penalised_surrogate, kl_coef=kl_coef)
        return surrogate


OBJECTIVES = (
    Objective("no clipping or penalty", -0.39),
    Objective("clip, ε = 0.1", 0.76, clip_range=0.1),
    Objective("clip, ε = 0.2", 0.82, clip_range=0.2),
    Objective("clip, ε = 0.3", 0.70, clip_range=0.3),
    Objective("adaptive KL, d = 0.003", 0.68, kl_coef=1.0, kl_target=0.003),
    Objective("adaptive KL, d = 0.01", 0.74, kl_coef=1.0, kl_target=0.01),
    Objective("adaptive KL, d = 0.03", 0.71, kl_coef=1.0, kl_target=0.03),
    Objective("fixed KL, β = 0.3", 0.62, kl_coef=0.3),
    Objective("fixed KL, β = 1", 0.71, kl_coef=1.0),
    Objective("fixed KL, β = 3", 0.72, kl_coef=3.0),
    Objective("fixed KL, β = 10", 0.69, kl_coef=10.0),
)
NONE, CLIP, STRONGEST = OBJECTIVES[0], OBJECTIVES[2], OBJECTIVES[-1]


@dataclass(frozen=True)
class Run:
    """Everything that decides a run."""

    task: str
    objective: Objective
    seed: int
    steps: int
    config: PPOConfig = CONFIG


def train(run: Run) -> dict[str, Any]:
    """One run: Algorithm 1 with the row's objective."""
    config, kl_coef = run.config, run.objective.kl_coef
    actors = Actors(run.task, ACTORS, seed=run.seed, reward_scale=REWARD_SCALE)
    policy = make_policy(actors, run.seed)
    optimizer = make_optimizer(policy, config)
    generator = make_generator(run.seed)
    rows, stopped = [], 0
    while actors.steps < run.steps:
        batch = judge(actors.run(policy, config.steps, generator), config).flatten()
        try:
            policy_loss = run.objective.loss(kl_coef)
            update(policy, optimizer, batch, config, generator, policy_loss=policy_loss)
        except FloatingPointError:  # an infinite ratio: the rest of this update is skipped
            stopped += 1
        moved = distance(policy, batch)
        if kl_coef is not None and run.objective.kl_target is not None:
            kl_coef = adapt_kl_coef(kl_coef, moved["kl"], target=run.objective.kl_target)
        returns = actors.episode_returns[-ACTORS:]
        rows.append(
            {
                "steps": actors.steps,
                "return": float(np.mean(returns)) if returns else None,
                "kl_coef": kl_coef,
                **moved,
            }
        )
    if not actors.episode_returns:
        raise ValueError(f"no episode of {run.task} ended within {run.steps} steps: allow more")
    return {
        "score": float(np.mean(actors.episode_returns[-100:])),
        "last_return": rows[-1]["return"],  # over the last 32 episodes, one per actor
        "curve": [[row["steps"], row["return"]] for row in rows],
        "kl": median_of_last_half(rows, "kl"),
        "outside": median_of_last_half(rows, "outside"),
        "entropy": finite(rows[-1]["entropy"]),
        "kl_coef": rows[-1]["kl_coef"],
        "stopped_updates": stopped,
        "finite": is_finite(policy),
    }


@torch.no_grad()
def distance(policy: Policy, batch: Batch) -> dict[str, float]:
    """How far the update has moved the policy, on the steps that it learned from.

    "kl" is KL[π_old‖π_θ] by k3, "outside" the share of ratios beyond [0.8, 1.2].
    """
    logprobs, _, entropy = policy.evaluate(batch.observations, batch.actions)
    ratio = torch.exp(logprobs - batch.old_logprobs)
    return {
        "kl": masked_mean(k3(batch.old_logprobs, logprobs), batch.mask).item(),
        "outside": masked_mean(((ratio - 1).abs() > 0.2).float(), batch.mask).item(),
        "entropy": masked_mean(entropy, batch.mask).item(),
    }


def median_of_last_half(rows: list[dict[str, Any]], name: str) -> float | None:
    return finite(float(np.median([row[name] for row in rows[len(rows) // 2 :]])))


def untrained(run: Run) -> dict[str, Any]:
    """Mean return of at least 100 episodes of a policy that has learned nothing."""
    actors = Actors(run.task, ACTORS, seed=run.seed)
    policy, generator = make_policy(actors, run.seed), make_generator(run.seed)
    while len(actors.episode_returns) < 100 and actors.steps < run.steps:
        actors.run(policy, 500, generator)
    return {"score": float(np.mean(actors.episode_returns))}


def summarise(results: list[dict[str, Any]]) -> dict[str, Any]:
    """One cell of the table: a row on a task, over the seeds."""
    curves = band([[point[1] for point in result["curve"]] for result in results])
    steps = [results[0]["curve"][i][0] for i in curves.pop("index")]
    return {
        "scores": [result["score"] for result in results],
        "last_returns": [result["last_return"] for result in results],
        "return": bootstrap([result["score"] for result in results]),
        "kl": [result["kl"] for result in results],
        "outside": [result["outside"] for result in results],
        "entropy": [result["entropy"] for result in results],
        "kl_coef": [result["kl_coef"] for result in results],
        "stopped_updates": sum(result["stopped_updates"] for result in results),
        "curve": {"steps": steps} | curves,
    }


def scale(scores: Sequence[float], *, zero: float, one: float) -> list[float]:
    """Scores on the line where the untrained policy has 0 and the best row's mean 1."""
    span = (one - zero) or 1.0  # a tiny budget may leave every row where it began
    return [(score - zero) / span for score in scores]


def main(argv: Sequence[str] | None = None) -> None:
    options = arguments(__doc__.splitlines()[0], argv)
    objectives = [row for row in OBJECTIVES if options.only in row.name]
    budgets = {task: options.steps or steps for task, steps in TASKS.items()}

    def run(task: str, objective: Objective, config: PPOConfig = CONFIG) -> list[Run]:
        return [Run(task, objective, seed, budgets[task], config) for seed in options.seeds]

    grid = {(task, row.name): run(task, row) for row in objectives for task in TASKS}
    epochs = {
        (row.name, k): run(EPOCHS_TASK, row, replace(CONFIG, epochs=k))
        for row in (NONE, CLIP)
        if row in objectives
        for k in EPOCHS
    }
    caution = {
        (row.name, knob): run(EPOCHS_TASK, row, config)
        for row in (NONE, CLIP)
        if row in objectives
        for knob, config in CAUTION.items()
    }
    patience = {
        task: [replace(r, steps=PATIENCE * r.steps) for r in run(task, STRONGEST)]
        for task in PATIENCE_TASKS
        if STRONGEST in objectives
    }
    done: dict[Run, dict[str, Any]] = {}
    for part in (grid, epochs, caution, patience):
        wanted = [r for runs in part.values() for r in runs if r not in done]
        finished = run_all("ppo_table1", train, wanted, workers=options.workers)
        done |= dict(zip(wanted, finished, strict=True))
    chance = [Run(task, NONE, seed, 200_000) for task in TASKS for seed in options.seeds]
    floor = run_all("ppo_table1_untrained", untrained, chance, workers=options.workers)

    tasks: dict[str, dict[str, Any]] = {}
    for task in TASKS:
        cells = {row.name: summarise([done[r] for r in grid[task, row.name]]) for row in objectives}
        zero = float(
            np.mean([f["score"] for f, r in zip(floor, chance, strict=True) if r.task == task])
        )
        one = max(cell["return"]["mean"] for cell in cells.values())
        for cell in cells.values():
            cell["scaled"] = scale(cell["scores"], zero=zero, one=one)
        tasks[task] = {"steps": budgets[task], "untrained": zero, "best": one, "rows": cells}

    def scaled(name: str) -> list[list[float]]:
        return [tasks[task]["rows"][name]["scaled"] for task in TASKS]

    def by_seed(name: str) -> np.ndarray:
        return np.mean(scaled(name), axis=0)

    table: list[dict[str, Any]] = [
        {"name": row.name, "paper": row.paper, "score": bootstrap(*scaled(row.name))}
        | (
            {"minus_clip": paired(by_seed(row.name), by_seed(CLIP.name))}
            if CLIP in objectives
            else {}
        )
        for row in objectives
    ]
    by_epochs = [
        {"name": name, "epochs": k} | summarise([done[r] for r in runs])
        for (name, k), runs in epochs.items()
    ]
    by_caution = [
        {"name": name, "knob": knob} | summarise([done[r] for r in runs])
        for (name, knob), runs in caution.items()
    ]
    longer = [
        {"task": task, "name": STRONGEST.name, "steps": runs[0].steps}
        | summarise([done[r] for r in runs])
        for task, runs in patience.items()
    ]
    write(
        "ppo_table1",
        {
            "table": table,
            "tasks": tasks,
            "epochs": {"task": EPOCHS_TASK, "rows": by_epochs},
            "caution": {"task": EPOCHS_TASK, "rows": by_caution},
            "patience": longer,
        },
        config={"actors": ACTORS, "reward_scale": REWARD_SCALE, "steps": budgets}
        | {"ppo": {**vars(CONFIG), "max_gradient_norm": "inf"}},
        finished=list(done.values()) + floor,
        options=options,
    )
    for line in table:
        score = line["score"]
        print(
            f"{line['name']:24} {score['mean']:6.2f} [{score['low']:5.2f}, {score['high']:5.2f}]"
            f"   paper {line['paper']:5.2f}"
        )


if __name__ == "__main__":
    main()
