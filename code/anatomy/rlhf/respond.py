"""Prompts → responses → scores → Rollout: acting, when the environment is a text.

The state is the text so far, the action is the next token, the transition appends
it, and the only judgement comes at the end. What `envs.interact` is to CartPole,
this is to language; `ppo.judge` and `ppo.update` do not see the difference.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from anatomy.models.actor_critic import Evaluation
from anatomy.models.generation import Generated
from anatomy.rollout import Rollout
from anatomy.runtime import require_same_shape

Score = Callable[[Tensor, Tensor], Tensor]  # texts (B, P + T), mask (B, T) → scores (B,)
UNFINISHED = -3.0  # score of an answer that does not end (Ziegler et al. 2019 had −1)


class TextPolicy(Protocol):
    """What writes and judges text: a table of bigrams or a transformer."""

    def generate(
        self, prompts: Tensor, steps: int, *, end_token: int, generator: torch.Generator
    ) -> Generated: ...

    def evaluate(self, observations: Tensor, actions: Tensor) -> Evaluation: ...

    def logprobs(self, observations: Tensor, actions: Tensor) -> Tensor: ...

    def values(self, observations: Tensor, actions: Tensor) -> Tensor: ...


def token_rewards(
    scores: Tensor, logprobs: Tensor, ref_logprobs: Tensor, mask: Tensor, *, kl_coef: float
) -> Tensor:
    """r_t = −β log(π(a_t|s_t) / π_ref(a_t|s_t)), plus the score on the last real token: (B, T).

    `scores` (B,) judge whole responses; `mask` (B, T) is True on response tokens up
    to the end. Padding is paid nothing. The sum over t is score − β·log(π/π_ref) of
    the response, a one-sample estimate of score − β KL[π‖π_ref].
    Ziegler et al. (2019), eq. 2; Ouyang et al. (2022), eq. 2 (errata E4).
    """
    require_same_shape(logprobs=logprobs, ref_logprobs=ref_logprobs, mask=mask)
    if scores.shape != mask.shape[:1]:
        raise ValueError(
            f"scores must be one per response, ({len(mask)},), got {tuple(scores.shape)}"
        )
    rewards = torch.where(mask, -kl_coef * (logprobs - ref_logprobs), 0.0)
    return rewards + torch.where(last_step(mask), scores[:, None], 0.0)


def last_step(mask: Tensor) -> Tensor:
    """True on the last True of every row: (B, T) → (B, T). An empty row stays False."""
    later = mask.flip(1).cumsum(1).flip(1)  # real steps from t on, t included
    return mask & (later == 1)


def scored_by(score: Score, *, end_token: int, unfinished: float = UNFINISHED) -> Score:
    """`score`, but `unfinished` for a response without `end_token`, and checked.

    A reward model has hardly seen answers without an end, and would have to guess. Raises
    FloatingPointError for a score that is not a number, ValueError when all of eight or
    more differing answers are worth the same: neither could teach anything.
    """

    def check_and_score(texts: Tensor, mask: Tensor) -> Tensor:
        scores = score(texts, mask)
        if not bool(torch.isfinite(scores).all()):
            raise FloatingPointError(
                "the reward model gives a score that is not a number: train it again, "
                "with a lower learning rate"
            )
        alike, differing = (scores == scores[0]).all(), (texts != texts[0]).any()
        if len(scores) >= 8 and bool(alike & differing):
            raise ValueError(
                f"the reward model gives every answer the same score, {float(scores[0]):.3g}: "
                "it was not trained, and there is nothing to learn from it"
            )
        actions = texts[:, texts.shape[1] - mask.shape[1] :]
        ended = ((actions == end_token) & mask).any(1)
        return torch.where(ended, scores, unfinished)

    return check_and_score


@torch.no_grad()
def respond(
    policy: TextPolicy,
    reference: TextPolicy,
    prompts: Tensor,
    score: Score,
    *,
    steps: int,
    end_token: int,
    kl_coef: float,
    generator: torch.Generator,
    reward_fn: Callable[..., Tensor] = token_rewards,
) -> tuple[Rollout, Tensor]:
    """Let `policy` answer prompts (B, P); return the Rollout (B, T) and the scores (B,).

    `score(texts, mask)` judges texts (B, P + T), whose last T tokens are the
    response that `mask` (B, T) delimits. A response ends, and its episode
    terminates, at `end_token` or after `steps` tokens; T is that of the longest.
    The log-probabilities are kept from sampling, those of the reference read once.
    """
    texts, mask, logprobs = policy.generate(
        prompts, steps, end_token=end_token, generator=generator
    )
    longest = int(mask.any(0).sum())  # columns behind it hold only padding
    texts, mask = texts[:, : prompts.shape[1] + longest], mask[:, :longest]
    actions, logprobs = texts[:, prompts.shape[1] :], logprobs[:, :longest]
    values = policy.values(texts, actions)
    ref_logprobs = reference.logprobs(texts, actions)
    scores = score(texts, mask)
    rollout = Rollout(
        observations=texts,
        actions=actions,
        logprobs=logprobs,
        values=values,
        last_values=torch.zeros_like(scores),
        rewards=reward_fn(scores, logprobs, ref_logprobs, mask, kl_coef=kl_coef),
        terminated=last_step(mask),
        truncated=torch.zeros_like(mask),
        mask=mask,
    )
    return rollout, scores
