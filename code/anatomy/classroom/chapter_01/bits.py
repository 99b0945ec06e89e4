"""Exercise 5: bits per byte, the measure that does not depend on the tokenizer."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from anatomy.classroom.case import Case, Function, Inputs, given
from anatomy.classroom.exercise import Exercise, WrongAnswer
from anatomy.models.pretraining import bits_per_byte

L2 = math.log(2)


def per_byte(losses: Tensor, text: str) -> float:
    """Total surprise in bits over the number of UTF-8 bytes."""
    return bits_per_byte(float(losses.mean()), tokens=len(losses), bytes=len(text.encode("utf-8")))


def random_text(generator: torch.Generator) -> Inputs:
    losses = torch.rand(17, generator=generator) * 5
    return Inputs((losses, "The lion, naïve as ever, ate 3 crêpes — 北京."), {})


def three_cuts(function: Function, inputs: Inputs) -> Tensor:
    """The same probability of the same text, cut into 2, 5 and 20 tokens."""
    losses, text = inputs.args
    total = losses.sum()
    found = []
    for tokens in (2, 5, 20):
        shares = torch.arange(1.0, tokens + 1)
        found.append(float(function(total * shares / shares.sum(), text)))
    return torch.tensor(found)


def variant(formula: Callable[[Tensor, str], Tensor]) -> Function:
    def function(losses: Tensor, text: str) -> float:
        return float(formula(losses, text))

    return function


BITS = Exercise(
    id="lm.bits",
    title="Bits per byte",
    points=2,
    reference=per_byte,
    cases=(
        Case(
            "two tokens, eight bytes",
            given([4 * L2, 4 * L2], "sunshine"),
            "4 + 4 bits for 8 bytes.",
            expected=1.0,
        ),
        Case(
            "the same text as one token",
            given([8 * L2], "sunshine"),
            "8 bits for 8 bytes: the number of tokens must not matter.",
            expected=1.0,
        ),
        Case(
            "a text of three characters and six bytes",
            given([3 * L2, 9 * L2], "é北a"),
            "é takes 2 bytes in UTF-8, 北 takes 3: 12 bits / 6.",
            expected=2.0,
        ),
        Case(
            "one text cut in three ways",
            given([5.0, 2.0], "all about the lion"),
            "The same probability of the text gives the same number, whatever the cut.",
            observe=three_cuts,
        ),
        Case("a text with accents", random_text, "Σ losses / (ln 2 · bytes)."),
    ),
    wrong_answers=(
        WrongAnswer(
            "These are bits per token. Sum over the tokens, then divide by the bytes.",
            variant(lambda x, text: x.mean() / L2),
        ),
        WrongAnswer(
            "You divide by characters. A byte is what is stored: len(text.encode('utf-8')).",
            variant(lambda x, text: x.sum() / (L2 * len(text))),
        ),
        WrongAnswer(
            "These are nats per byte. Divide by ln 2 for bits.",
            variant(lambda x, text: x.sum() / len(text.encode())),
        ),
        WrongAnswer(
            "You divide twice: by the tokens (the mean) and by the bytes.",
            variant(lambda x, text: x.mean() / (L2 * len(text.encode()))),
        ),
        WrongAnswer(
            "This is the perplexity, which depends on the tokenizer.",
            variant(lambda x, text: x.mean().exp()),
        ),
        WrongAnswer(
            "You multiply by ln 2. A nat is 1.44 bits: nats / ln 2.",
            variant(lambda x, text: x.sum() * L2 / len(text.encode())),
        ),
    ),
)
