"""Exercise 1: the target of Q-learning for a batch, with both masks, plain and double."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from anatomy.algorithms.dqn import q_target
from anatomy.classroom.case import Case, Draw, Function, Inputs
from anatomy.classroom.exercise import Exercise, WrongAnswer

Rows = list[list[float]]


def target_of_a_batch(
    rewards: Tensor,
    next_values: Tensor,
    terminated: Tensor,
    truncated: Tensor,
    *,
    gamma: float,
    chooser: Tensor | None = None,
) -> Tensor:
    """The package's target, which has no use for `truncated`: (B,)."""
    return q_target(rewards, next_values, terminated, gamma=gamma, chooser=chooser)


def by(
    *,
    worthless: Callable[[Tensor, Tensor], Tensor] = lambda terminated, truncated: terminated,
    future: Callable[[Tensor, Tensor], Tensor] | None = None,
    finish: Callable[[Tensor], Tensor] = Tensor.detach,
) -> Function:
    """A wrong answer: another mask, another future or another end."""

    def chosen(next_values: Tensor, chooser: Tensor) -> Tensor:
        return next_values.gather(1, chooser.argmax(dim=1, keepdim=True)).squeeze(1)

    def function(
        rewards: Tensor,
        next_values: Tensor,
        terminated: Tensor,
        truncated: Tensor,
        *,
        gamma: float,
        chooser: Tensor | None = None,
    ) -> Tensor:
        ahead = (future or chosen)(next_values, next_values if chooser is None else chooser)
        return finish(rewards + gamma * torch.where(worthless(terminated, truncated), 0.0, ahead))

    return function


def multiplied(
    rewards: Tensor,
    next_values: Tensor,
    terminated: Tensor,
    truncated: Tensor,
    *,
    gamma: float,
    chooser: Tensor | None = None,
) -> Tensor:
    nothing = torch.zeros_like(terminated)
    full = q_target(rewards, next_values, nothing, gamma=gamma, chooser=chooser)
    return rewards + (full - rewards) * (~terminated).float()


def batch(
    rewards: list[float],
    next_values: Rows,
    terminated: list[bool],
    truncated: list[bool],
    chooser: Rows | None = None,
) -> Draw:
    def draw(_: torch.Generator) -> Inputs:
        args = tuple(torch.tensor(x) for x in (rewards, next_values, terminated, truncated))
        by_whom = {} if chooser is None else {"chooser": torch.tensor(chooser)}
        return Inputs(args, {"gamma": 0.9} | by_whom)

    return draw


def forty_steps(generator: torch.Generator) -> Inputs:
    terminated, truncated = torch.rand(2, 40, generator=generator) < 0.4
    next_values, chooser = torch.randn(2, 40, 3, generator=generator)
    rewards = torch.randn(40, generator=generator)
    return Inputs(
        (rewards, next_values, terminated, truncated), {"gamma": 0.95, "chooser": chooser}
    )


def carries_gradient(function: Function, inputs: Inputs) -> object:
    """1.0 where a gradient could flow through the target into the network behind it."""
    rewards, next_values, *flags = inputs.args
    flows = {}
    for name in ("the plain target", "the double target"):
        network = next_values.clone().requires_grad_()
        chooser = {"chooser": next_values.flip(1)} if "double" in name else {}
        found = function(rewards, network, *flags, **inputs.kwargs, **chooser)
        if type(found) is not Tensor:
            return found
        flows[f"a gradient flows through {name}"] = float(found.requires_grad)
    return flows


Q_TARGET = Exercise(
    id="pg.q_target",
    title="The target of DQN",
    points=3,
    reference=target_of_a_batch,
    cases=(
        Case(
            "no end: r + γ max Q(s', ·)",
            batch([1.0, -1.0], [[2.0, 10.0], [-5.0, -3.0]], [False] * 2, [False] * 2),
            "1 + 0.9 · 10, and −1 + 0.9 · (−3): the largest of two negative numbers.",
            expected=[10.0, -3.7],
        ),
        Case(
            "a termination",
            batch([1.0], [[2.0, 10.0]], [True], [False]),
            "The task has ended. Nothing follows the reward.",
            expected=[1.0],
        ),
        Case(
            "a truncation",
            batch([1.0], [[2.0, 10.0]], [False], [True]),
            "The clock ran out. The state that was reached has a future: 0.9 · 10.",
            expected=[10.0],
        ),
        Case(
            "both at once",
            batch([5.0], [[2.0, 10.0]], [True], [True]),
            "Ended is ended, whatever the clock says.",
            expected=[5.0],
        ),
        Case(
            "a value behind an end that is not a number",
            batch([1.0, 1.0], [[float("nan")] * 2, [2.0, 1.0]], [True, False], [False] * 2),
            "0 · NaN is NaN: choose with torch.where.",
            expected=[1.0, 2.8],
        ),
        Case(
            "double: one table chooses, the other says what it is worth",
            batch([0.0], [[2.0, 10.0, 4.0]], [False], [False], [[3.0, 1.0, 7.0]]),
            "The chooser likes action 2 best. `next_values` gives it 4, and 0.9 · 4 = 3.6.",
            expected=[3.6],
        ),
        Case(
            "forty steps with ends of all kinds, double",
            forty_steps,
            "One number for each row; `truncated` has no influence.",
        ),
        Case(
            "no gradient flows through the target",
            batch([1.0], [[2.0, 10.0]], [False], [False]),
            "The target is data. Finish with .detach(), or work under torch.no_grad().",
            expected={
                "a gradient flows through the plain target": 0.0,
                "a gradient flows through the double target": 0.0,
            },
            observe=carries_gradient,
        ),
    ),
    wrong_answers=(
        WrongAnswer(
            "You stopped the bootstrap at truncations too. The clock says nothing about s': its "
            "future is worth max Q(s', ·).",
            by(worthless=lambda terminated, truncated: terminated | truncated),
        ),
        WrongAnswer(
            "You bootstrap after terminations. Where the task has ended nothing follows.",
            by(worthless=lambda terminated, truncated: torch.zeros_like(terminated)),
        ),
        WrongAnswer(
            "You bootstrap when both flags are set. A task that has ended has ended.",
            by(worthless=lambda terminated, truncated: terminated & ~truncated),
        ),
        WrongAnswer(
            "You did not use `chooser`: this is the plain max, whose mistakes are all upward.",
            by(future=lambda next_values, chooser: next_values.amax(dim=1)),
        ),
        WrongAnswer(
            "You took the chooser's own number. It says which action, `next_values` says how much.",
            by(future=lambda next_values, chooser: chooser.amax(dim=1)),
        ),
        WrongAnswer(
            "You exchanged the roles: `next_values` chooses and `chooser` is believed.",
            by(
                future=lambda next_values, chooser: chooser.gather(
                    1, next_values.argmax(dim=1, keepdim=True)
                ).squeeze(1)
            ),
        ),
        WrongAnswer(
            "You took the mean over the actions. Q-learning asks for the best one.",
            by(future=lambda next_values, chooser: next_values.mean(dim=1)),
        ),
        WrongAnswer(
            "You multiply with 1 − terminated, and 0 · NaN is NaN. Choose with torch.where.",
            multiplied,
        ),
        WrongAnswer(
            "The numbers are right, but a gradient flows through the target into the network. "
            "Then it is not the semi-gradient of Q-learning any more: use .detach().",
            by(finish=lambda target: target),
        ),
    ),
)
