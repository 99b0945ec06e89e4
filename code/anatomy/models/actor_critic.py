"""Actor-critics: a policy that can act and judge, for discrete and for continuous actions.

Every policy that PPO trains, whether it moves a cart or writes text, answers
`evaluate(observations, actions) → Evaluation`. The two here also act.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Evaluation(NamedTuple):
    """What a policy says of given actions: three tensors (B, T)."""

    logprobs: Tensor  # log π(a_t | s_t)
    values: Tensor  # V(s_t)
    entropy: Tensor  # −Σ_a π(a|s) log π(a|s) ≥ 0, or its density counterpart


class Policy(Protocol):
    """What `ppo.update` asks of a policy."""

    def evaluate(self, observations: Tensor, actions: Tensor) -> Evaluation: ...

    def parameters(self) -> Iterator[nn.Parameter]: ...


def mlp(sizes: Sequence[int], *, final_gain: float) -> nn.Sequential:
    """tanh network through the given layer sizes, orthogonal weights and zero biases.

    Gain √2 inside, `final_gain` at the end: 0.01 makes a first policy that prefers
    nothing, 1 suits a value. Andrychowicz et al. (2021) found the small last policy
    layer among the choices that matter most.
    """
    layers: list[nn.Module] = []
    for index, (inputs, outputs) in enumerate(pairwise(sizes)):
        last = index == len(sizes) - 2
        linear = nn.Linear(inputs, outputs)
        nn.init.orthogonal_(linear.weight, final_gain if last else math.sqrt(2))
        nn.init.zeros_(linear.bias)
        layers += [linear] if last else [linear, nn.Tanh()]
    return nn.Sequential(*layers)


class ActorCritic(nn.Module):
    """Two separate networks, π_θ(a|s) and V_θ(s). Subclasses say what the actor's outputs mean.

    Acting takes its randomness as an argument: `noise = policy.noise((T, N), generator)`
    draws all of it for a rollout at once, and `act(observations, noise[t])` is then
    a deterministic function.
    """

    def __init__(self, observation_size: int, actor_outputs: int, hidden: Sequence[int]) -> None:
        super().__init__()
        self.observation_size = observation_size
        self.noise_size = actor_outputs  # one number of noise for each output of the actor
        self.actor = mlp([observation_size, *hidden, actor_outputs], final_gain=0.01)
        self.critic = mlp([observation_size, *hidden, 1], final_gain=1.0)

    def values(self, observations: Tensor) -> Tensor:
        """V(s): (..., observation) → (...)."""
        return self.critic(observations).squeeze(-1)

    def evaluate(self, observations: Tensor, actions: Tensor) -> Evaluation:
        """Judge actions under π_θ: observations (..., O), actions (...) or (..., A)."""
        if observations.shape[-1] != self.observation_size:
            raise ValueError(
                f"this policy reads observations of size {self.observation_size}, "
                f"got {tuple(observations.shape)}"
            )
        logprobs, entropy = self.action_logprobs(observations, actions)
        return Evaluation(logprobs, self.values(observations), entropy)

    def noise(self, shape: Sequence[int], generator: torch.Generator) -> Tensor:
        """Draw what `act` needs for actions of the given leading shape."""
        raise NotImplementedError

    def act(self, observations: Tensor, noise: Tensor) -> Tensor:
        """Choose actions: observations (N, O), noise (N, A) → (N,) or (N, A)."""
        raise NotImplementedError

    def greedy(self, observations: Tensor) -> Tensor:
        """The most likely action."""
        raise NotImplementedError

    def action_logprobs(self, observations: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
        """log π(a|s) and the entropy of π(·|s), both (...)."""
        raise NotImplementedError


class CategoricalActorCritic(ActorCritic):
    """Chooses one of `actions` actions with probabilities softmax(actor(s))."""

    def __init__(self, observation_size: int, actions: int, hidden: Sequence[int] = (64, 64)):
        super().__init__(observation_size, actions, hidden)
        self.actions = actions

    def noise(self, shape: Sequence[int], generator: torch.Generator) -> Tensor:
        """Gumbel noise (*shape, actions): argmax(logits + noise) is a draw from the softmax."""
        uniform = torch.rand(*shape, self.actions, generator=generator, device=generator.device)
        return -torch.log(-torch.log(uniform.clamp_min(torch.finfo(uniform.dtype).tiny)))

    def act(self, observations: Tensor, noise: Tensor) -> Tensor:
        return (self.actor(observations) + noise).argmax(dim=-1)

    def greedy(self, observations: Tensor) -> Tensor:
        return self.actor(observations).argmax(dim=-1)

    def action_logprobs(self, observations: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
        all_logprobs = F.log_softmax(self.actor(observations), dim=-1)  # (..., A)
        logprobs = all_logprobs.gather(-1, actions.unsqueeze(-1)).squeeze(-1)
        entropy = -(all_logprobs.exp() * all_logprobs).sum(-1)
        return logprobs, entropy


class GaussianActorCritic(ActorCritic):
    """Chooses a real vector from N(actor(s), σ²), σ one learned number per dimension.

    The environment may clip the action to its bounds; log π is that of the action
    as drawn, so nothing is clipped here.
    """

    def __init__(
        self,
        observation_size: int,
        action_size: int,
        hidden: Sequence[int] = (64, 64),
        *,
        initial_std: float = 1.0,
    ):
        super().__init__(observation_size, action_size, hidden)
        self.action_size = action_size
        self.log_std = nn.Parameter(torch.full((action_size,), math.log(initial_std)))

    def noise(self, shape: Sequence[int], generator: torch.Generator) -> Tensor:
        """Standard normal noise (*shape, action_size)."""
        return torch.randn(*shape, self.action_size, generator=generator, device=generator.device)

    def act(self, observations: Tensor, noise: Tensor) -> Tensor:
        return self.actor(observations) + self.log_std.exp() * noise

    def greedy(self, observations: Tensor) -> Tensor:
        return self.actor(observations)

    def action_logprobs(self, observations: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
        z = (actions - self.actor(observations)) / self.log_std.exp()  # (..., A)
        log_normaliser = self.log_std + 0.5 * math.log(2 * math.pi)
        logprobs = (-0.5 * z.square() - log_normaliser).sum(-1)
        entropy = (0.5 + log_normaliser).sum().expand(logprobs.shape)
        return logprobs, entropy
