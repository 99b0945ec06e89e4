"""Policy × environment → whole episodes: what REINFORCE asks for."""

from __future__ import annotations

import numpy as np
import torch
from gymnasium.vector import VectorEnv

from anatomy.envs.interact import require_match, require_next_step, within_bounds
from anatomy.models.actor_critic import ActorCritic
from anatomy.rollout import Rollout


@torch.no_grad()
def play_episodes(
    policy: ActorCritic,
    envs: VectorEnv,
    generator: torch.Generator,
    *,
    seed: int | None = None,
    most: int = 10_000,
) -> Rollout:
    """One whole episode of each copy from its reset, as a record (B, T), T the longest's length.

    One episode each, because a window of fixed length would hold more short ones.
    `mask` is True up to an episode's last step and False behind it. `seed` makes the
    first states repeatable; without it the environments go on drawing. Raises
    ValueError when an episode goes on for more than `most` steps, or when copies are
    reset before their last observation was seen.
    """
    require_match(policy, envs)
    require_next_step(envs)
    device = next(policy.parameters()).device
    seen_now, _ = envs.reset(seed=seed)
    alive = np.ones(envs.num_envs, dtype=bool)
    columns: dict[str, list[torch.Tensor]] = {
        name: [] for name in ("actions", "rewards", "terminated", "truncated", "mask")
    }
    observations = [torch.tensor(seen_now, dtype=torch.float32)]
    while alive.any():
        if len(observations) > most:
            raise ValueError(f"an episode goes on after {most} steps: give the environment a limit")
        noise = policy.noise((envs.num_envs,), generator).to(device)
        action = policy.act(observations[-1].to(device), noise).cpu()
        moves = within_bounds(action.numpy(), envs)
        seen_now, rewards, terminated, truncated, _ = envs.step(moves)
        columns["actions"].append(action)
        columns["rewards"].append(torch.tensor(np.where(alive, rewards, 0.0), dtype=torch.float32))
        columns["terminated"].append(torch.tensor(alive & terminated))
        columns["truncated"].append(torch.tensor(alive & truncated))
        columns["mask"].append(torch.tensor(alive))
        observations.append(torch.tensor(seen_now, dtype=torch.float32))
        alive = alive & ~(terminated | truncated)

    seen = torch.stack(observations, dim=1).to(device)  # (B, T + 1, O)
    record = {name: torch.stack(parts, dim=1).to(device) for name, parts in columns.items()}
    logprobs, _ = policy.action_logprobs(seen[:, :-1], record["actions"])
    values = policy.values(seen)  # (B, T + 1)
    return Rollout(
        observations=seen[:, :-1],
        logprobs=logprobs,
        values=values[:, :-1],
        last_values=values[:, -1],
        **record,
    )
