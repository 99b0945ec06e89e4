"""Losses: each function is one equation, elementwise over (B, T), signed to be minimised.

Nothing here averages; `masking.masked_mean` does, so that a loss can be looked at
step by step. Any of the policy losses can be handed to `ppo.update`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from anatomy.estimators import k3
from anatomy.runtime import require_same_shape


def policy_gradient_loss(logprobs: Tensor, old_logprobs: Tensor, advantages: Tensor) -> Tensor:
    """−log π_θ(a|s) Â, whose gradient is the policy gradient on fresh data: (B, T).

    `old_logprobs` is not used: this loss believes that the data came from π_θ
    itself. Williams (1992).
    """
    require_same_shape(logprobs=logprobs, advantages=advantages)
    return -logprobs * advantages


def surrogate(logprobs: Tensor, old_logprobs: Tensor, advantages: Tensor) -> Tensor:
    """−ρ Â with ρ = π_θ(a|s) / π_old(a|s): (B, T).

    Schulman et al. (2017), eq. 6, L^CPI. At ρ = 1 its gradient is the policy gradient.
    """
    require_same_shape(logprobs=logprobs, old_logprobs=old_logprobs, advantages=advantages)
    return -torch.exp(logprobs - old_logprobs) * advantages


def clipped_surrogate(
    logprobs: Tensor, old_logprobs: Tensor, advantages: Tensor, *, clip_range: float
) -> Tensor:
    """−min(ρ Â, clip(ρ, 1−ε, 1+ε) Â): (B, T).

    The min makes it a pessimistic bound on L^CPI: a change that looks better is
    counted up to ε, a change that looks worse is counted in full. The gradient is
    0 for Â > 0, ρ > 1+ε and for Â < 0, ρ < 1−ε; nothing keeps ρ inside the range.
    Schulman et al. (2017), eq. 7.
    """
    require_same_shape(logprobs=logprobs, old_logprobs=old_logprobs, advantages=advantages)
    ratio = torch.exp(logprobs - old_logprobs)
    clipped_ratio = ratio.clamp(1 - clip_range, 1 + clip_range)
    return -torch.minimum(ratio * advantages, clipped_ratio * advantages)


def kl_penalised_surrogate(
    logprobs: Tensor, old_logprobs: Tensor, advantages: Tensor, *, kl_coef: float
) -> Tensor:
    """−(ρ Â − λ_KL KL[π_old‖π_θ]), the KL estimated by k3 on the sampled actions: (B, T).

    Schulman et al. (2017), eq. 8, where λ_KL is called β. k3's gradient,
    (ρ − 1) ∇log π_θ, has the expectation of the exact KL's under π_old and vanishes
    at ρ = 1, so one sample per state suffices, for tokens as for CartPole.
    """
    return surrogate(logprobs, old_logprobs, advantages) + kl_coef * k3(old_logprobs, logprobs)


def adapt_kl_coef(kl_coef: float, kl: float, *, target: float) -> float:
    """λ_KL ← λ_KL/2 if KL < target/1.5, λ_KL·2 if KL > target·1.5, else unchanged.

    Schulman et al. (2017), section 4. The 1.5 and the 2 are the paper's; it
    reports that the result is not sensitive to them, nor to the first λ_KL.
    """
    if kl < target / 1.5:
        return kl_coef / 2
    if kl > target * 1.5:
        return kl_coef * 2
    return kl_coef


def value_loss(values: Tensor, old_values: Tensor, returns: Tensor) -> Tensor:
    """½ (V_θ(s) − Ĝ)²: (B, T). `old_values` is not used."""
    require_same_shape(values=values, returns=returns)
    return 0.5 * (values - returns).square()


def clipped_value_loss(
    values: Tensor, old_values: Tensor, returns: Tensor, *, clip_range: float
) -> Tensor:
    """½ max((V_θ − Ĝ)², (clip(V_θ, V_old − ε, V_old + ε) − Ĝ)²): (B, T).

    In many implementations but not in the paper. ε has the units of the returns,
    so it means something else in every environment. Andrychowicz et al. (2021)
    found that it hurts.
    """
    require_same_shape(values=values, old_values=old_values, returns=returns)
    near = old_values + (values - old_values).clamp(-clip_range, clip_range)
    return 0.5 * torch.maximum((values - returns).square(), (near - returns).square())
