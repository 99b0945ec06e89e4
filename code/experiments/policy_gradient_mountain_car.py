"""MountainCar, the honest failure: −1 for every step, and a flag that chance does not find.

PPO and double DQN much as they play CartPole, then PPO with what was missing: a reward
on the way (potential-based, so that no policy overtakes another: Ng, Harada & Russell
1999) or a bonus for places that were rarely seen. Judged by the true return alone: −200
means that the flag was never reached.

    python code/experiments/policy_gradient_mountain_car.py
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch

from anatomy.algorithms.dqn import DQNConfig
from anatomy.algorithms.ppo import PPOConfig
from anatomy.rollout import Rollout
from learners import Change, Watch, learn_policy, learn_values
from multiseed import SEEDS, arguments, run_all, write

ENV, STEPS = "anatomy/MountainCar-v0", 100_000
PPO = PPOConfig(steps=128, epochs=6, gamma=0.99, gae_lambda=0.95, learning_rate=3e-3)
DQN = DQNConfig(epsilon_steps=20_000, updates=8)
SCALE = 0.05  # of the rewards that PPO sees; DQN's default is the same
LOWEST, BONUS = -70.0, 1.0


def potential(observations: torch.Tensor) -> torch.Tensor:
    """Φ(s): mechanical energy, from −70 at rest below to 0 for enough to reach the flag.

    Where one must wait longest Φ is lowest, as V* is; Φ = V* would be the best choice.
    """
    position, speed = observations.unbind(dim=-1)
    # the slope −0.0025 cos 3x is that of the height 0.0025/3 · sin 3x
    energy = 0.5 * speed.square() + 0.0025 / 3 * (torch.sin(3 * position) + 1)
    return LOWEST * (1 - energy / (2 * 0.0025 / 3)).clamp_min(0)


def shaping(gamma: float, scale: float) -> Change:
    """r + γ Φ(s') − Φ(s), with Φ = 0 after a termination."""

    def change(rollout: Rollout, following: torch.Tensor) -> Rollout:
        after = torch.cat([rollout.observations[:, 1:], following[:, None]], dim=1)
        bonus = gamma * torch.where(rollout.terminated, 0.0, potential(after))
        bonus = bonus - potential(rollout.observations)
        return replace(rollout, rewards=rollout.rewards + scale * bonus * rollout.mask)

    return change


def counting(scale: float) -> Change:
    """r + c/√n(s') for the n-th visit to a cell of a 20 × 20 grid. Strehl & Littman (2008)."""
    visits = torch.zeros(20, 20)

    def change(rollout: Rollout, following: torch.Tensor) -> Rollout:
        after = torch.cat([rollout.observations[:, 1:], following[:, None]], dim=1)
        column = ((after[..., 0] + 1.2) / 1.8 * 20).long().clamp(0, 19)
        row = ((after[..., 1] + 0.07) / 0.14 * 20).long().clamp(0, 19)
        seen = torch.bincount((20 * row + column)[rollout.mask], minlength=400)
        visits.add_(seen.view(20, 20))
        bonus = BONUS / visits[row, column].clamp_min(1).sqrt()
        return replace(rollout, rewards=rollout.rewards + scale * bonus * rollout.mask)

    return change


LEARNERS: dict[str, Callable[[], Change | None]] = {
    "PPO": lambda: None,
    "PPO, shaped": lambda: shaping(PPO.gamma, SCALE),
    "PPO, bonus": lambda: counting(1.0),
    "DQN": lambda: None,
}


@dataclass(frozen=True)
class Run:
    """Everything that decides a run."""

    name: str
    config: Any
    seed: int
    steps: int


def train(run: Run) -> dict[str, Any]:
    change = LEARNERS[run.name]()
    watch = Watch(ENV, min(10_000, run.steps), run.seed, greedy=run.name.startswith("DQN"))
    how: dict[str, Any] = {"seed": run.seed, "steps": run.steps, "watch": watch, "change": change}
    if run.name.startswith("DQN"):
        return learn_values(ENV, run.config, **how)
    return learn_policy(ENV, run.config, reward_scale=SCALE, **how)


def main(argv: Sequence[str] | None = None) -> None:
    options = arguments(__doc__.splitlines()[0], argv, seeds=SEEDS[:5])
    names = [name for name in LEARNERS if options.only in name]
    steps = options.steps or STEPS
    runs = [
        Run(name, PPO if name.startswith("PPO") else DQN, seed, steps)
        for name in names
        for seed in options.seeds
    ]
    done = run_all("policy_gradient_mountain_car", train, runs, workers=options.workers)
    data: dict[str, Any] = {}
    for name in names:
        results = [d for d, run in zip(done, runs, strict=True) if run.name == name]
        milestones = min(len(result["rows"]) for result in results)
        data[name] = {
            "steps": [min(10_000, steps) * (i + 1) for i in range(milestones)],
            "training": [[row["return"] for row in r["rows"][:milestones]] for r in results],
            "tested": [[row["tested"] for row in r["rows"][:milestones]] for r in results],
        }
    write(
        "policy_gradient_mountain_car",
        {"env": ENV, "learners": data},
        config={
            "steps": steps,
            "scale": SCALE,
            "lowest_potential": LOWEST,
            "bonus": BONUS,
            "ppo": asdict(PPO),
            "dqn": asdict(DQN),
        },
        finished=done,
        options=options,
    )
    for name, learner in data.items():
        means = np.array(learner["tested"], dtype=float).mean(axis=0)
        print(f"{name:14}", *(f"{value:7.1f}" for value in means))


if __name__ == "__main__":
    main()
