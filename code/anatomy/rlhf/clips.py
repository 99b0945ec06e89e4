"""Comparisons of short clips: what to ask, and a reward model that explains the answers.

Christiano et al. (2017). Act, cut clips, ask about some pairs, fit the ensemble to all
answers so far, let PPO maximise what it predicts. Only the scripted labeller sees a true reward.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from anatomy.rlhf.preferences import bradley_terry_loss
from anatomy.rollout import Rollout
from anatomy.runtime import initial_weights, require_same_shape


@dataclass(frozen=True, eq=False)
class Clips:
    """N segments of L steps. `returns` are the true ones: only a scripted labeller may look."""

    observations: Tensor  # (N, L, O)
    actions: Tensor  # (N, L) or (N, L, A)
    returns: Tensor  # (N,)  Σ r_t over the clip

    def __len__(self) -> int:
        return len(self.returns)

    def __getitem__(self, rows: Tensor | slice) -> Clips:
        return Clips(*(getattr(self, field.name)[rows] for field in fields(self)))


def cut(rollout: Rollout, length: int) -> Clips:
    """Cut a rollout (B, T) into clips of `length` steps, B·⌊T/L⌋ of them.

    Clips that hold a step that does not count, a reset, are left out.
    """
    steps = rollout.mask.shape[1]
    if not 1 <= length <= steps:
        raise ValueError(f"a clip has 1 to {steps} steps of this rollout, not {length}")
    whole = steps // length * length

    def pieces(values: Tensor) -> Tensor:
        return values[:, :whole].reshape(-1, length, *values.shape[2:])

    valid = pieces(rollout.mask).all(dim=1)
    return Clips(
        observations=pieces(rollout.observations)[valid],
        actions=pieces(rollout.actions)[valid],
        returns=pieces(rollout.rewards)[valid].sum(dim=1),
    )


@dataclass(frozen=True, eq=False)
class Comparisons:
    """Answers so far: `target` (N,) is 1 for the first clip, 0 for the second, ½ for equal."""

    first: Clips
    second: Clips
    target: Tensor

    def __post_init__(self) -> None:
        require_same_shape(target=self.target, first=self.first.returns, second=self.second.returns)

    def __len__(self) -> int:
        return len(self.target)


def join(parts: Sequence[Comparisons]) -> Comparisons:
    """All comparisons in one record."""

    def joined(clips: Sequence[Clips]) -> Clips:
        return Clips(*(torch.cat([getattr(c, f.name) for c in clips]) for f in fields(Clips)))

    return Comparisons(
        joined([part.first for part in parts]),
        joined([part.second for part in parts]),
        torch.cat([part.target for part in parts]),
    )


class RewardEnsemble(nn.Module):
    """K networks r̂_k(o, a), two hidden layers each, trained apart; their disagreement is doubt.

    `scale` (O,) is the usual size of each observation, by which inputs are divided. With
    `choices`, actions are numbers below it and enter one-hot; else vectors of `action_size`.
    """

    scale: Tensor

    def __init__(
        self,
        scale: Sequence[float],
        *,
        choices: int = 0,
        action_size: int = 0,
        members: int = 3,
        hidden: int = 64,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if bool(choices) == bool(action_size):
            raise ValueError("say either how many choices there are, or the size of an action")
        self.choices, self.members = choices, members
        self.register_buffer("scale", torch.tensor(scale))
        sizes = [len(scale) + (choices or action_size), hidden, hidden, 1]
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        with initial_weights(seed):
            for inputs, outputs in pairwise(sizes):
                weight = nn.init.normal_(torch.empty(members, inputs, outputs))
                self.weights.append(nn.Parameter(weight * math.sqrt(2 / inputs)))
                self.biases.append(nn.Parameter(torch.zeros(members, 1, outputs)))

    def forward(self, observations: Tensor, actions: Tensor) -> Tensor:
        """r̂_k(o, a): observations (..., O), actions (...) or (..., A) → (K, ...)."""
        inputs = self._inputs(observations, actions)
        return self._predict(inputs.expand(self.members, *inputs.shape))

    def _inputs(self, observations: Tensor, actions: Tensor) -> Tensor:
        if self.choices:
            actions = F.one_hot(actions, self.choices)
        return torch.cat([observations / self.scale, actions.float()], dim=-1)

    def _predict(self, inputs: Tensor) -> Tensor:
        """Each member's answer to inputs of its own: (K, ..., I) → (K, ...)."""
        x = inputs.flatten(1, -2)  # (K, M, I)
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = torch.baddbmm(bias, F.leaky_relu(x, 0.01) if layer else x, weight)
        return x.reshape(inputs.shape[:-1])

    def scores(self, clips: Clips) -> Tensor:
        """Σ_t r̂_k(o_t, a_t) of each clip: (K, N)."""
        return self(clips.observations, clips.actions).sum(dim=-1)

    def own_scores(self, clips: Clips) -> Tensor:
        """Σ_t r̂_k(o_t, a_t) of clips that each member has for itself, (K, N, L, …): (K, N)."""
        return self._predict(self._inputs(clips.observations, clips.actions)).sum(dim=-1)

    @torch.no_grad()
    def rewards(self, observations: Tensor, actions: Tensor) -> Tensor:
        """What PPO is paid: members normalised to mean 0 and deviation 1, then averaged: (B, T)."""
        each = self(observations, actions)
        flat = each.flatten(1)
        mean, deviation = flat.mean(dim=1), flat.std(dim=1).clamp_min(1e-6)
        return ((each - mean[:, None, None]) / deviation[:, None, None]).mean(dim=0)


def comparison_loss(first: Tensor, second: Tensor, target: Tensor) -> Tensor:
    """−mean [μ log P(σ¹ ≻ σ²) + (1 − μ) log P(σ² ≻ σ¹)] for scores and μ of (N,) or (K, N).

    P is the Bradley–Terry model. Each comparison is counted twice; an "equal" counts once
    for each side. Christiano et al. (2017), section 2.2.3.
    """
    lean, firm = target >= 0.5, target > 0.5
    preferred = torch.cat([torch.where(lean, first, second), torch.where(firm, first, second)])
    rejected = torch.cat([torch.where(lean, second, first), torch.where(firm, second, first)])
    return bradley_terry_loss(preferred, rejected)


def fit(
    ensemble: RewardEnsemble,
    optimizer: torch.optim.Optimizer,
    comparisons: Comparisons,
    *,
    steps: int,
    batch_size: int = 64,
    generator: torch.Generator,
) -> float:
    """Make `steps` of gradient descent on the answers; return the mean loss.

    Every member sees a bootstrap sample of its own: its batches come from N comparisons
    drawn with replacement, so that members differ where there are few answers.
    """
    count, total = len(comparisons), 0.0
    if not count:
        raise ValueError("there is no comparison to learn from: ask for answers first")
    size = min(batch_size, count)
    own = torch.randint(count, (ensemble.members, count), generator=generator)
    for _ in range(steps):
        rows = own[:, torch.randint(count, (size,), generator=generator)]  # (K, size)
        first = ensemble.own_scores(comparisons.first[rows])
        second = ensemble.own_scores(comparisons.second[rows])
        loss = comparison_loss(first, second, comparisons.target[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item()
    return total / max(1, steps)


@torch.no_grad()
def disagreement(first: Tensor, second: Tensor) -> Tensor:
    """Variance over members of P_k(σ¹ ≻ σ²): scores (K, N) and (K, N) → (N,).

    Christiano et al. (2017), section 2.2.4.
    """
    return torch.sigmoid(first - second).var(dim=0, unbiased=False)


@torch.no_grad()
def choose_pairs(
    ensemble: RewardEnsemble,
    clips: Clips,
    count: int,
    *,
    candidates: int = 10,
    generator: torch.Generator,
) -> Tensor:
    """Draw `candidates` · `count` pairs and keep those with the most disagreement: (count, 2).

    One candidate for each question means a question at random.
    """
    if len(clips) < 2:
        raise ValueError("a comparison needs two clips")
    total = count * candidates
    first = torch.randint(len(clips), (total,), generator=generator)
    other = torch.randint(len(clips) - 1, (total,), generator=generator)
    pairs = torch.stack([first, other + (other >= first)], dim=1)  # never a clip with itself
    if candidates == 1:
        return pairs
    scores = ensemble.scores(clips)
    doubt = disagreement(scores[:, pairs[:, 0]], scores[:, pairs[:, 1]])
    return pairs[doubt.topk(count).indices]


def scripted_answers(
    first: Tensor, second: Tensor, *, mistakes: float = 0.0, generator: torch.Generator
) -> Tensor:
    """Somebody who sees true returns (N,) and (N,): the target μ of each pair, ½ for a tie.

    With probability `mistakes` the answer is a coin instead.
    """
    require_same_shape(first=first, second=second)
    target = 0.5 + 0.5 * torch.sign(first - second)

    def drawn() -> Tensor:
        return torch.rand(target.shape, generator=generator, device=generator.device).to(target)

    absent = drawn() < mistakes
    coin = (drawn() < 0.5).to(target.dtype)
    return torch.where(absent, coin, target)


def labels_due(total: int, iteration: int, iterations: int, *, at_first: float = 0.25) -> int:
    """How many of `total` answers should exist by iteration 0, 1, …, `iterations` − 1.

    A share `at_first` from the untrained policy, then at a rate that falls as 1/(1 + 4t/T).
    """
    late = math.log1p(4 * iteration / max(1, iterations - 1)) / math.log1p(4)
    return min(total, math.ceil(total * (at_first + (1 - at_first) * late)))
