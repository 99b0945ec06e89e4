"""Estimators: what rewards, values and probabilities tell about the future and about change.

All tensors are (B, T). `terminated` means that the task ended: the future is
worth 0. `truncated` means that the record was cut: the future is worth
V(s_{t+1}), which `values` holds at t + 1 (or `last_values` at the edge).
"""

from __future__ import annotations

import torch
from torch import Tensor

from anatomy.masking import masked_variance
from anatomy.runtime import require_same_shape


def discounted_returns(rewards: Tensor, ends: Tensor, *, gamma: float) -> Tensor:
    """G_t = r_t + γ G_{t+1}, and nothing beyond an end: (B, T) → (B, T).

    `ends` bool (B, T) marks the last step of an episode. The record's edge counts
    as an end: rewards that were not seen are not guessed.
    """
    require_same_shape(rewards=rewards, ends=ends)
    if not rewards.is_floating_point():
        raise TypeError(f"rewards must be floating point, got {rewards.dtype}")
    returns = torch.empty_like(rewards)
    following = torch.zeros_like(rewards[:, 0])
    for t in reversed(range(rewards.shape[1])):
        following = rewards[:, t] + gamma * torch.where(ends[:, t], 0.0, following)
        returns[:, t] = following
    return returns


def td_errors(
    rewards: Tensor, values: Tensor, last_values: Tensor, terminated: Tensor, *, gamma: float
) -> Tensor:
    """δ_t = r_t + γ V(s_{t+1}) − V(s_t), with V(s_{t+1}) = 0 after a termination: (B, T).

    `last_values` (B,) is V(s_T). Sutton & Barto (2018), eq. 6.5.
    """
    require_same_shape(rewards=rewards, values=values, terminated=terminated)
    require_same_shape(last_values=last_values, first_values=values[:, 0])
    next_values = torch.cat([values[:, 1:], last_values[:, None]], dim=1)  # (B, T)
    return rewards + gamma * torch.where(terminated, 0.0, next_values) - values


def gae(
    rewards: Tensor,
    values: Tensor,
    last_values: Tensor,
    terminated: Tensor,
    truncated: Tensor,
    *,
    gamma: float,
    gae_lambda: float,
) -> Tensor:
    """Â_t = Σ_k (γλ)^k δ_{t+k}, the sum stopping at the first end: (B, T).

    Computed backwards as Â_t = δ_t + γλ Â_{t+1}. A termination stops the bootstrap
    and the sum; a truncation stops only the sum. Schulman et al. (2016), eq. 16;
    PPO's eq. 11 prints a wrong last exponent (errata E1).
    """
    require_same_shape(rewards=rewards, terminated=terminated, truncated=truncated)
    deltas = td_errors(rewards, values, last_values, terminated, gamma=gamma)
    continues = gamma * gae_lambda * (~(terminated | truncated)).to(deltas.dtype)  # (B, T)
    advantages = torch.empty_like(deltas)
    following = torch.zeros_like(last_values)
    for t in reversed(range(deltas.shape[1])):
        following = deltas[:, t] + continues[:, t] * following
        advantages[:, t] = following
    return advantages


def n_step_advantages(
    rewards: Tensor,
    values: Tensor,
    last_values: Tensor,
    terminated: Tensor,
    truncated: Tensor,
    *,
    gamma: float,
    n: int,
) -> Tensor:
    """Â_t^(n) = r_t + … + γ^{n−1} r_{t+n−1} + γ^n V(s_{t+n}) − V(s_t): (B, T).

    The same as Σ_{k<n} γ^k δ_{t+k}, which is how it is computed.

    The ladder whose exponential average GAE is: Â = (1 − λ) Σ_n λ^{n−1} Â^(n).
    Fewer than n terms where an end or the edge of the record comes first.
    Schulman et al. (2016), eq. 14.
    """
    if n < 1:
        raise ValueError(f"n counts steps and must be at least 1, got {n}")
    deltas = td_errors(rewards, values, last_values, terminated, gamma=gamma)
    ends = terminated | truncated
    advantages = torch.zeros_like(deltas)
    alive = torch.ones_like(ends)  # True where no end lies between t and t + k
    discount = 1.0
    for k in range(min(n, deltas.shape[1])):
        steps = deltas.shape[1] - k  # only t with t + k inside the record
        advantages[:, :steps] += discount * torch.where(alive[:, :steps], deltas[:, k:], 0.0)
        alive[:, :steps] &= ~ends[:, k:]
        discount *= gamma
    return advantages


def k1(logprobs: Tensor, other_logprobs: Tensor) -> Tensor:
    """log p(x) − log q(x): unbiased for KL[p‖q] when x ~ p, but often negative.

    `logprobs` are those of the distribution that x was drawn from, p;
    `other_logprobs` those of q. Elementwise, any shape. Schulman (2020),
    "Approximating KL divergence".
    """
    require_same_shape(logprobs=logprobs, other_logprobs=other_logprobs)
    return logprobs - other_logprobs


def k2(logprobs: Tensor, other_logprobs: Tensor) -> Tensor:
    """½ (log p(x) − log q(x))²: never negative, low variance, biased (only close for p ≈ q)."""
    return 0.5 * k1(logprobs, other_logprobs).square()


def k3(logprobs: Tensor, other_logprobs: Tensor) -> Tensor:
    """q/p − 1 − log(q/p): unbiased for KL[p‖q] when x ~ p, and never negative.

    k1 plus q/p − 1, which has mean 0 under p: a control variate. Never negative
    because u − 1 ≥ log u.
    """
    log_ratio = -k1(logprobs, other_logprobs)
    return torch.expm1(log_ratio) - log_ratio


def explained_variance(values: Tensor, returns: Tensor, mask: Tensor) -> Tensor:
    """1 − Var[G − V] / Var[G] over the masked elements: a scalar.

    1: the critic predicts every return; 0: no better than their mean; below 0:
    worse than the mean. NaN when all returns are equal: there is nothing to explain.
    """
    require_same_shape(values=values, returns=returns, mask=mask)
    variance = masked_variance(returns, mask)
    unexplained = masked_variance(returns - values, mask)
    return torch.where(variance > 0, 1 - unexplained / variance, torch.nan)


def effective_sample_share(log_weights: Tensor) -> Tensor:
    """(Σw)² / (N Σw²) for importance weights w = exp(log_weights): between 1/N and 1.

    The share of N weighted samples that still count: 1 when all weights are equal.
    `log_weights` (..., N) → (...). Kong (1992).
    """
    weights = torch.exp(log_weights - log_weights.amax(dim=-1, keepdim=True))
    return weights.sum(-1).square() / (weights.square().sum(-1) * weights.shape[-1])
