"""One run of Stable-Baselines3's PPO, in a process of its own; prints its record as JSON.

python code/benchmarks/run_peer.py cartpole 100
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator
from time import process_time
from typing import Any

import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from torch import Tensor

from anatomy.envs import evaluate_policy
from tasks import EPISODES, TASKS, Task


class Stopwatch(BaseCallback):
    """Looks once per rollout, as our loop does; a look at every step would slow the peer down."""

    def __init__(self, task: Task, began: float) -> None:
        super().__init__()
        self.task, self.began = task, began
        self.curve: list[tuple[float, int, float]] = []
        self.spent = {"acting": 0.0, "updating": 0.0}
        self.mark = began
        self.finished = False

    def _on_rollout_start(self) -> None:
        now = process_time()
        if self.num_timesteps:  # an update lies behind us
            self.spent["updating"] += now - self.mark
            self.look(now)
        self.mark = now

    def _on_rollout_end(self) -> None:  # acting here includes the advantages
        now = process_time()
        self.spent["acting"] += now - self.mark
        self.mark = now

    def _on_training_end(self) -> None:
        if self.curve and self.curve[-1][1] == self.num_timesteps:
            return
        if self.finished:  # stopped by the step after the goal was seen
            return
        now = process_time()
        self.spent["updating"] += now - self.mark
        self.look(now)

    def _on_step(self) -> bool:
        return not self.finished

    def look(self, now: float) -> None:
        episodes = self.model.ep_info_buffer
        full = len(episodes) >= EPISODES
        mean = float(np.mean([e["r"] for e in episodes])) if full else math.nan
        self.curve.append((now - self.began, self.num_timesteps, mean))
        self.finished = self.task.stop_at_goal and mean >= self.task.goal


class Greedy:
    """Stable-Baselines3's model with the two methods that our `evaluate_policy` calls."""

    def __init__(self, model: PPO) -> None:
        self.model = model

    def parameters(self) -> Iterator[torch.nn.Parameter]:
        return self.model.policy.parameters()

    def greedy(self, observations: Tensor) -> Tensor:
        actions, _ = self.model.predict(observations.numpy(), deterministic=True)
        return torch.as_tensor(actions)


def resolve(settings: dict[str, Any]) -> dict[str, Any]:
    """Turn rl-zoo's "lin_0.001" into the schedule that it stands for."""

    def linear(start: float) -> Any:
        return lambda left: start * left

    return {
        name: linear(float(value.removeprefix("lin_"))) if isinstance(value, str) else value
        for name, value in settings.items()
    }


def train(task: Task, seed: int, budget: int) -> tuple[PPO, dict[str, Any]]:
    """CPU seconds from making the environments on, as on our side."""
    began = process_time()
    stopwatch = Stopwatch(task, began)
    envs = make_vec_env(task.peer_env, n_envs=task.peer_actors, seed=seed)
    settings = resolve(task.peer_settings)
    model = PPO("MlpPolicy", envs, seed=seed, device="cpu", **settings)
    model.learn(budget, callback=stopwatch)
    return model, {"curve": stopwatch.curve, "spent": stopwatch.spent}


def main() -> None:
    name, seed = sys.argv[1], int(sys.argv[2])
    task = TASKS[name]
    torch.set_num_threads(1)
    train(task, seed=0, budget=1)  # first use imports and allocates; neither side is charged
    model, record = train(task, seed, task.peer_budget)
    final = evaluate_policy(
        Greedy(model), task.env, episodes=task.evaluation_episodes, seed=1_000_000 + seed
    )
    print(json.dumps(record | {"greedy": final.tolist()}))


if __name__ == "__main__":
    main()
