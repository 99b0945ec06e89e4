"""Planning with a known model: Bellman's equations as functions, and two ways to solve them.

Values are (S,), action values (S, A), a policy is a table of probabilities (S, A).
Value and policy iteration are generators, so that the loop stays the reader's:

    for values in value_iteration(mdp, gamma=0.9):
        ...                                          # look at every sweep
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anatomy.envs.mdp import MDP

Array = NDArray[Any]

TIE = 1e-9  # action values nearer than this are equally good


def action_values(mdp: MDP, values: Array, *, gamma: float) -> Array:
    """Q(s,a) = r(s,a) + γ Σ_s' P(s'|s,a) V(s'), with V = 0 for terminal states: (S, A)."""
    return mdp.reward + gamma * mdp.continues @ values


def bellman_expectation(mdp: MDP, policy: Array, values: Array, *, gamma: float) -> Array:
    """(T^π V)(s) = Σ_a π(a|s) Q(s,a): one backup under a policy, (S,). Bellman (1957)."""
    return (policy * action_values(mdp, values, gamma=gamma)).sum(axis=1)


def bellman_optimality(mdp: MDP, values: Array, *, gamma: float) -> Array:
    """(T* V)(s) = max_a Q(s,a): one backup under the best action, (S,). Bellman (1957)."""
    return action_values(mdp, values, gamma=gamma).max(axis=1)


def greedy(action_values: Array) -> Array:
    """π(a|s) > 0 only for the actions with the largest Q(s,a), equal ones sharing: (S, A)."""
    best = action_values >= action_values.max(axis=-1, keepdims=True) - TIE
    return best / best.sum(axis=-1, keepdims=True)


def uniform(mdp: MDP) -> Array:
    """The policy that rolls a die: (S, A)."""
    return np.full(mdp.reward.shape, 1 / mdp.action_count)


def evaluate_exactly(mdp: MDP, policy: Array, *, gamma: float) -> Array:
    """V^π = (I − γ P_π)⁻¹ r_π, Bellman's expectation equation solved as linear equations: (S,).

    Raises ValueError at γ = 1 when the policy may go on forever.
    """
    onward = np.einsum("sa,sat->st", policy, mdp.continues)
    equations = np.eye(mdp.state_count) - gamma * onward
    if np.linalg.cond(equations) > 1e13:
        raise ValueError(
            f"at γ = {gamma:g} this policy has no finite values: it may never end the episode"
        )
    return np.linalg.solve(equations, (policy * mdp.reward).sum(axis=1))


def value_iteration(
    mdp: MDP, *, gamma: float, tolerance: float = 1e-10, values: Array | None = None
) -> Iterator[Array]:
    """Yield V₁ = T*V₀, V₂ = T*V₁, … from V₀ = `values` or 0, until V_k is sure to `tolerance`.

    ‖V_k − V*‖ ≤ γ/(1−γ) ‖V_k − V_{k−1}‖ says when. At γ = 1 it stops when the
    change is below `tolerance`, which proves nothing.
    """
    values = np.zeros(mdp.state_count) if values is None else values
    reach = gamma / (1 - gamma) if gamma < 1 else 1.0
    error = np.inf
    while error > tolerance:
        following = bellman_optimality(mdp, values, gamma=gamma)
        error = reach * np.abs(following - values).max()
        values = following
        yield values


def policy_iteration(
    mdp: MDP,
    *,
    gamma: float,
    policy: Array | None = None,
    evaluate: Callable[..., Array] = evaluate_exactly,
) -> Iterator[tuple[Array, Array]]:
    """Yield (π_k, V^{π_k}) with π_{k+1} greedy on V^{π_k}, until the values stop rising.

    `evaluate(mdp, policy, gamma=…)` returns V^π. Howard (1960).
    """
    policy = uniform(mdp) if policy is None else policy
    while True:
        values = evaluate(mdp, policy, gamma=gamma)
        yield policy, values
        improved = action_values(mdp, values, gamma=gamma)
        if (improved.max(axis=1) <= values + TIE).all():
            return
        policy = greedy(improved)


def optimal_values(mdp: MDP, *, gamma: float) -> Array:
    """V*, by policy iteration from the uniform policy: (S,)."""
    *_, (_, values) = policy_iteration(mdp, gamma=gamma)
    return values


def shaped(mdp: MDP, potential: Array, *, gamma: float) -> MDP:
    """The same MDP paying r(s,a) + γ E[Φ(s')] − Φ(s), with Φ = 0 for terminal states.

    Every policy's V(s) changes by −Φ(s), so none overtakes another. Ng, Harada &
    Russell (1999).
    """
    if potential.shape != (mdp.state_count,):
        raise ValueError(f"potential must be (S,) = ({mdp.state_count},), got {potential.shape}")
    potential = np.where(mdp.terminal, 0.0, potential)
    bonus = gamma * mdp.transition @ potential - potential[:, None]
    return replace(mdp, reward=mdp.reward + np.where(mdp.terminal[:, None], 0.0, bonus))
