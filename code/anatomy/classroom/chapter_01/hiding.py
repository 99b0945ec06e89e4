"""Exercise 2: BERT's masking, 80/10/10 of the 15 %, judged by a χ² test on 100,000 tokens."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from anatomy.classroom.case import Case, Function, Inputs
from anatomy.classroom.exercise import Exercise, WrongAnswer
from anatomy.models.bert import IGNORE, mask_tokens

ROWS, COLUMNS = 1000, 100  # 1e5 draws
VOCABULARY, MASK, CLS = 500, 3, 0
# A right answer exceeds these once in a million: χ² with one and with two degrees of freedom.
CRITICAL_1, CRITICAL_2 = 23.9, 27.6


def many(generator: torch.Generator) -> Inputs:
    """1e5 tokens behind a [CLS] each row, which must not be chosen."""
    tokens = torch.randint(4, VOCABULARY, (ROWS, COLUMNS), generator=generator)
    tokens[:, 0] = CLS
    seed = int(torch.randint(2**31, (1,), generator=generator))
    return Inputs(
        (tokens,),
        {
            "mask_token": MASK,
            "vocabulary": VOCABULARY,
            "generator": torch.Generator().manual_seed(seed),
            "keep": tokens == CLS,
        },
    )


def nothing_to_choose(generator: torch.Generator) -> Inputs:
    inputs = many(generator)
    tokens = inputs.args[0][:2, :6]
    keep = torch.ones_like(tokens, dtype=torch.bool)
    return Inputs((tokens,), inputs.kwargs | {"keep": keep})


def chi_square(counts: list[float], shares: list[float]) -> float:
    """Σ (observed − expected)² / expected."""
    total = sum(counts)
    return sum((n - total * p) ** 2 / (total * p) for n, p in zip(counts, shares, strict=True))


def pair(found: Any) -> tuple[Tensor, Tensor]:
    if not isinstance(found, tuple) or len(found) != 2:
        raise TypeError("return two tensors: what is read, and the targets")
    return found[0], found[1]


def statistics(function: Function, inputs: Inputs) -> dict[str, float]:
    """What is true of the 1e5 draws: 1 where it holds, 0 where it does not."""
    (tokens,) = inputs.args
    keep = inputs.kwargs["keep"]
    read, targets = pair(function(tokens, **inputs.kwargs))
    chosen = targets != IGNORE
    free = int((~keep).sum())
    count = int((chosen & ~keep).sum())
    hidden = float((chosen & (read == MASK)).sum())
    left = float((chosen & (read == tokens)).sum())
    replaced = float(chosen.sum()) - hidden - left
    V = VOCABULARY
    shares = [0.8 + 0.1 / V, 0.1 + 0.1 / V, 0.1 - 0.2 / V]  # a random token may be any
    fits = chosen.any() and chi_square([hidden, left, replaced], shares) < CRITICAL_2
    rate = chi_square([count, free - count], [0.15, 0.85])
    return {
        "15 % of the tokens are chosen (χ²)": float(rate < CRITICAL_1),
        "of the chosen 80 / 10 / 10 % (χ²)": float(fits),
        "some are hidden": float(hidden > 0),
        "some are left as they are": float(left > 0.02 * count),
        "some are replaced": float(replaced > 0.02 * count),
        "targets are the true tokens": float(torch.equal(targets[chosen], tokens[chosen])),
        "tokens not chosen stay": float(torch.equal(read[~chosen], tokens[~chosen])),
        "[CLS] is never chosen": float(not (chosen & keep).any()),
    }


def both(function: Function, inputs: Inputs) -> Tensor:
    read, targets = pair(function(*inputs.args, **inputs.kwargs))
    return torch.stack([read, targets])


def variant(
    *,
    share: float = 0.15,
    hide: float = 0.8,
    replace: float = 0.1,
    all_targets: bool = False,
    read_targets: bool = False,
    keeps: bool = True,
) -> Function:
    """A wrong masking: other shares, other targets, or special tokens not kept."""

    def function(
        tokens: Tensor,
        *,
        mask_token: int,
        vocabulary: int,
        generator: torch.Generator,
        keep: Tensor,
    ) -> tuple[Tensor, Tensor]:
        draw = torch.rand(2, *tokens.shape, generator=generator)
        chosen = draw[0] < share
        if keeps:
            chosen = chosen & ~keep
        other = torch.randint(vocabulary, tokens.shape, generator=generator)
        read = torch.where(chosen & (draw[1] < hide), mask_token, tokens)
        read = torch.where(chosen & (draw[1] >= 1 - replace), other, read)
        known = read if read_targets else tokens
        return read, known if all_targets else torch.where(chosen, known, IGNORE)

    return function


HIDING = Exercise(
    id="lm.hiding",
    title="80/10/10 of the 15 %",
    points=3,
    reference=mask_tokens,
    cases=(
        Case(
            "100,000 tokens, counted",
            many,
            "Two draws for each token: the first chooses it (15 %), the second decides what "
            "happens to it.",
            expected=dict.fromkeys(
                (
                    "15 % of the tokens are chosen (χ²)",
                    "of the chosen 80 / 10 / 10 % (χ²)",
                    "some are hidden",
                    "some are left as they are",
                    "some are replaced",
                    "targets are the true tokens",
                    "tokens not chosen stay",
                    "[CLS] is never chosen",
                ),
                1.0,
            ),
            observe=statistics,
        ),
        Case(
            "nothing may be chosen",
            nothing_to_choose,
            "Where `keep` is True the token stays and the target is −100.",
            observe=both,
        ),
    ),
    wrong_answers=(
        WrongAnswer(
            "Your 80/10/10 is of all tokens. It is of the 15 % that were chosen: 12, 1.5 and 1.5 % "
            "of all.",
            variant(share=1.0),
        ),
        WrongAnswer(
            "You hide every chosen token. At test time nothing is hidden, and the model has never "
            "seen a text without [MASK] that it had to think about.",
            variant(hide=1.0, replace=0.0),
        ),
        WrongAnswer(
            "You never replace: 80 % hidden, 20 % left. Then a token that is not [MASK] is always "
            "right, and the model can trust and copy it.",
            variant(replace=0.0),
        ),
        WrongAnswer(
            "You never leave a token: 80 % hidden, 20 % replaced. Then a token that has to be "
            "guessed is never the one that stands there.",
            variant(replace=0.2),
        ),
        WrongAnswer(
            "Your targets are the tokens as the model reads them, so it learns to copy [MASK].",
            variant(read_targets=True),
        ),
        WrongAnswer(
            "You set a target at every position. Only the chosen ones are guessed; elsewhere it is "
            "−100.",
            variant(all_targets=True),
        ),
        WrongAnswer(
            "You do not look at `keep`: [CLS] is hidden too.",
            variant(keeps=False),
        ),
    ),
)
