"""Exercise 2: BERT's masking, 80/10/10 of the 15 %, judged by a χ² test on 100,000 tokens."""

from __future__ import annotations

from typing import Any

import torch
from scipy import stats
from torch import Tensor

from anatomy.classroom.case import Case, Function, Inputs
from anatomy.classroom.exercise import Exercise, WrongAnswer
from anatomy.models.bert import IGNORE, mask_tokens

ROWS, COLUMNS = 1000, 100  # 1e5 draws
VOCABULARY, MASK, CLS = 500, 3, 0
BINS = 10  # of the vocabulary, to see where random tokens come from
RARE = 1e-6  # how often a right answer fails one of the tests
SHARE = 0.15


def many(generator: torch.Generator) -> Inputs:
    """1e5 tokens behind a [CLS] each row, which must not be chosen.

    The text uses the lower half of the vocabulary, so that a token drawn from the text shows.
    """
    tokens = torch.randint(4, VOCABULARY // 2, (ROWS, COLUMNS), generator=generator)
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


def likely(counts: list[float], shares: list[float]) -> bool:
    """Whether counts may come from these shares, by Pearson's χ²."""
    return chi_square(counts, shares) < stats.chi2.isf(RARE, len(counts) - 1)


def spread(counts: Tensor, tries: Tensor, share: float) -> bool:
    """Whether rows vary as much as single draws do, or less: counts (R,) of tries (R,)."""
    counts, tries = counts[tries > 0].double(), tries[tries > 0].double()
    found = ((counts - tries * share) ** 2 / (tries * share * (1 - share))).sum()
    return float(found) < stats.chi2.isf(RARE, len(counts))


def pair(found: Any) -> tuple[Tensor, Tensor]:
    if not isinstance(found, tuple) or len(found) != 2:
        raise TypeError("return two tensors: what is read, and the targets")
    return found[0], found[1]


def statistics(function: Function, inputs: Inputs) -> dict[str, float]:
    """What is true of the 1e5 draws: 1 where it holds, 0 where it does not."""
    (tokens,) = inputs.args
    keep = inputs.kwargs["keep"]
    seed = inputs.kwargs["generator"].initial_seed()
    again, other = (torch.Generator().manual_seed(s) for s in (seed, seed + 1))
    read, targets = pair(function(tokens, **inputs.kwargs))
    repeated = pair(function(tokens, **inputs.kwargs | {"generator": again}))
    different = pair(function(tokens, **inputs.kwargs | {"generator": other}))
    chosen = targets != IGNORE
    free = int((~keep).sum())
    count = int((chosen & ~keep).sum())
    hidden = float((chosen & (read == MASK)).sum())
    left = float((chosen & (read == tokens)).sum())
    replaced = float(chosen.sum()) - hidden - left
    V = VOCABULARY
    shares = [0.8 + 0.1 / V, 0.1 + 0.1 / V, 0.1 - 0.2 / V]  # a random token may be any
    fits = chosen.any() and likely([hidden, left, replaced], shares)
    strange = read[chosen & (read != MASK) & (read != tokens)]
    bins = torch.bincount(strange.clamp(0, V - 1) * BINS // V, minlength=BINS).tolist()
    hidden_here = (chosen & (read == MASK)).sum(1)
    single = spread((chosen & ~keep).sum(1), (~keep).sum(1), SHARE)
    single = single and spread(hidden_here, chosen.sum(1), shares[0])
    return {
        "15 % of the tokens are chosen (χ²)": float(
            likely([count, free - count], [SHARE, 1 - SHARE])
        ),
        "of the chosen 80 / 10 / 10 % (χ²)": float(fits),
        "some are hidden": float(hidden > 0),
        "some are left as they are": float(left > 0.02 * count),
        "some are replaced": float(replaced > 0.02 * count),
        "random tokens are from the whole vocabulary (χ²)": float(
            len(strange) > 0 and likely(bins, [1 / BINS] * BINS)
        ),
        "every token has draws of its own (χ²)": float(single),
        "the same generator state, the same draws": float(
            torch.equal(read, repeated[0]) and torch.equal(targets, repeated[1])
        ),
        "another state, other draws": float(not torch.equal(targets, different[1])),
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
    rows: bool = False,
    from_text: bool = False,
    deaf: bool = False,
) -> Function:
    """A wrong masking: other shares, targets or draws, or special tokens not kept."""

    def function(
        tokens: Tensor,
        *,
        mask_token: int,
        vocabulary: int,
        generator: torch.Generator,
        keep: Tensor,
    ) -> tuple[Tensor, Tensor]:
        generator = torch.Generator().manual_seed(0) if deaf else generator
        draw = torch.rand(2, *tokens.shape, generator=generator)
        draw = draw[:, :, :1].expand_as(draw) if rows else draw
        chosen = draw[0] < share
        if keeps:
            chosen = chosen & ~keep
        other = torch.randint(vocabulary, tokens.shape, generator=generator)
        other = tokens.roll(1, dims=1) if from_text else other
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
                    "random tokens are from the whole vocabulary (χ²)",
                    "every token has draws of its own (χ²)",
                    "the same generator state, the same draws",
                    "another state, other draws",
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
        WrongAnswer(
            "You draw once for a row. Then whole sentences are hidden, and nothing is left from "
            "which to guess.",
            variant(rows=True),
        ),
        WrongAnswer(
            "Your random tokens come from the text. Draw them from the whole vocabulary.",
            variant(from_text=True),
        ),
        WrongAnswer(
            "You do not use the generator that you are given: every text would be hidden in the "
            "same places.",
            variant(deaf=True),
        ),
    ),
)
