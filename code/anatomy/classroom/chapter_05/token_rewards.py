"""Exercise 5: one score for the response, one KL penalty for each token."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from anatomy.classroom.case import Case, Inputs, given
from anatomy.classroom.exercise import Exercise, WrongAnswer
from anatomy.rlhf.respond import last_step, token_rewards

# One text of two prompt tokens, three response tokens and one of padding; β = 0.5.
LOGPROBS = [[-1.0, -2.0, -1.0, -0.5, -2.0, 0.0]]
REF_LOGPROBS = [[-3.0, -2.5, -1.2, -1.5, -1.0, 0.0]]
RESPONSE = [[False, False, True, True, True, False]]


def random_texts(generator: torch.Generator) -> Inputs:
    """Prompts of three tokens, responses of one to six, padded to nine."""
    logprobs, ref_logprobs = -torch.rand(2, 5, 9, generator=generator) * 3
    lengths = torch.randint(1, 7, (5, 1), generator=generator)
    place = torch.arange(9)
    mask = (place >= 3) & (place < 3 + lengths)
    scores = torch.randn(5, generator=generator)
    return Inputs((scores, logprobs, ref_logprobs, mask), {"kl_coef": 0.3})


def variant(
    penalty: Callable[[Tensor, float], Tensor] = lambda log_ratio, beta: -beta * log_ratio,
    paid: Callable[[Tensor], Tensor] = last_step,
    counted: Callable[[Tensor], Tensor] = lambda mask: mask,
) -> Callable[..., Tensor]:
    """A wrong answer: another penalty, another place for the score, another mask."""

    def function(
        scores: Tensor, logprobs: Tensor, ref_logprobs: Tensor, mask: Tensor, *, kl_coef: float
    ) -> Tensor:
        kl_part = torch.where(counted(mask), penalty(logprobs - ref_logprobs, kl_coef), 0.0)
        return kl_part + torch.where(paid(mask), scores[:, None], 0.0)

    return function


def last_column(mask: Tensor) -> Tensor:
    return torch.arange(mask.shape[1]).expand_as(mask) == mask.shape[1] - 1


def column_of_the_length(mask: Tensor) -> Tensor:
    """The column `mask.sum() − 1`: right only when no prompt comes first."""
    return torch.arange(mask.shape[1]).expand_as(mask) == mask.sum(1, keepdim=True) - 1


def whole_text(mask: Tensor) -> Tensor:
    """The prompt as well, up to the last response token."""
    return mask.flip(1).cumsum(1).flip(1) > 0


TOKEN_REWARDS = Exercise(
    id="ppo.token_rewards",
    title="A reward for each token",
    points=4,
    reference=token_rewards,
    cases=(
        Case(
            "prompt, response, padding",
            given([2.0], LOGPROBS, REF_LOGPROBS, RESPONSE, kl_coef=0.5),
            "−0.5·(0.2, 1.0, −1.0) on the response, 2 more on its last token, 0 elsewhere.",
            expected=[[0.0, 0.0, -0.1, -0.5, 2.5, 0.0]],
        ),
        Case(
            "β = 0: the score alone",
            given([2.0], LOGPROBS, REF_LOGPROBS, RESPONSE, kl_coef=0.0),
            "Without the penalty only the last response token is paid.",
            expected=[[0.0, 0.0, 0.0, 0.0, 2.0, 0.0]],
        ),
        Case(
            "score 0: the penalty alone",
            given([0.0], LOGPROBS, REF_LOGPROBS, RESPONSE, kl_coef=1.0),
            "A token that the policy likes more than the reference does costs something.",
            expected=[[0.0, 0.0, -0.2, -1.0, 1.0, 0.0]],
        ),
        Case(
            "the policy is the reference",
            given(
                [1.0, -1.0],
                [[-1.0, -2.0]] * 2,
                [[-1.0, -2.0]] * 2,
                [[True, True], [True, False]],
                kl_coef=0.7,
            ),
            "Equal policies pay no penalty; each row has its own last token.",
            expected=[[0.0, 1.0], [-1.0, 0.0]],
        ),
        Case(
            "padding that holds NaN",
            given([1.0], [[-1.0, float("nan")]], [[-1.5, -1.0]], [[True, False]], kl_coef=1.0),
            "Use torch.where, not a product with the mask: 0 · NaN is NaN.",
            expected=[[0.5, 0.0]],
        ),
        Case(
            "five texts of different lengths",
            random_texts,
            "The rewards of a row add up to score − β Σ (log π − log π_ref) over its response.",
        ),
    ),
    wrong_answers=(
        WrongAnswer(
            "The sign (errata E4): you pay the policy for leaving the reference. It is "
            "−β (log π − log π_ref).",
            variant(lambda log_ratio, beta: beta * log_ratio),
        ),
        WrongAnswer(
            "You put the score on the last column, where a short response has padding.",
            variant(paid=last_column),
        ),
        WrongAnswer(
            "You put the score at position length − 1, which is right only when no prompt comes "
            "first.",
            variant(paid=column_of_the_length),
        ),
        WrongAnswer(
            "You did not mask the prompt: the policy did not write those tokens.",
            variant(counted=whole_text),
        ),
        WrongAnswer(
            "You did not mask anything: prompt and padding are paid.",
            variant(counted=torch.ones_like),
        ),
        WrongAnswer(
            "You pay the score on every response token; ten tokens earn it ten times.",
            variant(paid=lambda mask: mask),
        ),
        WrongAnswer("You left β out.", variant(lambda log_ratio, beta: -log_ratio)),
        WrongAnswer(
            "You penalise |log π − log π_ref|. The terms may be negative; only their expectation "
            "is a KL.",
            variant(lambda log_ratio, beta: -beta * log_ratio.abs()),
        ),
        WrongAnswer(
            "Your penalty is missing: these are the scores alone.",
            variant(lambda log_ratio, beta: torch.zeros_like(log_ratio)),
        ),
    ),
)
