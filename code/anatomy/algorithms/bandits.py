"""Bandits: one state, several arms, and the question how long to keep trying.

The three rules choose an arm from what is known, (…, K) → (…), elementwise over
leading dimensions, so that hundreds of runs go side by side. `counts` says how
often each arm was pulled, `sums` what it paid in total.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[Any]


@dataclass(frozen=True)
class BernoulliBandit:
    """K arms; arm k pays 1 with probability `means[k]`, else 0."""

    means: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.means) < 2 or not all(0 <= mean <= 1 for mean in self.means):
            raise ValueError(f"a bandit needs two or more probabilities, got {self.means}")

    @property
    def arms(self) -> int:
        return len(self.means)

    def pull(self, arms: ArrayLike, *, generator: np.random.Generator) -> Array:
        """One reward, 0 or 1, for each chosen arm."""
        arms = np.asarray(arms)
        return (generator.random(arms.shape) < np.asarray(self.means)[arms]).astype(float)

    def regret(self, arms: ArrayLike) -> Array:
        """Σ_{u ≤ t} (μ* − μ_{a_u}) for choices over time in the last axis: the same shape.

        What the choices cost in expectation, with the luck of the payments left out.
        """
        means = np.asarray(self.means)
        return (means.max() - means[np.asarray(arms)]).cumsum(axis=-1)


def epsilon_greedy(
    counts: Array, sums: Array, *, epsilon: float, generator: np.random.Generator
) -> Array:
    """With probability ε any arm, else the best mean so far; an arm never pulled goes first."""
    untried = counts == 0
    means = np.where(untried, np.inf, sums / np.maximum(counts, 1))
    best = _largest(means, generator)
    anyone = generator.integers(counts.shape[-1], size=counts.shape[:-1])
    explore = (generator.random(counts.shape[:-1]) < epsilon) & ~untried.any(axis=-1)
    return np.where(explore, anyone, best)


def ucb1(counts: Array, sums: Array, *, generator: np.random.Generator) -> Array:
    """argmax_k μ̂_k + √(2 ln t / n_k): the arm that may plausibly be best.

    t is the number of pulls so far; an arm never pulled goes first.
    Auer, Cesa-Bianchi & Fischer (2002), figure 1.
    """
    total = counts.sum(axis=-1, keepdims=True)
    tries = np.maximum(counts, 1)
    bound = sums / tries + np.sqrt(2 * np.log(np.maximum(total, 1)) / tries)
    return _largest(np.where(counts == 0, np.inf, bound), generator)


def thompson(counts: Array, sums: Array, *, generator: np.random.Generator) -> Array:
    """Draw θ_k ~ Beta(1 + successes, 1 + failures) for each arm and pull the largest.

    Each arm is chosen as often as it is believed to be the best. Thompson (1933).
    """
    return generator.beta(1 + sums, 1 + counts - sums).argmax(axis=-1)


def _largest(values: Array, generator: np.random.Generator) -> Array:
    """The index of the largest value; among equal ones, any."""
    ties = values == values.max(axis=-1, keepdims=True)
    return np.where(ties, generator.random(values.shape), -1.0).argmax(axis=-1)
