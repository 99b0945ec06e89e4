"""How often may one batch be used? One batch of CartPole, 1 to 32 passes, three losses, many seeds.

A policy is trained by PPO for a while, `young` or `half-trained`. Then it collects
one batch, and copies of it go over that batch again and again: with the unguarded
surrogate, with the KL penalty, with the clip. After 1, 2, 4, … passes each copy is
measured by what no batch can tell it: its true return, on fresh episodes.

    python code/experiments/ppo_one_batch.py
"""

from __future__ import annotations

import argparse
import copy
import os
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, replace
from functools import partial
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch

from anatomy.algorithms.ppo import PPOConfig, judge, make_optimizer, update
from anatomy.envs import Actors, evaluate_policy
from anatomy.estimators import k3
from anatomy.losses import clipped_surrogate, kl_penalised_surrogate, surrogate
from anatomy.models.actor_critic import ActorCritic, CategoricalActorCritic
from anatomy.reporting import progress, receipt, write_result
from anatomy.rollout import Batch
from anatomy.runtime import initial_weights, make_generator

ENV = "CartPole-v1"
CONFIG = PPOConfig(steps=64, learning_rate=1e-3, minibatches=4, epochs=4)
ITERATIONS = {"young": 6, "half-trained": 30}  # of 32 × 64 steps before the batch is collected
PASSES = (1, 2, 4, 8, 16, 32)
EPISODES = 256  # fresh ones, for each true return
LOSSES = {
    "no guard": surrogate,
    "KL penalty": partial(kl_penalised_surrogate, kl_coef=1.0),
    "clip": partial(clipped_surrogate, clip_range=0.2),
}


def train_and_collect(seed: int, iterations: int) -> tuple[ActorCritic, Batch]:
    """Train by PPO, then return the policy and one fresh batch of its own."""
    with initial_weights(seed):
        policy = CategoricalActorCritic(4, 2)
    optimizer, generator = make_optimizer(policy, CONFIG), make_generator(seed)
    actors = Actors(ENV, 32, seed=seed)
    for _ in range(iterations):
        batch = judge(actors.run(policy, CONFIG.steps, generator), CONFIG).flatten()
        update(policy, optimizer, batch, CONFIG, generator)
    return policy, judge(actors.run(policy, CONFIG.steps, generator), CONFIG).flatten()


def measure(policy: ActorCritic, batch: Batch, seed: int) -> dict[str, float]:
    """True return, and how far the policy is from the one that collected the batch."""
    returns = evaluate_policy(policy, ENV, episodes=EPISODES, seed=seed, greedy=False)
    with torch.no_grad():
        logprobs = policy.evaluate(batch.observations, batch.actions).logprobs
    ratio = torch.exp(logprobs - batch.old_logprobs)
    return {
        "return": float(returns.mean()),
        "kl": float(k3(batch.old_logprobs, logprobs).mean()),
        "outside": float(((ratio - 1).abs() > CONFIG.clip_range).float().mean()),
        "largest_ratio": float(ratio.max()),
        "surrogate": float((ratio * batch.advantages).mean()),
    }


def reuse(seed: int) -> dict[str, Any]:
    """Every start × loss for one seed: measures after 0, 1, 2, 4, … passes."""
    torch.set_num_threads(1)
    result: dict[str, Any] = {}
    for start, iterations in ITERATIONS.items():
        parent, batch = train_and_collect(seed, iterations)
        before = measure(parent, batch, seed)
        for name, policy_loss in LOSSES.items():
            policy = copy.deepcopy(parent)
            optimizer, generator = make_optimizer(policy, CONFIG), make_generator(seed)
            rows, done = [before], 0
            for passes in PASSES:
                epochs = replace(CONFIG, epochs=passes - done)
                update(policy, optimizer, batch, epochs, generator, policy_loss=policy_loss)
                done = passes
                rows.append(measure(policy, batch, seed))
            result[f"{start} / {name}"] = {k: [round(r[k], 4) for r in rows] for k in before}
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20, help="seeds 200, 201, … (default 20)")
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    seeds = list(range(200, 200 + options.seeds))
    started = time.time()
    with ProcessPoolExecutor(options.workers) as pool:
        results = list(progress(pool.map(reuse, seeds), "one batch", total=len(seeds)))
    data = {
        "receipt": receipt(
            config={"env": ENV, "ppo": asdict(CONFIG), "iterations": ITERATIONS},
            seeds=seeds,
            wall_seconds=time.time() - started,
        ),
        "passes": [0, *PASSES],
        "runs": {
            name: {measured: [r[name][measured] for r in results] for measured in results[0][name]}
            for name in results[0]
        },
    }
    print(write_result("ppo_one_batch", data))


if __name__ == "__main__":
    main()
