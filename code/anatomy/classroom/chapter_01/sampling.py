"""Exercise 4: from logits to the distribution that is drawn from."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from anatomy.classroom.case import Case, Inputs, given
from anatomy.classroom.exercise import Exercise, WrongAnswer
from anatomy.models.generation import apply_temperature, apply_top_k, apply_top_p

# Probabilities .1, .4, .2, .3, unsorted on purpose.
LOGITS = [[math.log(p) for p in (0.1, 0.4, 0.2, 0.3)]]
SQUARES = [0.01 / 0.30, 0.16 / 0.30, 0.04 / 0.30, 0.09 / 0.30]


def filtered(
    logits: Tensor, *, temperature: float = 1.0, top_k: int | None = None, top_p: float = 1.0
) -> Tensor:
    """Temperature, then top-k, then top-p of what is left: probabilities (B, V)."""
    logits = apply_temperature(logits, temperature)
    if top_k is not None:
        logits = apply_top_k(logits, top_k)
    if top_p < 1:
        logits = apply_top_p(logits, top_p)
    return logits.softmax(-1)


def random_logits(generator: torch.Generator) -> Inputs:
    logits = torch.randn(6, 20, generator=generator) * 2
    return Inputs((logits,), {"temperature": 0.8, "top_k": 9, "top_p": 0.85})


def nucleus(logits: Tensor, p: float) -> Tensor:
    return apply_top_p(logits, p) if p < 1 else logits


def at_most(logits: Tensor, p: float) -> Tensor:
    """Keep while the sum stays within p: the token that crosses p falls out."""
    if p >= 1:
        return logits
    ordered, order = logits.sort(dim=-1, descending=True, stable=True)
    cut = ordered.softmax(-1).cumsum(-1) > p
    cut[..., 0] = False
    return logits.masked_fill(cut.scatter(-1, order, cut), -math.inf)


def not_put_back(logits: Tensor, p: float) -> Tensor:
    """The cut in sorted order, applied to unsorted tokens."""
    if p >= 1:
        return logits
    ordered = logits.sort(dim=-1, descending=True).values.softmax(-1)
    return logits.masked_fill(ordered.cumsum(-1) - ordered >= p, -math.inf)


def variant(
    heat: Callable[[Tensor, float], Tensor] = apply_temperature,
    top: Callable[[Tensor, int], Tensor] = apply_top_k,
    nucleus: Callable[[Tensor, float], Tensor] = nucleus,
) -> Callable[..., Tensor]:
    """A wrong filter: another temperature, another top-k, another nucleus."""

    def function(
        logits: Tensor, *, temperature: float = 1.0, top_k: int | None = None, top_p: float = 1.0
    ) -> Tensor:
        logits = heat(logits, temperature)
        if top_k is not None:
            logits = top(logits, top_k)
        return nucleus(logits, top_p).softmax(-1)

    return function


def heated_last(
    logits: Tensor, *, temperature: float = 1.0, top_k: int | None = None, top_p: float = 1.0
) -> Tensor:
    kept = filtered(logits, top_k=top_k, top_p=top_p).log()
    return (kept / temperature).softmax(-1)


def whole_nucleus(
    logits: Tensor, *, temperature: float = 1.0, top_k: int | None = None, top_p: float = 1.0
) -> Tensor:
    """Top-p measured on all tokens, not on what top-k left."""
    kept = filtered(logits, temperature=temperature, top_k=top_k) > 0
    nucleus = filtered(logits, temperature=temperature, top_p=top_p) > 0
    return (logits / temperature).masked_fill(~(kept & nucleus), -math.inf).softmax(-1)


def not_normalised(
    logits: Tensor, *, temperature: float = 1.0, top_k: int | None = None, top_p: float = 1.0
) -> Tensor:
    kept = filtered(logits, temperature=temperature, top_k=top_k, top_p=top_p) > 0
    return torch.where(kept, (logits / temperature).softmax(-1), 0.0)


SAMPLER = Exercise(
    id="lm.sampler",
    title="Temperature, top-k, top-p",
    points=4,
    reference=filtered,
    cases=(
        Case(
            "nothing asked for",
            given(LOGITS),
            "Without any setting it is softmax.",
            expected=[[0.1, 0.4, 0.2, 0.3]],
        ),
        Case(
            "τ = ½ squares the probabilities",
            given(LOGITS, temperature=0.5),
            "Divide the logits by τ: p^(1/τ), normalised.",
            expected=[SQUARES],
        ),
        Case(
            "top-k, k = 2",
            given(LOGITS, top_k=2),
            "Two tokens are left, and their probabilities sum to 1: 4/7 and 3/7.",
            expected=[[0.0, 4 / 7, 0.0, 3 / 7]],
        ),
        Case(
            "top-p, p = 0.6",
            given(LOGITS, top_p=0.6),
            "0.4 does not reach 0.6; 0.4 + 0.3 does. The token that crosses p stays.",
            expected=[[0.0, 4 / 7, 0.0, 3 / 7]],
        ),
        Case(
            "top-p below the largest probability",
            given(LOGITS, top_p=0.2),
            "At least one token always stays.",
            expected=[[0.0, 1.0, 0.0, 0.0]],
        ),
        Case(
            "top-k, then top-p of what is left",
            given(LOGITS, top_k=3, top_p=0.75),
            "After top-k: 4/9, 3/9, 2/9. The first two sum to 0.78, which reaches 0.75.",
            expected=[[0.0, 4 / 7, 0.0, 3 / 7]],
        ),
        Case(
            "the temperature comes first",
            given(LOGITS, temperature=0.5, top_p=0.6),
            "With τ = ½ the two largest have 0.53 and 0.3; both are needed for 0.6, and stay in "
            "the proportion 16 : 9.",
            expected=[[0.0, 16 / 25, 0.0, 9 / 25]],
        ),
        Case(
            "more than there are",
            given(LOGITS, top_k=50),
            "k may exceed the vocabulary.",
            expected=[[0.1, 0.4, 0.2, 0.3]],
        ),
        Case("random logits, all three", random_logits, "Temperature, top-k, top-p, softmax."),
    ),
    wrong_answers=(
        WrongAnswer(
            "You multiply by τ. A temperature below 1 must make the likely likelier: divide.",
            variant(heat=lambda logits, temperature: logits * temperature),
        ),
        WrongAnswer(
            "You divide the probabilities by τ, which changes nothing once they are normalised. "
            "Divide the logits.",
            variant(heat=lambda logits, temperature: logits),
        ),
        WrongAnswer(
            "Your top-p drops the token that crosses p. The nucleus is the smallest set that "
            "reaches p.",
            variant(nucleus=at_most),
        ),
        WrongAnswer(
            "You cut in sorted order and forgot to sort back: the wrong tokens fall out.",
            variant(nucleus=not_put_back),
        ),
        WrongAnswer(
            "Your top-k keeps the smallest.",
            variant(top=lambda logits, k: -apply_top_k(-logits, k)),
        ),
        WrongAnswer(
            "The temperature comes last in your function. First heat or cool, then cut: else the "
            "nucleus does not depend on τ.",
            heated_last,
        ),
        WrongAnswer(
            "You measure top-p on all tokens. After top-k, p is a share of what is left.",
            whole_nucleus,
        ),
        WrongAnswer(
            "Your probabilities do not sum to 1: renormalise what is left.", not_normalised
        ),
    ),
)
