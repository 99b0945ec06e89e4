"""Exercise 1: GAE with episode ends inside the batch, and the exponent that PPO misprints."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from anatomy.classroom.case import Case, Inputs, given
from anatomy.classroom.exercise import Exercise, WrongAnswer
from anatomy.estimators import gae

REWARDS = [[1.0, 0.0, 2.0]]
VALUES = [[0.5, 1.0, 0.5]]
LAST_VALUES = [1.0]
NEVER = [[False, False, False]]
IN_THE_MIDDLE = [[False, True, False]]
AT_THE_EDGE = [[False, False, True]]
TWICE = [REWARDS * 2, VALUES * 2, LAST_VALUES * 2]


def random_record(
    generator: torch.Generator, *, ends: bool, gamma: float = 0.97, gae_lambda: float = 0.8
) -> Inputs:
    """Four actors, twelve steps; an end at about a third of them, never both kinds at once."""
    shape = (4, 12)
    rewards, values = torch.randn(2, *shape, generator=generator)
    die = torch.rand(shape, generator=generator)
    terminated, truncated = (die < 0.15) & ends, (die > 0.85) & ends
    last_values = torch.randn(4, generator=generator)
    return Inputs(
        (rewards, values, last_values, terminated, truncated),
        {"gamma": gamma, "gae_lambda": gae_lambda},
    )


def wrong_gae(
    rewards: Tensor,
    values: Tensor,
    last_values: Tensor,
    terminated: Tensor,
    truncated: Tensor,
    *,
    gamma: float,
    gae_lambda: float,
    mistake: str,
) -> Tensor:
    """GAE as printed in the package, except for one mistake."""
    nowhere, ends = torch.zeros_like(terminated), terminated | truncated
    worthless = {
        "worthless after both": ends,
        "worth something after both": nowhere,
        "truncated before terminated": terminated & ~truncated,
    }
    cut = {"never cut": nowhere, "cut at terminations": terminated, "cut at truncations": truncated}
    decay = {"γ only": gamma, "λ only": gae_lambda}.get(mistake, gamma * gae_lambda)
    edge = last_values
    if mistake == "nothing after the edge":
        edge = torch.zeros_like(last_values)
    if mistake == "nothing after a truncated edge":
        edge = torch.where(truncated[:, -1], 0.0, last_values)

    next_values = torch.cat([values[:, 1:], edge[:, None]], dim=1)
    next_values = torch.where(worthless.get(mistake, terminated), 0.0, next_values)
    deltas = rewards + gamma * next_values - values
    if mistake == "printed exponent":
        deltas[:, -1] *= decay**2
    if mistake == "no critic":
        deltas = rewards
    continues = decay * (~cut.get(mistake, ends)).float()
    advantages, following = torch.empty_like(deltas), torch.zeros_like(last_values)
    for t in reversed(range(deltas.shape[1])):
        following = deltas[:, t] + continues[:, t] * following
        advantages[:, t] = following
    return advantages


def mistaken(mistake: str, explanation: str) -> WrongAnswer:
    return WrongAnswer(explanation, partial(wrong_gae, mistake=mistake))


GAE = Exercise(
    id="ppo.gae",
    title="Generalised advantage estimation",
    points=3,
    reference=gae,
    cases=(
        Case(
            "one step: r + γ V(s₁) − V(s₀)",
            given([[1.0]], [[0.5]], [2.0], [[False]], [[False]], gamma=0.9, gae_lambda=0.8),
            "With a single step there is one TD error, and last_values is the value after it.",
            expected=[[2.3]],
        ),
        Case(
            "three steps, no end",
            given(REWARDS, VALUES, LAST_VALUES, NEVER, NEVER, gamma=0.9, gae_lambda=0.5),
            "The TD errors are 1.4, −0.55, 2.4. Each step back in time multiplies by γλ = 0.45.",
            expected=[[1.6385, 0.53, 2.4]],
        ),
        Case(
            "a termination in the middle",
            given(
                *TWICE, IN_THE_MIDDLE * 2, NEVER + IN_THE_MIDDLE, gamma=0.9, gae_lambda=0.5
            ),  # in the second row the clock rings in the same step
            "After a termination the future is worth 0, and the next step is another episode. "
            "In the second row the step is also marked as truncated; the task has ended all the "
            "same.",
            expected=[[0.95, -1.0, 2.4]] * 2,
        ),
        Case(
            "a truncation in the middle",
            given(REWARDS, VALUES, LAST_VALUES, NEVER, IN_THE_MIDDLE, gamma=0.9, gae_lambda=0.5),
            "A truncated step keeps γ V(sₜ₊₁), the future it did not see. Only the sum stops.",
            expected=[[1.1525, -0.55, 2.4]],
        ),
        Case(
            "a termination, then a truncation, at the record's edge",
            given(*TWICE, AT_THE_EDGE + NEVER, NEVER + AT_THE_EDGE, gamma=0.9, gae_lambda=0.5),
            "last_values is V(s_T). The first row terminates before s_T, so it must not be used; "
            "the second is only cut there, so it must.",
            expected=[[1.45625, 0.125, 1.5], [1.6385, 0.53, 2.4]],
        ),
        Case(
            "λ = 0: the TD errors themselves",
            lambda generator: random_record(generator, ends=True, gae_lambda=0.0),
            "At λ = 0 the sum has one term.",
        ),
        Case(
            "λ = 1: return minus value",
            lambda generator: random_record(generator, ends=False, gae_lambda=1.0),
            "At λ = 1 the values inside the sum cancel: discounted rewards + γᵏ V(s_T) − V(s_t).",
        ),
        Case(
            "four actors, ends of both kinds at different times",
            lambda generator: random_record(generator, ends=True),
            "Compare with the double sum Σₖ (γλ)ᵏ δₜ₊ₖ, stopped at the first end, row by row.",
        ),
    ),
    wrong_answers=(
        mistaken(
            "worthless after both",
            "You stopped the bootstrap at the truncation. A truncated episode had a future: "
            "its δ keeps γ V(sₜ₊₁). Only `terminated` makes the future worth 0.",
        ),
        mistaken(
            "worth something after both",
            "You bootstrap after a termination. The task has ended there: V(sₜ₊₁) belongs to "
            "another episode, and the future is worth 0.",
        ),
        mistaken(
            "never cut",
            "Your sum runs across the ends, so one episode is credited with the next one's luck.",
        ),
        mistaken(
            "cut at terminations",
            "Your sum stops at terminations only. Another episode follows a truncation too.",
        ),
        mistaken(
            "cut at truncations",
            "Your sum stops at truncations only. Another episode follows a termination too.",
        ),
        mistaken("γ only", "Your sum decays by γ instead of γλ: that is GAE at λ = 1."),
        mistaken(
            "λ only", "Your sum decays by λ instead of γλ: future TD errors are discounted too."
        ),
        mistaken(
            "nothing after the edge",
            "You did not use last_values: the record's edge is not the end of the task.",
        ),
        mistaken(
            "nothing after a truncated edge",
            "You dropped last_values where the record's last step is truncated. It is V(s_T) "
            "there too.",
        ),
        mistaken(
            "truncated before terminated",
            "Where both masks are True you kept the bootstrap. The task has ended, so the future "
            "is worth 0, whatever the clock says.",
        ),
        mistaken(
            "printed exponent",
            "Your last term carries (γλ)^{T−t+1}, as PPO's eq. 11 prints it. It is (γλ)^{T−t−1}: "
            "see errata E1.",
        ),
        mistaken(
            "no critic", "You summed rewards. GAE sums the TD errors δ_t, which use the values."
        ),
    ),
)


def right_exponent(T: int, t: int) -> int:
    """The power of γλ with which δ_{T−1} enters Â_t: one factor for each step from t to T − 1."""
    return T - t - 1


def random_step(generator: torch.Generator) -> Inputs:
    T = int(torch.randint(20, 100, (1,), generator=generator))
    return Inputs((T, int(torch.randint(1, T, (1,), generator=generator))), {})


EXPONENT = Exercise(
    id="ppo.exponent",
    title="Which exponent?",
    points=1,
    reference=right_exponent,
    cases=(
        Case(
            "T = 5, t = 4: the last step",
            given(5, 4),
            "The last advantage is the last δ, with no factor at all.",
            expected=0,
        ),
        Case("T = 5, t = 3: one step earlier", given(5, 3), "Â₃ = δ₃ + γλ δ₄.", expected=1),
        Case("T = 5, t = 1", given(5, 1), "Count the steps from t to T − 1.", expected=3),
        Case("T = 128, t = 0", given(128, 0), "Count the steps from t to T − 1.", expected=127),
        Case("T = 12, t = 7", given(12, 7), "Count the steps from t to T − 1.", expected=4),
        Case("some T and t", random_step, "Count the steps from t to T − 1."),
    ),
    wrong_answers=(
        WrongAnswer(
            "T − t + 1 is what PPO's eq. 10 and 11 print (errata E1). At t = T − 1 it gives 2, "
            "but the last advantage is the last δ, with no factor.",
            lambda T, t: T - t + 1,
        ),
        WrongAnswer(
            "T − t is the power of γ that V(s_T) carries. The last δ lies one step before it.",
            lambda T, t: T - t,
        ),
        WrongAnswer("T − 1 is right for t = 0 only: count from t.", lambda T, t: T - 1),
        WrongAnswer(
            "t − T + 1 counts backwards; the power cannot be negative.", lambda T, t: t - T + 1
        ),
    ),
)
