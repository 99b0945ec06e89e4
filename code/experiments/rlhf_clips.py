"""Christiano et al. (2017) on CartPole: how many comparisons, which ones, and when they are asked.

PPO learns to balance without ever seeing a reward. An ensemble of three reward models is
fitted to comparisons of half-second clips, and pays for every step. A scripted labeller prefers the
clip with the higher true return, and throws a coin in one of ten cases. The world hides its
ends (`envs.endless`), so that nothing but the comparisons says what is wanted. "offline" asks
all questions about the untrained policy and never again.

    python code/experiments/rlhf_clips.py
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from anatomy.algorithms.ppo import PPOConfig, judge, make_optimizer, update
from anatomy.envs import Actors, evaluate_policy
from anatomy.envs.endless import EndlessCartPole
from anatomy.rlhf.clips import (
    Clips,
    Comparisons,
    RewardEnsemble,
    choose_pairs,
    cut,
    fit,
    join,
    labels_due,
    scripted_answers,
)
from anatomy.runtime import make_generator
from multiseed import arguments, make_policy, run_all, write

LABELS = (50, 100, 200, 400, 700)
SEEDS = tuple(range(300, 306))  # not those that the settings were chosen with
SCALE = (2.4, 2.0, 0.21, 2.0)  # usual size of x, ẋ, θ, θ̇
CONFIG = PPOConfig(steps=50, gamma=0.98, entropy_coef=0.01)
EPISODE = 500  # steps of an episode in which a policy is measured


@dataclass(frozen=True)
class Run:
    """One training. Without labels, PPO sees the true reward."""

    seed: int
    labels: int
    query: str = "disagreement"  # or "random"
    when: str = "online"  # or "offline"
    mistakes: float = 0.1
    clip: int = 25  # steps
    iterations: int = 60
    fit_steps: int = 10  # after every batch of answers; ten times as many after the first
    hidden: int = 32
    reward_rate: float = 2e-3
    measured: int = 15  # every so many iterations


def learn(run: Run) -> dict[str, Any]:
    """Train one policy; what it is worth, and what its reward model believes, on the way."""
    generator = make_generator(run.seed)
    actors = Actors(EndlessCartPole(32), seed=run.seed)
    policy = make_policy(actors, run.seed)
    optimizer = make_optimizer(policy, CONFIG)
    ensemble = RewardEnsemble(SCALE, choices=2, hidden=run.hidden, seed=run.seed)
    reward_optimizer = torch.optim.AdamW(
        ensemble.parameters(), lr=run.reward_rate, weight_decay=0.01
    )
    answers: list[Comparisons] = []
    asked, unit, rows = 0, (torch.zeros(3), torch.ones(3)), []
    for iteration in range(run.iterations):
        rollout = actors.run(policy, CONFIG.steps, generator)
        due = run.labels
        if run.when == "online":
            due = labels_due(run.labels, iteration, run.iterations)
        if due > asked:
            clips = cut(rollout, run.clip)
            by_doubt = run.query == "disagreement" and bool(answers)
            pairs = choose_pairs(
                ensemble,
                clips,
                due - asked,
                candidates=10 if by_doubt else 1,
                generator=generator,
            )
            first, second = clips[pairs[:, 0]], clips[pairs[:, 1]]
            said = scripted_answers(
                first.returns, second.returns, mistakes=run.mistakes, generator=generator
            )
            answers.append(Comparisons(first, second, said))
            steps = run.fit_steps * (1 if iteration else 10)
            if run.when == "offline":
                steps = run.fit_steps * (run.iterations + 9)  # as many as online, all at once
            fit(ensemble, reward_optimizer, join(answers), steps=steps, generator=generator)
            asked = due
        if iteration == 0:
            unit = spread(ensemble, rollout.observations, rollout.actions)
        if iteration % run.measured == 0:
            rows.append(measure(policy, ensemble, unit, run))
        if run.labels:
            paid = ensemble.rewards(rollout.observations, rollout.actions)
            rollout = replace(rollout, rewards=paid)
        update(policy, optimizer, judge(rollout, CONFIG).flatten(), CONFIG, generator)
    rows.append(measure(policy, ensemble, unit, run))
    steps = evaluate_policy(policy, "CartPole-v1", episodes=64, seed=run.seed, greedy=False)
    return {
        "cartpole": float(steps.mean()),
        "labels": asked,
        "ties": tie_share(answers),
        **{name: [row[name] for row in rows] for name in rows[0]},
    }


@torch.no_grad()
def spread(ensemble: RewardEnsemble, observations: Tensor, actions: Tensor) -> tuple[Tensor, ...]:
    """Each member's mean and deviation over what was seen: a fixed zero and unit."""
    each = ensemble(observations, actions).flatten(1)
    return each.mean(dim=1), each.std(dim=1)


def tie_share(answers: list[Comparisons]) -> float:
    """Share of questions to which the answer was "equal"."""
    return float((join(answers).target == 0.5).float().mean()) if answers else 0.0


@torch.no_grad()
def measure(
    policy: Any, ensemble: RewardEnsemble, unit: tuple[Tensor, ...], run: Run
) -> dict[str, float]:
    """32 fresh episodes of 500 steps: true and predicted return, falls, place; and accuracy."""
    actors = Actors(EndlessCartPole(32, max_episode_steps=EPISODE), seed=run.seed + 1_000)
    generator = make_generator(run.seed + 1_000)
    rollout = actors.run(policy, EPISODE, generator)
    mean, deviation = (part[:, None, None] for part in unit)
    each = ensemble(rollout.observations, rollout.actions)
    predicted = ((each - mean) / deviation).mean(dim=0)
    return {
        "true": float(rollout.rewards.sum(dim=1).mean()),
        "predicted": float(predicted.sum(dim=1).mean()),
        "falls": float((rollout.rewards < 0).sum(dim=1).float().mean()),
        "place": float(rollout.observations[..., 0].abs().mean()),
        "lean": float(rollout.observations[..., 2].abs().rad2deg().mean()),
        "accuracy": accuracy(ensemble, cut(rollout, run.clip), generator),
    }


def accuracy(ensemble: RewardEnsemble, clips: Clips, generator: torch.Generator) -> float:
    """Of 1,000 random pairs of this policy's clips, how many does the ensemble order rightly?"""
    pairs = choose_pairs(ensemble, clips, 1_000, candidates=1, generator=generator)
    score = ensemble.scores(clips).mean(dim=0)
    truth, found = (values[pairs[:, 0]] - values[pairs[:, 1]] for values in (clips.returns, score))
    return float((truth.sign() == found.sign()).float().mean())


def kinds() -> dict[str, Run]:
    """Name → a run with seed 0; the name stands in the result."""
    asked = {"disagreement": LABELS, "random": LABELS[::2]}
    online = {
        f"{labels} {query}": Run(0, labels, query) for query in asked for labels in asked[query]
    }
    offline = {f"{labels} offline": Run(0, labels, "random", "offline") for labels in (200, 700)}
    return {"true reward": Run(0, 0), **online, **offline}


def main() -> None:
    options = arguments(__doc__.splitlines()[0], seeds=SEEDS, steps=False)
    chosen = {name: run for name, run in kinds().items() if options.only in name}
    runs = [replace(run, seed=seed) for run in chosen.values() for seed in options.seeds]
    finished = run_all("rlhf_clips", learn, runs, workers=options.workers)
    table: dict[str, Any] = {}
    for place, name in enumerate(chosen):
        rows = finished[place * len(options.seeds) : (place + 1) * len(options.seeds)]
        kept = set(rows[0]) - {"cpu_seconds", "wall_seconds"}
        table[name] = {key: [row[key] for row in rows] for key in sorted(kept)}
    example = next(iter(chosen.values()))
    data = {
        "iterations": [*range(0, example.iterations, example.measured), example.iterations],
        "steps": example.iterations * CONFIG.steps * 32,
        "runs": table,
    }
    config = {"run": asdict(example), "ppo": asdict(CONFIG), "episode": EPISODE}
    write("rlhf_clips", data, config=config, finished=finished, options=options)
    for name, found in table.items():
        last = np.array(found["true"])[:, -1]
        print(f"{name:18s} true {last.mean():6.1f}  CartPole {np.mean(found['cartpole']):6.1f}")


if __name__ == "__main__":
    main()
