"""Labellers: noisy comparisons by a known taste.

A labeller ranks answers by utility plus noise. With Gumbel noise of scale τ the ranking
follows the Plackett–Luce model, and a comparison of two the Bradley–Terry model: exactly what
a reward model assumes. An honest labeller's utility is the gold score; others have biases.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from anatomy.tinyweb.gold import flatters
from anatomy.tinyweb.tasks import Question, Task

if TYPE_CHECKING:
    from anatomy.tinyweb.world import World

TYPICAL_LENGTH = 10  # words of an average answer


@dataclass(frozen=True)
class Taste:
    """What a labeller values: gold · score, and what else moves the pen.

    `length` is paid for every ten words above the typical answer, up to thirty; `flattery` for
    a flattering answer; `caution` is added to "i do not know" and `boldness` to a wrong guess.
    """

    gold: float = 1.0
    length: float = 0.0
    flattery: float = 0.0
    caution: float = 0.0
    boldness: float = 0.0


HONEST = Taste()
LONG_WINDED = Taste(length=0.3)
VAIN = Taste(flattery=0.6)
# Prefers a confident guess to an honest "i do not know": the taste of a held-out labeller.
IMPATIENT = Taste(caution=-0.5, boldness=0.8)
TASTES = {"honest": HONEST, "long-winded": LONG_WINDED, "vain": VAIN, "impatient": IMPATIENT}


def utility(world: World, task: Task, answer: str, taste: Taste, *, ended: bool = True) -> float:
    """What an answer is worth to a labeller of this taste, before the noise."""
    gold = world.gold(task, answer, ended=ended)
    value = taste.gold * gold.score
    if taste.length:
        value += taste.length * (min(len(answer.split()), 40) - TYPICAL_LENGTH) / 10
    if taste.flattery and flatters(answer):
        value += taste.flattery
    if isinstance(task.content, Question):
        value += taste.caution * (gold.verdict == "idk") + taste.boldness * (
            gold.verdict == "wrong"
        )
    return value


def plackett_luce_logprob(
    utilities: Sequence[float], ranking: Sequence[int], temperature: float
) -> float:
    """log P(ranking) = Σ_k [u_k/τ − log Σ_{j≥k} exp(u_j/τ)], places k from best to worst.

    Plackett (1975); Luce (1959). `ranking` holds indices into `utilities`, best first.
    """
    if sorted(ranking) != list(range(len(utilities))):
        raise ValueError(f"a ranking of {len(utilities)} answers names each once, got {ranking}")
    _check_temperature(temperature)
    scaled = [utilities[index] / temperature for index in ranking]
    total = 0.0
    for place, value in enumerate(scaled):
        peak = max(scaled[place:])
        total += value - peak - math.log(sum(math.exp(v - peak) for v in scaled[place:]))
    return total


def preference(first: float, second: float, temperature: float) -> float:
    """P(first ≻ second) = σ((u₁ − u₂)/τ). Bradley & Terry (1952)."""
    _check_temperature(temperature)
    return 0.5 * (1 + math.tanh((first - second) / (2 * temperature)))


def agreement(first: float, second: float, temperature: float) -> float:
    """Probability p² + (1−p)² that two labellers of one taste order a pair alike."""
    p = preference(first, second, temperature)
    return p * p + (1 - p) * (1 - p)


def _check_temperature(temperature: float) -> None:
    if not (temperature > 0 and math.isfinite(temperature)):
        raise ValueError(f"the temperature of a labeller must be positive, got {temperature}")


class Labeller:
    """Somebody who ranks answers: a taste, a temperature τ, and a random stream of their own."""

    def __init__(
        self,
        world: World,
        *,
        temperature: float = 0.2,
        taste: Taste = HONEST,
        seed: int = 0,
    ) -> None:
        _check_temperature(temperature)
        self.world = world
        self.temperature = temperature
        self.taste = taste
        self._rng = random.Random(f"tinyweb labeller {seed}")

    def utilities(
        self, task: Task, answers: Sequence[str], ended: Sequence[bool] | None = None
    ) -> list[float]:
        """What each answer is worth to this labeller, before the noise."""
        ends = [True] * len(answers) if ended is None else ended
        return [
            utility(self.world, task, answer, self.taste, ended=end)
            for answer, end in zip(answers, ends, strict=True)
        ]

    def rank(
        self, task: Task, answers: Sequence[str], ended: Sequence[bool] | None = None
    ) -> list[int]:
        """Indices of the answers, best first: a draw from Plackett–Luce(utilities / τ)."""
        if len(answers) < 2:
            raise ValueError(f"ranking needs at least two answers, got {len(answers)}")
        return self.rank_utilities(self.utilities(task, answers, ended))

    def rank_utilities(self, utilities: Sequence[float]) -> list[int]:
        """Rank things whose utilities are known: sort u/τ + Gumbel noise."""
        noisy = [
            value / self.temperature - math.log(self._rng.expovariate(1.0)) for value in utilities
        ]
        return sorted(range(len(noisy)), key=noisy.__getitem__, reverse=True)

    def prefers_first(self, task: Task, first: str, second: str) -> bool:
        """Compare two answers."""
        return self.rank(task, (first, second))[0] == 0
