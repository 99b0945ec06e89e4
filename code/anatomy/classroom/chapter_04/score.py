"""Exercise 4: the policy gradient of a bandit, exact and by the score function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from anatomy.classroom.case import Case, Function, Inputs, given
from anatomy.classroom.exercise import Exercise, WrongAnswer

QUARTERS = [float(torch.tensor(p).log()) for p in (0.5, 0.25, 0.25)]


def exact_gradient(logits: Tensor, rewards: Tensor) -> Tensor:
    """∂/∂θ_k Σ_a π(a) r_a = π_k (r_k − Σ_a π(a) r_a): (A,)."""
    policy = logits.softmax(0)
    return policy * (rewards - policy @ rewards)


def score_gradient(logits: Tensor, actions: Tensor, rewards: Tensor) -> Tensor:
    """∇ log π(a_i) r_i = (onehot(a_i) − π) r_i, one estimate for each sample: (N, A)."""
    chosen = F.one_hot(actions, len(logits)).to(logits.dtype)
    return (chosen - logits.softmax(0)) * rewards[:, None]


def random_bandit(generator: torch.Generator) -> Inputs:
    logits, rewards = torch.randn(2, 3, generator=generator)
    return Inputs((logits, 5 + rewards), {})


def random_pulls(generator: torch.Generator) -> Inputs:
    """Twenty pulls of a bandit with four arms."""
    logits = torch.randn(4, generator=generator)
    actions = torch.randint(4, (20,), generator=generator)
    return Inputs((logits, actions, torch.randn(20, generator=generator)), {})


def expectation(function: Function, inputs: Inputs) -> Any:
    """Σ_a π(a) · estimate(a): each action once, weighted by its probability. No sampling."""
    logits, rewards = inputs.args
    found = function(logits, torch.arange(len(logits)), rewards)
    if type(found) is not Tensor or found.shape != (len(logits), len(logits)):
        return found
    return logits.softmax(0) @ found


def from_policy(gradient: Callable[[Tensor, Tensor], Tensor]) -> Function:
    """A wrong exact gradient as a function of policy and rewards."""
    return lambda logits, rewards: gradient(logits.softmax(0), rewards)


def with_logits_as_probabilities(logits: Tensor, rewards: Tensor) -> Tensor:
    return logits * (rewards - logits @ rewards)


EXACT = Exercise(
    id="pg.exact",
    title="The exact gradient of a bandit",
    points=1,
    reference=exact_gradient,
    cases=(
        Case(
            "π = (½, ¼, ¼), rewards 4, 8, 0",
            given(QUARTERS, [4.0, 8.0, 0.0]),
            "J = 2 + 2 + 0 = 4. Arm 1 pays 4 more than that: ¼ · 4 = 1; arm 2 pays 4 less: −1.",
            expected=[0.0, 1.0, -1.0],
        ),
        Case(
            "all arms pay the same",
            given([0.3, -0.2, 1.0], [7.0, 7.0, 7.0]),
            "Where nothing can be gained, nothing should move.",
            expected=[0.0, 0.0, 0.0],
        ),
        Case("random logits and rewards", random_bandit, "π_k (r_k − J) for each arm."),
    ),
    wrong_answers=(
        WrongAnswer(
            "You left J out: π_k r_k is not the gradient.", from_policy(lambda p, r: p * r)
        ),
        WrongAnswer(
            "You left out the factor π_k, which comes from the softmax.",
            from_policy(lambda p, r: r - p @ r),
        ),
        WrongAnswer(
            "You subtract the plain mean of the rewards. J weighs them with the policy.",
            from_policy(lambda p, r: p * (r - r.mean())),
        ),
        WrongAnswer(
            "The sign: this is the direction in which J falls.",
            from_policy(lambda p, r: -p * (r - p @ r)),
        ),
        WrongAnswer(
            "The logits are not probabilities: take their softmax first.",
            with_logits_as_probabilities,
        ),
    ),
)


def from_samples(estimate: Callable[[Tensor, Tensor, Tensor], Tensor]) -> Function:
    """A wrong estimate as a function of the one-hot actions, policy and rewards (N, 1)."""

    def function(logits: Tensor, actions: Tensor, rewards: Tensor) -> Tensor:
        chosen = F.one_hot(actions, len(logits)).to(logits.dtype)
        return estimate(chosen, logits.softmax(0), rewards[:, None])

    return function


SCORE = Exercise(
    id="pg.score",
    title="The score-function gradient",
    points=2,
    reference=score_gradient,
    cases=(
        Case(
            "one pull of arm 0 that paid 4, π = (½, ¼, ¼)",
            given(QUARTERS, [0], [4.0]),
            "∇ log π(0) = (1 − ½, −¼, −¼), times 4.",
            expected=[[2.0, -1.0, -1.0]],
        ),
        Case(
            "three pulls, one of them paid less than nothing",
            given([0.0, 0.0, 0.0], [2, 0, 2], [3.0, 0.0, -3.0]),
            "A reward of 0 gives no push at all. A negative one pushes the arm away.",
            expected=[[-1.0, -1.0, 2.0], [0.0, 0.0, 0.0], [1.0, 1.0, -2.0]],
        ),
        Case("twenty random pulls of four arms", random_pulls, "One row for each pull: (N, A)."),
        Case(
            "its expectation is the exact gradient, π = (½, ¼, ¼)",
            given(QUARTERS, [4.0, 8.0, 0.0]),
            "Weighted with the probabilities, your three estimates must add up to the exact "
            "gradient.",
            expected=[0.0, 1.0, -1.0],
            observe=expectation,
        ),
    ),
    wrong_answers=(
        WrongAnswer(
            "You left out −π: this pushes what was pulled and nothing else. Raising one logit "
            "must lower the other probabilities.",
            from_samples(lambda chosen, policy, r: chosen * r),
        ),
        WrongAnswer(
            "You differentiated π(a), not log π(a). Frequent actions are then counted twice: "
            "once because they are frequent and once in the gradient.",
            from_samples(
                lambda chosen, policy, r: (
                    (chosen - policy) * r * (chosen * policy).sum(1, keepdim=True)
                )
            ),
        ),
        WrongAnswer(
            "The sign: descend −J or ascend J, and here J was asked for.",
            from_samples(lambda chosen, policy, r: -(chosen - policy) * r),
        ),
        WrongAnswer(
            "You averaged over the pulls. One estimate for each of them is asked, (N, A).",
            from_samples(lambda chosen, policy, r: ((chosen - policy) * r).mean(0)),
        ),
        WrongAnswer(
            "You subtracted the mean reward of the batch. That is a baseline, made from the very "
            "rewards it judges: for a single pull nothing is left.",
            from_samples(lambda chosen, policy, r: (chosen - policy) * (r - r.mean())),
        ),
    ),
)
