"""Policy gradients: one estimator, and what multiplies its score.

    ∇J(θ) = E[ Σ_t ∇log π_θ(a_t|s_t) · Ψ_t ]        Williams (1992); Sutton et al. (1999)

Ψ may be the return of the whole episode, the rewards still to come, or those minus
a baseline. The expectation stays, the variance falls. Each Ψ here takes the
arguments of `estimators.gae` and can be given to `ppo.judge`; with one pass over one
minibatch, `ppo.update` is then REINFORCE, and with a critic it is A2C:

    rollout = play_episodes(policy, envs, generator)
    batch = judge(rollout, REINFORCE, advantage_fn=reward_to_go).flatten()
    update(policy, optimizer, batch, REINFORCE, generator, policy_loss=policy_gradient_loss)
"""

from __future__ import annotations

import torch
from torch import Tensor

from anatomy.algorithms.ppo import PPOConfig
from anatomy.envs.mdp import MDP
from anatomy.estimators import discounted_returns
from anatomy.models.actor_critic import Policy
from anatomy.rollout import Batch
from anatomy.runtime import require_same_shape

# One step on each batch of whole episodes, and no critic: the value loss has weight 0.
# Normalising takes the batch's mean from Ψ, which is a baseline, too.
REINFORCE = PPOConfig(epochs=1, minibatches=1, gae_lambda=1.0, value_coef=0.0, learning_rate=1e-2)

# One step on each batch, and a critic. At ρ = 1 PPO's clipped loss has the gradient of
# −log π · Â, so A2C is PPO with one epoch of one minibatch (Huang et al. 2022, section "A2C").
A2C = PPOConfig(steps=32, epochs=1, minibatches=1, learning_rate=5e-3)


def total_return(
    rewards: Tensor,
    values: Tensor,
    last_values: Tensor,
    terminated: Tensor,
    truncated: Tensor,
    *,
    gamma: float,
    gae_lambda: float = 1.0,
) -> Tensor:
    """Ψ_t = R = Σ_u γ^u r_u over the whole episode, the same for each of its steps: (B, T).

    The record must hold whole episodes from their start. A reset column between two of them
    counts as a step of the second: at γ < 1 its R is γ times too small. `values`, `last_values` and
    `gae_lambda` are not used.
    """
    ends = terminated | truncated
    starts = torch.ones_like(ends)
    starts[:, 1:] = ends[:, :-1]
    to_go = discounted_returns(rewards, ends, gamma=gamma)
    step = torch.arange(rewards.shape[1], device=rewards.device).expand_as(rewards)
    began = torch.where(starts, step, 0).cummax(dim=1).values
    return to_go.gather(1, began)


def reward_to_go(
    rewards: Tensor,
    values: Tensor,
    last_values: Tensor,
    terminated: Tensor,
    truncated: Tensor,
    *,
    gamma: float,
    gae_lambda: float = 1.0,
) -> Tensor:
    """Ψ_t = G_t = Σ_{u ≥ t} γ^{u−t} r_u: what came before a_t cannot be its doing: (B, T).

    At γ < 1 this leaves out the factor γ^t that the derivation has; nearly everyone
    does. `values`, `last_values` and `gae_lambda` are not used.
    """
    return discounted_returns(rewards, terminated | truncated, gamma=gamma)


def optimal_baseline(squared_scores: Tensor, returns: Tensor) -> Tensor:
    """b* = E[‖∇log π‖² G] / E[‖∇log π‖²], the constant that leaves the least variance: a scalar.

    Both (N,), one entry per sample. It is the mean return only where the score's
    size and the return are unrelated. Greensmith, Bartlett & Baxter (2004).
    """
    require_same_shape(squared_scores=squared_scores, returns=returns)
    total = squared_scores.sum()
    if not total > 0:
        raise ValueError("every score is 0: no baseline makes a difference")
    return (squared_scores * returns).sum() / total


def row_gradients(policy: Policy, batch: Batch) -> Tensor:
    """∇_θ Σ_t log π_θ(a_t|s_t) Â_t for each row by itself: (B, P), P the policy's weights.

    Their mean is the policy-gradient estimate, and their spread what it costs. Weights
    that the loss does not reach, such as a critic's, have gradient 0.
    """
    weights = [weight for weight in policy.parameters() if weight.requires_grad]
    rows = []
    for i in range(len(batch)):
        row = batch[i : i + 1]
        logprobs = policy.evaluate(row.observations, row.actions).logprobs  # (1, T)
        gain = torch.where(row.mask, logprobs * row.advantages, 0.0).sum()
        parts = torch.autograd.grad(gain, weights, allow_unused=True, materialize_grads=True)
        rows.append(torch.cat([part.flatten() for part in parts]))
    return torch.stack(rows)


def expected_return(mdp: MDP, probabilities: Tensor, *, gamma: float) -> Tensor:
    """J(π) = d₀ᵀ (I − γ P_π)⁻¹ r_π exactly, differentiable in π(a|s) (S, A): a scalar.

    What every estimate of a policy gradient can be held against, where the MDP is small.
    """
    if probabilities.shape != mdp.reward.shape:
        raise ValueError(
            f"probabilities must be (S, A) = {mdp.reward.shape}, got {tuple(probabilities.shape)}"
        )
    table = {
        name: torch.tensor(getattr(mdp, name)).to(probabilities)
        for name in ("continues", "reward", "start")
    }
    onward = torch.einsum("sa,sat->st", probabilities, table["continues"])
    rewards = (probabilities * table["reward"]).sum(dim=1)
    values = torch.linalg.solve(torch.eye(len(rewards)).to(onward) - gamma * onward, rewards)
    return table["start"] @ values
