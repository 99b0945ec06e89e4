"""What is measured: two tasks, and the settings of both sides.

The peer's settings are rl-baselines3-zoo's `hyperparams/ppo.yml`; what that file
leaves open is Stable-Baselines3's default. Ours were chosen on seeds 0–9; the
benchmark refuses to report on those.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from anatomy.algorithms.ppo import PPOConfig

TUNING_SEEDS = range(10)  # seeds that the choice of settings saw
EPISODES = 100  # the training mean is that of the last 100 episodes


@dataclass(frozen=True)
class Task:
    """One environment, its goal, and what each side does there."""

    title: str
    env: str  # ours
    peer_env: str
    goal: float  # of the mean of the last 100 training returns
    stop_at_goal: bool  # else the whole budget is spent
    config: PPOConfig
    actors: int
    budget: int  # steps, ours
    anneal: int  # the learning rate falls linearly to 0 at this many steps
    peer_budget: int
    peer_settings: dict[str, Any]  # "lin_x" falls linearly from x to 0 over the peer's budget
    peer_actors: int
    reward_scale: float = 1.0
    evaluation_episodes: int = 200

    def settings(self) -> dict[str, Any]:
        """All of it as JSON."""
        return asdict(self)


TASKS = {
    "cartpole": Task(
        title="CartPole-v1",
        env="CartPole-v1",
        peer_env="CartPole-v1",
        goal=475.0,
        stop_at_goal=True,
        config=replace(
            PPOConfig(),
            epochs=2,
            minibatches=8,
            gamma=0.98,
            learning_rate=1e-2,
            max_gradient_norm=5.0,
        ),
        actors=96,
        budget=200_000,
        anneal=150_000,
        peer_budget=100_000,
        peer_actors=8,
        peer_settings={
            "n_steps": 32,
            "batch_size": 256,
            "gae_lambda": 0.8,
            "gamma": 0.98,
            "n_epochs": 20,
            "ent_coef": 0.0,
            "learning_rate": "lin_0.001",
            "clip_range": "lin_0.2",
        },
    ),
    "pendulum": Task(
        title="Pendulum-v1",
        env="anatomy/Pendulum-v1",
        peer_env="Pendulum-v1",
        goal=-200.0,
        stop_at_goal=False,
        config=replace(
            PPOConfig(),
            steps=200,  # whole episodes
            epochs=10,
            minibatches=8,
            gamma=0.95,
            learning_rate=3e-3,
            max_gradient_norm=5.0,
        ),
        actors=32,
        budget=250_000,
        anneal=250_000,
        reward_scale=0.1,
        peer_budget=100_000,
        peer_actors=4,
        peer_settings={
            "n_steps": 1024,
            "gae_lambda": 0.95,
            "gamma": 0.9,
            "n_epochs": 10,
            "ent_coef": 0.0,
            "learning_rate": 1e-3,
            "clip_range": 0.2,
            "use_sde": True,
            "sde_sample_freq": 4,
        },
    ),
}
# The peer with our settings: what remains of the ratio is the code's, not the settings'.
TASKS["cartpole_same"] = replace(
    TASKS["cartpole"],
    title="CartPole-v1, our settings on both sides",
    peer_actors=96,
    peer_budget=150_000,  # so that the learning rate falls as ours does
    peer_settings={
        "n_steps": 32,
        "batch_size": 384,
        "gae_lambda": 0.95,
        "gamma": 0.98,
        "n_epochs": 2,
        "ent_coef": 0.0,
        "learning_rate": "lin_0.01",
        "clip_range": 0.2,
        "max_grad_norm": 5.0,
    },
)
