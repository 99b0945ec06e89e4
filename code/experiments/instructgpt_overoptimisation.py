"""Too much of a good thing: optimise a weak reward model, and watch the gold score.

The reward model is deliberately weak: no surprise, and few comparisons. Best-of-n and PPO
climb it from the same SFT model; what it says (the proxy) goes up, what the answers are worth
(gold) goes up and comes down. Against d = √KL, Gao et al. (2022) found R_bon = d(α − βd) and
R_RL = d(α − β log d), and that a KL penalty in PPO moves a run along the curve like early
stopping, and not the curve. Both are put to the test.

    python code/experiments/instructgpt_overoptimisation.py
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from scipy.optimize import lsq_linear

from anatomy.models.gpt import GPT
from anatomy.rlhf.best_of_n import expected_best, kl_bound
from anatomy.rlhf.comparisons import rank
from anatomy.rlhf.measures import measure, scored
from anatomy.rlhf.reinforcement import PPO
from anatomy.rlhf.reward_model import RewardModel
from anatomy.rlhf.watching import KLExplosion
from anatomy.runtime import make_generator
from anatomy.tinyweb import Task, World, tokenizer_of
from instructgpt import recipe_of, trained, with_gold
from instructgpt_rewards import accuracies, scores
from instructgpt_summary import over_seeds
from multiseed import SEEDS, arguments, band, run_all, write

NAME = "instructgpt_overoptimisation"
FINAL = SEEDS[:5]
PROMPTS = 1000  # comparisons that the weak reward model learns from
ITERATIONS = 120
LEARNING_RATE = 4e-4  # slower than the recipe's: the way up and down is what counts
BETAS = (0.0, 0.2)
SAMPLES = 64  # of best-of-n
ASKED = 150  # prompts of best-of-n
NS = (1, 2, 4, 8, 16, 32, 64)
WINDOW = 5  # iterations that are averaged


@dataclass(frozen=True)
class Run:
    """PPO on the weak reward model at one β; with `best_of_n` the choice among samples instead."""

    recipe: PPO
    best_of_n: bool = False


def weak(seed: int, kl_coef: float) -> PPO:
    """PPO on a reward model that has seen too little."""
    recipe = recipe_of(
        seed, ptx_coef=0.0, kl_coef=kl_coef, iterations=ITERATIONS, learning_rate=LEARNING_RATE
    )
    return replace(recipe, reward=replace(recipe.reward, surprise=False, prompts=PROMPTS))


def best_of(
    policy: GPT, reward: RewardModel, world: World, tasks: Sequence[Task], seed: int
) -> dict[str, Any]:
    """Proxy and gold of the best of n, from 64 answers to each prompt."""
    measured = measure(policy, world, tasks, generator=make_generator(seed), samples=SAMPLES)
    with torch.no_grad():
        proxy = scored(reward, measured, tokenizer_of(world))
    pairs = [expected_best(proxy, measured.gold, n) for n in NS]
    return {
        "kl": [kl_bound(n) for n in NS],
        "proxy": [float(p) for p, _ in pairs],
        "gold": [float(g) for _, g in pairs],
    }


def measure_run(run: Run) -> dict[str, Any]:
    """Train the weak reward model, then climb it."""
    torch.set_num_threads(1)
    recipe = run.recipe
    world = recipe.sft.base.world
    base, _, _ = trained(recipe.sft.base)
    sft, _, _ = trained(recipe.sft, base)
    reward, _, _ = trained(recipe.reward, sft)
    if run.best_of_n:
        asked = world.tasks("train", 30_000, unpublished=recipe.unpublished)
        tasks = [next(asked) for _ in range(ASKED)]
        ranked = rank(sft, world, tasks, answers=4, seed=9_000)
        return best_of(sft, reward, world, tasks, recipe.seed) | {
            "accuracy": accuracies(scores(reward, ranked, world), ranked)
        }
    actor = recipe.build()
    history: list[dict[str, float]] = []
    try:
        for record in with_gold(recipe)(actor, recipe.begin(actor, sft, reward)):
            history.append(record)
    except KLExplosion:
        pass  # what was recorded until then is the result
    names = {"kl": "kl to reference", "proxy": "score", "gold": "gold", "length": "length"}
    return {name: smooth([h[key] for h in history]) for name, key in names.items()}


def smooth(values: Sequence[float]) -> list[float]:
    """Means of `WINDOW` iterations each."""
    return [
        float(np.mean(values[i : i + WINDOW])) for i in range(0, len(values) - WINDOW + 1, WINDOW)
    ]


def fit(kl: Sequence[float], gold: Sequence[float], start: float, *, rl: bool) -> dict[str, float]:
    """Least squares of Gao's curve on gold − start: α, β, and how much of the variance it explains.

    `peak at kl` is −1 where the curve has none.
    """
    d = np.sqrt(np.maximum(kl, 0.0))
    keep = d > 0.05
    d, rise = d[keep], np.asarray(gold)[keep] - start
    columns = np.stack([d, -d * np.log(d) if rl else -(d**2)], axis=1)
    found = lsq_linear(columns, rise).x
    left = rise - columns @ found
    total = float(((rise - rise.mean()) ** 2).sum())
    alpha, beta = map(float, found)
    peak = math.inf  # of d; where β or α has the wrong sign, the curve never comes down from one
    if beta > 0 and (rl or alpha > 0):
        peak = math.exp(min(alpha / beta - 1, 50)) if rl else alpha / (2 * beta)
    return {
        "alpha": alpha,
        "beta": beta,
        "explained": 1 - float((left**2).sum()) / total,
        "peak at kl": peak**2 if math.isfinite(peak) and peak < 1e3 else -1.0,
    }


def settled(run: dict[str, Any]) -> dict[str, float]:
    """Where a run ends: means over its last quarter."""
    count = max(1, len(run["kl"]) // 4)
    return {name: float(np.mean(run[name][-count:])) for name in ("kl", "proxy", "gold")}


def stopped(run: dict[str, Any], kl: float) -> dict[str, float]:
    """A run without a penalty, stopped where it is as far from the SFT model: early stopping.

    Between two windows everything is taken to change in proportion to the KL.
    """
    place = next((i for i, far in enumerate(run["kl"]) if far >= kl), None)
    if not place:  # never so far: where it ended; or already at the start
        return {name: run[name][-1 if place is None else 0] for name in ("kl", "proxy", "gold")}
    low, high = run["kl"][place - 1], run["kl"][place]
    share = (kl - low) / (high - low)
    return {
        name: (1 - share) * run[name][place - 1] + share * run[name][place]
        for name in ("kl", "proxy", "gold")
    }


def main() -> None:
    options = arguments(__doc__.splitlines()[0], seeds=FINAL, steps=False, only=False)
    runs = [Run(weak(seed, 0.0), best_of_n=True) for seed in options.seeds]
    runs += [Run(weak(seed, beta)) for seed in options.seeds for beta in BETAS]
    results = run_all(NAME, measure_run, runs, workers=options.workers)
    pairs = list(zip(runs, results, strict=True))
    chosen = [r for run, r in pairs if run.best_of_n]
    start = float(np.mean([r["gold"][0] for r in chosen]))
    means = {name: np.mean([r[name] for r in chosen], axis=0).tolist() for name in ("kl", "gold")}
    data: dict[str, Any] = {
        "start": start,
        "best of n": {
            "n": list(NS),
            **{name: band([r[name] for r in chosen]) for name in ("kl", "proxy", "gold")},
            "fit": fit(means["kl"], means["gold"], start, rl=False),
        },
        "accuracy": {
            name: float(np.mean([r["accuracy"][name] for r in chosen]))
            for name in chosen[0]["accuracy"]
        },
        "ppo": {},
        "window": WINDOW,
    }
    climbs = {
        beta: [r for run, r in pairs if not run.best_of_n and run.recipe.kl_coef == beta]
        for beta in BETAS
    }
    for beta, found in climbs.items():
        kl, gold = (np.concatenate([r[x] for r in found]) for x in ("kl", "gold"))
        data["ppo"][f"{beta:g}"] = {
            name: [r[name] for r in found] for name in ("kl", "proxy", "gold", "length")
        } | {"fit": fit(kl, gold, start, rl=True)}
    ends = [settled(r) for r in climbs[BETAS[1]]]
    early = [stopped(r, end["kl"]) for r, end in zip(climbs[BETAS[0]], ends, strict=True)]
    data["penalty and early stopping"] = {
        name: {
            "penalty": over_seeds([end[name] for end in ends]),
            "stopped": over_seeds([stop[name] for stop in early]),
        }
        for name in ("kl", "proxy", "gold")
    }
    write(NAME, data, config=runs[0].recipe, finished=results, options=options)


if __name__ == "__main__":
    main()
