"""Exercise 3: the step function of the language MDP, by cases and by properties."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from anatomy.classroom.case import Case, Function, Inputs
from anatomy.classroom.chapter_02.drawing import fixed, numpy_generator
from anatomy.classroom.exercise import Exercise, WrongAnswer
from anatomy.envs.token_mdp import Prefix, Score, append_token

END = 2
TEXTS = 200


def judge(text: Prefix) -> float:
    """Different for different texts, so that the wrong one is noticed."""
    return float(np.dot(text, 3.0 ** np.arange(len(text)))) + 10 * len(text)


def parts(found: Any) -> tuple[Prefix, float, bool]:
    if type(found) is not tuple or len(found) != 3:
        raise TypeError("return three things: the prefix, the reward, whether it is complete")
    text, reward, complete = found
    if type(text) is not tuple:
        raise TypeError("the prefix must be a tuple")
    return text, float(reward), bool(complete)


def outcome(function: Function, inputs: Inputs) -> dict[str, float]:
    """What one step gave, as numbers."""
    prefix, token = inputs.args
    text, reward, complete = parts(function(prefix, token, **inputs.kwargs))
    return {
        "the prefix grew by exactly the token": float(text == (*prefix, token)),
        "reward": reward,
        "complete": float(complete),
    }


def properties(function: Function, inputs: Inputs) -> dict[str, float]:
    """Write 200 random texts, with any token as the end, and count what must never happen."""
    (seed,) = inputs.args
    rng = np.random.default_rng(seed)
    broken = dict.fromkeys(
        (
            "tokens beyond max_length",
            "texts that go on after the end token",
            "rewards before the end",
            "ends without the judge's score",
            "steps that are no concatenation",
        ),
        0.0,
    )
    for _ in range(TEXTS):
        max_length = int(rng.integers(1, 6))
        prefix: Prefix = ()
        end_token = int(rng.integers(3))
        rules = {"end_token": end_token, "max_length": max_length, "score": judge}
        for _ in range(max_length + 4):
            token = int(rng.integers(3))
            text, reward, complete = parts(function(prefix, token, **rules))
            broken["steps that are no concatenation"] += text != (*prefix, token)
            broken["rewards before the end"] += not complete and reward != 0
            broken["ends without the judge's score"] += complete and reward != judge(text)
            prefix = text
            if complete:
                break
            broken["texts that go on after the end token"] += token == end_token
        broken["tokens beyond max_length"] += max(0, len(prefix) - max_length)
    return broken


def seeded(generator: torch.Generator) -> Inputs:
    return Inputs((int(numpy_generator(generator).integers(2**31)),), {})


def variant(
    ended: Callable[[Prefix, Prefix, int, int, int], bool] = lambda prefix, text, token, end, top: (
        token == end or len(text) == top
    ),
    paid: Callable[[Prefix, Prefix, bool, int, Score], float] = lambda prefix, text, over, end, s: (
        s(text) if over else 0.0
    ),
    grown: Callable[[Prefix, int, int], Prefix] = lambda prefix, token, end: (*prefix, token),
) -> Callable[..., tuple[Prefix, float, bool]]:
    """A wrong step: another end, another reward, or another concatenation."""

    def function(
        prefix: Prefix, token: int, *, end_token: int, max_length: int, score: Score
    ) -> tuple[Prefix, float, bool]:
        text = grown(prefix, token, end_token)
        over = ended(prefix, text, token, end_token, max_length)
        return text, paid(prefix, text, over, end_token, score), over

    return function


TOKEN_STEP = Exercise(
    id="rl.token_step",
    title="A step of the language MDP",
    points=3,
    reference=append_token,
    cases=(
        Case(
            "a word in the middle",
            fixed((0,), 1, end_token=END, max_length=4, score=judge),
            "Append the token; the text goes on, and nothing is paid yet.",
            expected={"the prefix grew by exactly the token": 1, "reward": 0, "complete": 0},
            observe=outcome,
        ),
        Case(
            "the end token",
            fixed((0, 1), END, end_token=END, max_length=4, score=judge),
            "The end token belongs to the text: the judge reads (0, 1, 2), worth 0 + 3 + 18 + 30.",
            expected={"the prefix grew by exactly the token": 1, "reward": 51, "complete": 1},
            observe=outcome,
        ),
        Case(
            "a word that fills the text",
            fixed((0, 1, 0), 1, end_token=END, max_length=4, score=judge),
            "With four tokens the text is complete, ended or not, and it is scored: 30 + 40.",
            expected={"the prefix grew by exactly the token": 1, "reward": 70, "complete": 1},
            observe=outcome,
        ),
        Case(
            "an empty text, ended at once",
            fixed((), END, end_token=END, max_length=4, score=judge),
            "(2,) is a text like any other: 2 + 10.",
            expected={"the prefix grew by exactly the token": 1, "reward": 12, "complete": 1},
            observe=outcome,
        ),
        Case(
            "200 random texts, limits from 1 to 5, any end token",
            seeded,
            "These are properties that hold for every text, and for every token as the end.",
            observe=properties,
        ),
    ),
    wrong_answers=(
        WrongAnswer(
            "You pay the judge's score at every token. It belongs to the finished text.",
            variant(paid=lambda prefix, text, over, end, score: score(text)),
        ),
        WrongAnswer(
            "You scored the text before the last token was appended.",
            variant(paid=lambda prefix, text, over, end, s: s(prefix) if over and prefix else 0.0),
        ),
        WrongAnswer(
            "Your limit is one token too late: the new text has len(prefix) + 1 tokens.",
            variant(ended=lambda prefix, text, token, end, top: token == end or len(prefix) == top),
        ),
        WrongAnswer(
            "A text that reaches the limit is not scored by you. It is complete, and the judge "
            "reads what is there.",
            variant(
                paid=lambda prefix, text, over, end, s: s(text) if over and text[-1] == end else 0.0
            ),
        ),
        WrongAnswer(
            "Your text never reaches its limit: only the end token ends it.",
            variant(ended=lambda prefix, text, token, end, top: token == end),
        ),
        WrongAnswer(
            "You wrote the number of the end token into the function. It comes as `end_token`.",
            variant(ended=lambda prefix, text, token, end, top: token == END or len(text) == top),
        ),
        WrongAnswer(
            "You did not append the end token; the judge must see that the text was ended.",
            variant(
                ended=lambda prefix, text, token, end, top: token == end or len(text) == top,
                grown=lambda prefix, token, end: prefix if token == end else (*prefix, token),
            ),
        ),
    ),
)
