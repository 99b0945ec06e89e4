"""Proximal policy optimisation: judge a rollout, then make several steps on it.

The loop around these two functions is the reader's (Schulman et al. 2017,
Algorithm 1):

    for iteration in range(iterations):
        rollout = actors.run(policy, config.steps, generator)         # act
        batch = judge(rollout, config).flatten()                       # advantages
        stats = update(policy, optimizer, batch, config, generator)    # K epochs

`update` knows nothing of environments. Rows of the batch are single steps for
CartPole and whole responses for text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from anatomy.estimators import explained_variance, gae, k3
from anatomy.losses import clipped_surrogate, value_loss
from anatomy.masking import masked_mean, whiten
from anatomy.models.actor_critic import Policy
from anatomy.rollout import Batch, Rollout
from anatomy.runtime import clip_gradients

PolicyLoss = Callable[
    [Tensor, Tensor, Tensor], Tensor
]  # logprobs, old_logprobs, advantages → (B, T)
ValueLoss = Callable[[Tensor, Tensor, Tensor], Tensor]  # values, old_values, returns → (B, T)
AdvantageFunction = Callable[..., Tensor]  # as estimators.gae


@dataclass(frozen=True)
class PPOConfig:
    """Symbols of Schulman et al. (2017); the defaults play CartPole-v1 with 32 actors."""

    steps: int = 32  # T, steps of each actor in a rollout
    epochs: int = 4  # K
    minibatches: int = 4  # N·T / M
    gamma: float = 0.99  # γ
    gae_lambda: float = 0.95  # λ
    clip_range: float = 0.2  # ε
    value_coef: float = 0.5  # c₁
    entropy_coef: float = 0.0  # c₂
    max_gradient_norm: float = 0.5
    learning_rate: float = 1e-3
    normalise_advantages: bool = True

    def __post_init__(self) -> None:
        for name in ("steps", "epochs", "minibatches"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("gamma", "gae_lambda"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must lie in [0, 1], got {getattr(self, name)}")


def make_optimizer(policy: nn.Module, config: PPOConfig) -> torch.optim.Adam:
    """Adam with ε = 1e-5, as the original code has it (Huang et al. 2022, detail 3)."""
    return torch.optim.Adam(policy.parameters(), lr=config.learning_rate, eps=1e-5, fused=True)


def judge(rollout: Rollout, config: PPOConfig, *, advantage_fn: AdvantageFunction = gae) -> Batch:
    """Give every step its advantage Â_t and its value target Â_t + V(s_t): (B, T) → (B, T)."""
    advantages = advantage_fn(
        rollout.rewards,
        rollout.values,
        rollout.last_values,
        rollout.terminated,
        rollout.truncated,
        gamma=config.gamma,
        gae_lambda=config.gae_lambda,
    )
    return Batch(
        observations=rollout.observations,
        actions=rollout.actions,
        old_logprobs=rollout.logprobs,
        old_values=rollout.values,
        advantages=advantages,
        returns=advantages + rollout.values,
        mask=rollout.mask,
    )


def update(
    policy: Policy,
    optimizer: torch.optim.Optimizer,
    batch: Batch,
    config: PPOConfig,
    generator: torch.Generator,
    *,
    policy_loss: PolicyLoss | None = None,
    value_loss: ValueLoss = value_loss,
    auxiliary_loss: Callable[[], Tensor] | None = None,
) -> dict[str, float]:
    """Make K epochs of minibatch steps on one batch; return their mean statistics.

    `policy_loss` replaces the clipped surrogate, `value_loss` the squared error.
    `auxiliary_loss()` is added to every minibatch: InstructGPT's PPO-ptx is this
    function returning κ times the language-model loss on pretraining text.
    `generator` draws the minibatches. Raises FloatingPointError when the loss is
    not finite; the policy then still holds the weights before that step.
    """
    policy_loss = policy_loss or partial(clipped_surrogate, clip_range=config.clip_range)
    records, met = [], []
    for part in minibatches(batch, config, generator):
        advantages = part.advantages
        if config.normalise_advantages and part.mask.sum() > 1:  # one alone would become 0
            advantages = whiten(advantages, part.mask)
        logprobs, values, entropy = policy.evaluate(part.observations, part.actions)

        each = {  # (B, T) each
            "policy_loss": policy_loss(logprobs, part.old_logprobs, advantages),
            "value_loss": value_loss(values, part.old_values, part.returns),
            "entropy": entropy,
        }
        terms = {name: masked_mean(term, part.mask) for name, term in each.items()}
        loss = terms["policy_loss"] + config.value_coef * terms["value_loss"]
        if config.entropy_coef:  # without it, no gradient need flow through H
            loss = loss - config.entropy_coef * terms["entropy"]
        if auxiliary_loss is not None:
            terms["auxiliary_loss"] = auxiliary_loss()
            loss = loss + terms["auxiliary_loss"]

        optimizer.zero_grad()
        loss.backward()
        norm = clip_gradients(policy.parameters(), config.max_gradient_norm)
        if not torch.isfinite(norm + loss.detach()):  # a NaN loss can have gradient 0
            raise FloatingPointError(describe_divergence(terms))
        optimizer.step()
        records.append(terms | {"gradient_norm": norm})
        met.append((logprobs.detach(), part.old_logprobs, part.mask))

    stats = {
        name: torch.stack([record[name].detach() for record in records]).mean()
        for name in records[0]
    }
    logprobs, old_logprobs, mask = (torch.cat(parts) for parts in zip(*met, strict=True))
    stats |= ratio_statistics(logprobs, old_logprobs, mask, config)
    stats["explained_variance"] = explained_variance(batch.old_values, batch.returns, batch.mask)
    return {name: value.item() for name, value in stats.items()}


def minibatches(batch: Batch, config: PPOConfig, generator: torch.Generator) -> Iterator[Batch]:
    """K epochs; each deals all rows, freshly shuffled, into equal hands."""
    if len(batch) < config.minibatches:
        raise ValueError(f"{len(batch)} rows cannot be cut into {config.minibatches} minibatches")
    for _ in range(config.epochs):
        order = torch.randperm(len(batch), generator=generator, device=generator.device)
        for rows in order.to(batch.mask.device).tensor_split(config.minibatches):
            yield batch[rows]


@torch.no_grad()
def ratio_statistics(
    logprobs: Tensor, old_logprobs: Tensor, mask: Tensor, config: PPOConfig
) -> dict[str, Tensor]:
    """How far π_θ was from π_old when it met each minibatch, before the step on it.

    KL[π_old‖π_θ] by k3, and the share of ratios beyond ε.
    """
    ratio = torch.exp(logprobs - old_logprobs)
    outside = ((ratio - 1).abs() > config.clip_range).float()
    return {
        "kl": masked_mean(k3(old_logprobs, logprobs), mask),
        "clip_fraction": masked_mean(outside, mask),
    }


def describe_divergence(losses: dict[str, Tensor]) -> str:
    """One sentence for a step whose loss or gradient is not finite."""
    values = ", ".join(f"{name} {value.item():.3g}" for name, value in losses.items())
    return (
        f"the loss or its gradient is not finite ({values}); "
        "the policy keeps the weights before this step. "
        "Look for NaN in rewards or observations, or lower the learning rate."
    )
