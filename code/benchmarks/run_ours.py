"""One run of this package's PPO, in a process of its own; prints its record as JSON.

python code/benchmarks/run_ours.py cartpole 100
"""

from __future__ import annotations

import json
import sys
from time import process_time
from typing import Any

import gymnasium
import torch

from anatomy.algorithms.ppo import judge, make_optimizer, update
from anatomy.envs import Actors, evaluate_policy
from anatomy.models.actor_critic import ActorCritic, CategoricalActorCritic, GaussianActorCritic
from anatomy.runtime import initial_weights, make_generator
from tasks import EPISODES, TASKS, Task


def make_policy(actors: Actors, seed: int) -> ActorCritic:
    """The 64–64 tanh networks that the peer has too."""
    size = actors.envs.single_observation_space.shape[0]
    space = actors.envs.single_action_space
    with initial_weights(seed):
        if isinstance(space, gymnasium.spaces.Discrete):
            return CategoricalActorCritic(size, int(space.n))
        return GaussianActorCritic(size, space.shape[0])


def train(task: Task, seed: int, budget: int) -> tuple[ActorCritic, dict[str, Any]]:
    """Algorithm 1 with a stopwatch: CPU seconds from making the environments on."""
    config, began = task.config, process_time()
    spent = {"acting": 0.0, "advantages": 0.0, "updating": 0.0}
    curve = []  # CPU seconds, steps, mean of the last 100 returns

    actors = Actors(task.env, task.actors, seed=seed, reward_scale=task.reward_scale)
    policy = make_policy(actors, seed)
    optimizer = make_optimizer(policy, config)
    generator = make_generator(seed)
    while actors.steps < budget:
        left = max(1 - actors.steps / task.anneal, 0.02)
        optimizer.param_groups[0]["lr"] = config.learning_rate * left
        clock = [process_time()]
        rollout = actors.run(policy, config.steps, generator)
        clock.append(process_time())
        batch = judge(rollout, config).flatten()
        clock.append(process_time())
        update(policy, optimizer, batch, config, generator)
        clock.append(process_time())

        for name, start, end in zip(spent, clock, clock[1:], strict=False):
            spent[name] += end - start
        curve.append((clock[-1] - began, actors.steps, actors.recent_return(EPISODES)))
        if task.stop_at_goal and curve[-1][2] >= task.goal:
            break
    return policy, {"curve": curve, "spent": spent}


def main() -> None:
    name, seed = sys.argv[1], int(sys.argv[2])
    task = TASKS[name]
    torch.set_num_threads(1)
    train(task, seed=0, budget=1)  # first use imports and allocates; neither side is charged
    policy, record = train(task, seed, task.budget)
    final = evaluate_policy(
        policy, task.env, episodes=task.evaluation_episodes, seed=1_000_000 + seed
    )
    print(json.dumps(record | {"greedy": final.tolist()}))


if __name__ == "__main__":
    main()
