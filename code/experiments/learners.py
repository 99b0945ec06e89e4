"""The loops that chapter 4's scripts share, as its labs show them, and what they record.

Every learner counts its environment steps in the same way. Learning rates fall
linearly over the run, DQN's within `anneal` steps where that is given: to 0, and DQN's to a
twentieth, which it keeps.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from time import process_time
from typing import Any

import numpy as np
import torch
from gymnasium.vector import VectorEnv

from anatomy.algorithms.dqn import DQNConfig, copy_weights, epsilon_at, target_network, update
from anatomy.algorithms.policy_gradient import reward_to_go
from anatomy.algorithms.ppo import PPOConfig, judge, make_optimizer
from anatomy.algorithms.ppo import update as update_policy
from anatomy.algorithms.replay import Replay, Transitions, transitions
from anatomy.envs import Actors, evaluate_policy, make_envs
from anatomy.envs.episodes import play_episodes
from anatomy.estimators import gae
from anatomy.losses import policy_gradient_loss
from anatomy.models.q_network import EpsilonGreedy, QNetwork
from anatomy.rollout import Rollout
from anatomy.runtime import initial_weights, make_generator
from multiseed import finite, make_policy

GOAL = 475.0  # CartPole-v1 counts as solved; 500 is the most

Change = Callable[[Rollout, torch.Tensor], Rollout]  # rewards, after the fact
Begin = Callable[[Any], None]  # weights to begin with


@dataclass
class Watch:
    """Every `every` steps: the mean return of the last 20 episodes, and that of a test.

    `solved` keeps the step at which the mean of the last 100 training returns, and at which
    a test, first came to 475; `seconds` the CPU seconds until then, tests not charged.
    `until` names the one of the two that ends the run.
    """

    env: str
    every: int
    seed: int
    episodes: int = 16
    greedy: bool = True
    until: str = ""
    rows: list[dict[str, Any]] = field(default_factory=list)
    solved: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    began: float = field(default_factory=process_time)
    testing: float = 0.0

    def __call__(self, policy: Any, steps: int, returns: list[float]) -> bool:
        """Look at the policy; True says that the run may end."""
        if len(returns) >= 100 and np.mean(returns[-100:]) >= GOAL:
            self.reached("training", steps)
        if steps >= self.every * (len(self.rows) + 1):
            before = process_time()
            tested = self.test(policy, self.episodes).mean()
            self.testing += process_time() - before
            if tested >= GOAL:
                self.reached("tested", steps)
            recent = float(np.mean(returns[-20:])) if returns else float("nan")
            self.rows.append({"steps": steps, "return": finite(recent), "tested": finite(tested)})
        return self.until in self.solved

    def reached(self, what: str, steps: int) -> None:
        self.solved.setdefault(what, steps)
        self.seconds.setdefault(what, self.spent())

    def spent(self) -> float:
        """CPU seconds since the beginning, tests not charged."""
        return process_time() - self.began - self.testing

    def test(self, policy: Any, episodes: int) -> np.ndarray:
        """Returns of fresh episodes."""
        seed = 10_000 + self.seed
        return evaluate_policy(policy, self.env, episodes=episodes, seed=seed, greedy=self.greedy)

    def result(self) -> dict[str, Any]:
        return {"rows": self.rows, "solved": self.solved}


class Latest:
    """In place of a memory: only the steps of the last round."""

    def add(self, new: Transitions) -> None:
        self.new = new

    def sample(self, count: int, generator: torch.Generator) -> Transitions:
        return self.new[torch.randint(len(self.new), (count,), generator=generator)]


def learn_values(
    env: str,
    config: DQNConfig,
    *,
    seed: int,
    steps: int,
    watch: Watch,
    count: int = 16,
    reward_scale: float = 0.05,
    remembers: bool = True,
    slow_target: bool = True,
    anneal: int | None = None,
    change: Change | None = None,
    begin: Begin | None = None,
) -> dict[str, Any]:
    """Deep Q-learning; each of its two stabilisers can be taken away."""
    actors = Actors(env, count, seed=seed, reward_scale=reward_scale)
    generator = make_generator(seed)
    (size,) = actors.envs.single_observation_space.shape or ()
    with initial_weights(seed):
        network = QNetwork(size, int(actors.envs.single_action_space.n))
    if begin is not None:
        begin(network)
    target = target_network(network) if slow_target else network
    optimizer = torch.optim.Adam(network.parameters(), lr=config.learning_rate, fused=True)
    replay = Replay(config.capacity) if remembers else Latest()
    values, rounds, diverged = [], 0, False
    while actors.steps < steps:
        behaviour = EpsilonGreedy(network, epsilon_at(actors.steps, config))
        rollout = actors.run(behaviour, config.steps, generator)
        following = actors.observations
        if change is not None:
            rollout = change(rollout, following)
        replay.add(transitions(rollout, following, gamma=config.gamma, n=config.n))
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate * max(0.05, 1 - actors.steps / (anneal or steps))
        if actors.steps >= config.warm_up and not diverged:
            stats: dict[str, float] = {}
            for _ in range(config.updates):
                try:
                    stats = update(
                        network,
                        target,
                        optimizer,
                        replay.sample(config.batch_size, generator),
                        config,
                    )
                except FloatingPointError:
                    diverged = True
                    break
            if stats:  # the very first update may diverge, too
                values.append(stats["value"] / reward_scale)
        if slow_target and rounds % config.copy_every == 0:
            copy_weights(network, target)
        rounds += 1
        if watch(behaviour, actors.steps, actors.episode_returns):
            break
    value = finite(np.mean(values[-20:])) if values else None
    return watch.result() | {"value": value, "diverged": diverged}


def learn_policy(
    env: str | VectorEnv,
    config: PPOConfig,
    *,
    seed: int,
    steps: int,
    watch: Watch,
    count: int = 32,
    reward_scale: float = 1.0,
    initial_std: float = 1.0,
    critic_steps: int = 0,
    change: Change | None = None,
    begin: Begin | None = None,
    **how: Any,
) -> dict[str, Any]:
    """Act, judge, update: PPO, or A2C where the configuration makes one pass.

    `critic_steps` more regression steps of the critic, alone, follow each update.
    """
    actors = Actors(env, count, seed=seed, reward_scale=reward_scale)
    generator = make_generator(seed)
    policy = make_policy(actors, seed, initial_std=initial_std)
    if begin is not None:
        begin(policy)
    optimizer = make_optimizer(policy, config)
    critic_optimizer = torch.optim.Adam(policy.critic.parameters(), lr=config.learning_rate)
    explained, promised = [], []
    while actors.steps < steps:
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate * max(0.0, 1 - actors.steps / steps)
        rollout = actors.run(policy, config.steps, generator)
        if change is not None:
            rollout = change(rollout, actors.observations)
        batch = judge(rollout, config).flatten()
        stats = update_policy(policy, optimizer, batch, config, generator, **how)
        explained.append(stats["explained_variance"])
        promised.append(batch.old_values[batch.mask].mean().item() / reward_scale)
        for _ in range(critic_steps):
            errors = policy.values(batch.observations) - batch.returns
            critic_optimizer.zero_grad()
            errors[batch.mask].square().mean().backward()
            critic_optimizer.step()
        if watch(policy, actors.steps, actors.episode_returns):
            break
    return watch.result() | {"explained_variance": fifths(explained), "value": fifths(promised)}


def fifths(values: list[float]) -> list[float | None]:
    """The mean in each fifth of a run."""
    parts = np.array_split(np.array(values), min(5, len(values)))
    return [finite(part.mean()) for part in parts]


def reinforce(
    env: str,
    config: PPOConfig,
    *,
    seed: int,
    steps: int,
    watch: Watch,
    count: int = 16,
    reward_scale: float = 1.0,
    critic: bool = True,
) -> dict[str, Any]:
    """Whole episodes, one step for each batch of them."""
    actors = Actors(env, 1, seed=seed)  # only for its spaces
    policy = make_policy(actors, seed)
    envs, generator = make_envs(env, count), make_generator(seed)
    envs.reset(seed=seed)
    optimizer, used, returns = make_optimizer(policy, config), 0, []
    while used < steps:
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate * (1 - used / steps)
        rollout = play_episodes(policy, envs, generator)
        used += int(rollout.mask.sum())
        returns += rollout.rewards.sum(dim=1).tolist()
        scaled = Rollout(**vars(rollout) | {"rewards": rollout.rewards * reward_scale})
        batch = judge(scaled, config, advantage_fn=gae if critic else reward_to_go).flatten()
        update_policy(policy, optimizer, batch, config, generator, policy_loss=policy_gradient_loss)
        if watch(policy, used, returns):
            break
    return watch.result()
