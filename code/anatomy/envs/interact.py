"""Policy × environment → Rollout."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium.vector import AutoresetMode, VectorEnv

from anatomy.envs.snapshot import difference, restore, snapshot
from anatomy.models.actor_critic import (
    ActorCritic,
    CategoricalActorCritic,
    GaussianActorCritic,
)
from anatomy.rollout import Rollout


def make_envs(name: str, count: int) -> VectorEnv:
    """Return `count` copies of a gymnasium environment, stepped as arrays where it knows how.

    Raises ValueError for a name that gymnasium does not know.
    """
    try:
        return gymnasium.make_vec(name, num_envs=count)
    except gymnasium.error.DependencyNotInstalled:
        raise  # names the package to install
    except gymnasium.error.Error as error:
        raise ValueError(
            f"unknown environment {name!r}: gymnasium says {str(error).rstrip('.')}. "
            "Try 'CartPole-v1', 'anatomy/Pendulum-v1' or 'anatomy/Acrobot-v1'."
        ) from error


def require_match(policy: ActorCritic, envs: VectorEnv) -> None:
    """Raise ValueError, with one sentence, where an ActorCritic does not fit the spaces.

    Another class of policy answers for itself.
    """
    if not isinstance(policy, ActorCritic):
        return
    seen, space = envs.single_observation_space, envs.single_action_space
    if seen.shape != (policy.observation_size,):
        raise ValueError(
            f"the environment shows observations {seen}, "
            f"this policy reads vectors of {policy.observation_size} numbers"
        )
    if isinstance(space, gymnasium.spaces.Discrete):
        fits = (
            isinstance(policy, CategoricalActorCritic)
            and policy.actions == space.n
            and space.start == 0  # its actions are 0 … n − 1
        )
    else:
        fits = (
            isinstance(policy, GaussianActorCritic)
            and isinstance(space, gymnasium.spaces.Box)
            and space.shape == (policy.action_size,)
        )
    if not fits:
        raise ValueError(
            f"the environment takes actions {space}, which a {type(policy).__name__} "
            f"with {policy.noise_size} outputs does not give"
        )


def require_next_step(envs: VectorEnv) -> None:
    """Raise ValueError unless an ended copy shows its last observation before it is reset.

    The value of that observation is the future of an episode that was cut.
    """
    mode = envs.metadata.get("autoreset_mode")
    if mode not in (None, AutoresetMode.NEXT_STEP):
        raise ValueError(f"actors need autoreset mode NEXT_STEP, the environment uses {mode}")


def within_bounds(action: np.ndarray, envs: VectorEnv) -> np.ndarray:
    """Cut continuous actions to the bounds; log π stays that of the actions as drawn."""
    space = envs.single_action_space
    if isinstance(space, gymnasium.spaces.Box):
        return np.clip(action, space.low, space.high)
    return action


class Actors:
    """The N actors of PPO's Algorithm 1: copies of an environment that a policy acts in.

    They stay where they are between rollouts, so an episode may begin in one
    rollout and end in the next. `episode_returns` collects the undiscounted
    return of every episode that ended, in order; `steps` counts the steps that
    were real, not resets. `count` copies are made of an environment given by
    name; a vector environment brings its own number.

    With their `state_dict` in a checkpoint, beside policy, optimizer and generator, a
    run that was stopped goes on as if it had not been.
    """

    def __init__(
        self, env: str | VectorEnv, count: int = 32, *, seed: int, reward_scale: float = 1.0
    ) -> None:
        self.envs = make_envs(env, count) if isinstance(env, str) else env
        require_next_step(self.envs)
        self.count = self.envs.num_envs
        self.reward_scale = reward_scale
        self.episode_returns: list[float] = []
        self.steps = 0
        self._observations, _ = self.envs.reset(seed=seed)
        self._ended = np.zeros(self.count, dtype=bool)
        self._returns = np.zeros(self.count)

    def state_dict(self) -> dict[str, Any]:
        """Where every copy stands, the environment's random stream, and the books of episodes.

        Raises TypeError for an environment that does not step its copies as arrays.
        """
        return snapshot(self.envs) | {
            "observations": torch.from_numpy(np.array(self._observations)),
            "ended": torch.from_numpy(self._ended.copy()),
            "returns": torch.from_numpy(self._returns.copy()),
            "episode_returns": list(self.episode_returns),
            "steps": self.steps,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state_dict`. Raises ValueError for that of other actors."""
        if problem := difference(self.state_dict(), state):
            raise ValueError(f"this is the state of other actors: {problem}")
        restore(self.envs, state)
        self._observations = state["observations"].numpy().copy()
        self._ended, self._returns = state["ended"].numpy().copy(), state["returns"].numpy().copy()
        self.episode_returns, self.steps = list(state["episode_returns"]), state["steps"]

    def recent_return(self, episodes: int = 100) -> float:
        """Mean return of the last `episodes` finished episodes; NaN while there are fewer."""
        if len(self.episode_returns) < episodes:
            return math.nan
        return float(np.mean(self.episode_returns[-episodes:]))

    @property
    def observations(self) -> torch.Tensor:
        """What the next actions will answer to: (N, ...)."""
        return torch.tensor(self._observations, dtype=torch.float32)

    @torch.no_grad()
    def run(self, policy: ActorCritic, steps: int, generator: torch.Generator) -> Rollout:
        """Act for `steps` steps with every copy; return the record, (B, T) = (N, steps).

        Only the actor runs while acting. Values and log-probabilities follow in
        one batched pass over everything that was seen.
        """
        require_match(policy, self.envs)
        device = next(policy.parameters()).device
        # all randomness of the rollout, at once
        noise = policy.noise((steps, self.count), generator).to(device)
        observations, actions, rewards, terminated, truncated, mask = [], [], [], [], [], []
        for t in range(steps):
            # tensor(), not as_tensor(): an environment may reuse its arrays
            observations.append(torch.tensor(self._observations, dtype=torch.float32))
            mask.append(torch.as_tensor(~self._ended))
            action = policy.act(observations[t].to(device), noise[t]).cpu()
            actions.append(action)
            reward, end, cut = self._step(action.numpy())
            rewards.append(torch.tensor(reward, dtype=torch.float32))
            terminated.append(torch.tensor(end))
            truncated.append(torch.tensor(cut))
        observations.append(torch.as_tensor(self._observations, dtype=torch.float32))

        seen = torch.stack(observations, dim=1).to(device)  # (N, T + 1, O)
        taken = torch.stack(actions, dim=1).to(device)  # (N, T, ...)
        logprobs, _ = policy.action_logprobs(seen[:, :-1], taken)
        values = policy.values(seen)  # (N, T + 1)
        record = Rollout(
            observations=seen[:, :-1],
            actions=taken,
            logprobs=logprobs,
            values=values[:, :-1],
            last_values=values[:, -1],
            rewards=torch.stack(rewards, dim=1).to(device) * self.reward_scale,
            terminated=torch.stack(terminated, dim=1).to(device),
            truncated=torch.stack(truncated, dim=1).to(device),
            mask=torch.stack(mask, dim=1).to(device),
        )
        self.steps += int(record.mask.sum())
        return record

    def _step(self, action: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Step every copy once and keep the books of episodes."""
        moves = within_bounds(action, self.envs)
        self._observations, reward, terminated, truncated, _ = self.envs.step(moves)
        self._returns += reward
        self._ended = terminated | truncated
        if self._ended.any():
            self.episode_returns += self._returns[self._ended].tolist()
            self._returns[self._ended] = 0.0
        return reward, terminated, truncated


@torch.no_grad()
def evaluate_policy(
    policy: ActorCritic, env: str, *, episodes: int = 32, seed: int, greedy: bool = True
) -> np.ndarray:
    """Return the undiscounted returns (episodes,) of one fresh episode per copy.

    One episode per copy, because counting the first `episodes` to finish would
    favour short ones. `greedy` takes the most likely action instead of drawing.
    """
    envs = make_envs(env, episodes)
    require_match(policy, envs)
    device = next(policy.parameters()).device
    generator = torch.Generator(device).manual_seed(seed)
    observations, _ = envs.reset(seed=seed)
    returns, alive = np.zeros(episodes), np.ones(episodes, dtype=bool)
    while alive.any():
        seen = torch.as_tensor(observations, dtype=torch.float32, device=device)
        if greedy:
            action = policy.greedy(seen)
        else:
            action = policy.act(seen, policy.noise((episodes,), generator))
        moves = within_bounds(action.cpu().numpy(), envs)
        observations, rewards, terminated, truncated, _ = envs.step(moves)
        returns += np.where(alive, rewards, 0.0)
        alive &= ~(terminated | truncated)
    envs.close()
    return returns
