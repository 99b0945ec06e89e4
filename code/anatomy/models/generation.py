"""Sampling text from a GPT: one token after the other, many texts side by side.

The keys and values of what is written already are kept (`attention.Cache`), so
that each step reads one new token per text; prompts of different lengths are padded
on the left, so that all texts grow at the same column.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn

from anatomy.models.gpt import GPT
from anatomy.models.transformer import check_tokens

ALIVE = 0.75  # when fewer texts than this share are unfinished, the finished are dropped


class Generated(NamedTuple):
    """What was written, and how likely it was."""

    texts: Tensor  # (B, P + T) prompts and responses
    mask: Tensor  # (B, T) True on response tokens, up to and including a stop token
    logprobs: Tensor  # (B, T) log-probability of each under the distribution drawn from; 0 outside


def left_pad(prompts: Sequence[Sequence[int]], *, pad_token: int) -> tuple[Tensor, Tensor]:
    """Token lists of any lengths as one rectangle: tokens and mask, both (B, P)."""
    if not prompts or not all(len(prompt) for prompt in prompts):
        raise ValueError("a prompt is empty: a model needs at least one token to start from")
    longest = max(map(len, prompts))
    tokens = torch.full((len(prompts), longest), pad_token)
    mask = torch.zeros(len(prompts), longest, dtype=torch.bool)
    for row, prompt in enumerate(prompts):
        tokens[row, longest - len(prompt) :] = torch.tensor(prompt)
        mask[row, longest - len(prompt) :] = True
    return tokens, mask


def apply_temperature(logits: Tensor, temperature: float) -> Tensor:
    """z / τ: below 1 the likely grows likelier, above 1 all grow alike: (..., V)."""
    if not temperature > 0:
        raise ValueError(f"the temperature must be positive, got {temperature}; 0 is greedy search")
    return logits / temperature


def apply_top_k(logits: Tensor, k: int) -> Tensor:
    """Keep the k largest (and what equals the last of them), −∞ elsewhere: (..., V)."""
    if k < 1:
        raise ValueError(f"top-k must keep at least one token, got {k}")
    smallest = logits.topk(min(k, logits.shape[-1]), dim=-1).values[..., -1:]
    return logits.masked_fill(logits < smallest, -math.inf)


def apply_top_p(logits: Tensor, p: float) -> Tensor:
    """Keep the fewest tokens whose probabilities reach p, −∞ elsewhere: (..., V).

    A token stays while those before it sum to less than p, so the most likely one
    always does. Holtzman et al. (2020), section 3.1.
    """
    if not 0 < p <= 1:
        raise ValueError(f"top-p must lie in (0, 1], got {p}")
    if p == 1:
        return logits  # a rounded sum may reach 1 before the last token
    ordered, order = logits.sort(dim=-1, descending=True, stable=True)
    probabilities = ordered.softmax(dim=-1)
    before = probabilities.cumsum(dim=-1) - probabilities
    return logits.masked_fill((before >= p).scatter(-1, order, before >= p), -math.inf)


def draw(probabilities: Tensor, uniform: Tensor) -> Tensor:
    """Turn one uniform number per row into a token: the first whose cumulative sum exceeds it.

    Inverse-CDF sampling: (B, V) and (B,) in [0, 1) → (B,). A token of probability
    0 is never chosen.
    """
    cumulative = probabilities.cumsum(dim=-1)  # (B, V)
    threshold = uniform * cumulative[:, -1]  # the sum is 1 only up to rounding
    return torch.searchsorted(cumulative, threshold[:, None], right=True).squeeze(1)


@contextmanager
def by_columns(model: nn.Module) -> Iterator[None]:
    """Inside, the matrices of all linear maps lie in memory by columns; no number changes.

    A processor multiplies few rows, as there are at one new token a text, by a matrix that
    lies so about 1.4 times as fast. Training has many rows, and does not care. Afterwards
    every weight is back in its own memory. Nothing happens on a GPU.
    """
    weights = [module.weight for module in model.modules() if isinstance(module, nn.Linear)]
    rows = [(w, w.data) for w in weights if w.device.type == "cpu" and type(w.data) is Tensor]
    try:
        with torch.inference_mode(False):
            for weight, by_rows in rows:
                weight.data = by_rows.T.contiguous().T
        yield
    finally:
        for weight, by_rows in rows:
            weight.data = by_rows


@torch.no_grad()
def generate(
    model: GPT,
    prompts: Tensor,
    steps: int,
    *,
    generator: torch.Generator,
    mask: Tensor | None = None,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    stop_tokens: Sequence[int] = (),
    cached: bool = True,
) -> Generated:
    """Continue left-padded prompts (B, P) by up to `steps` tokens each.

    `mask` (B, P) is True on the tokens of a prompt. Temperature, top-k and top-p
    apply in this order; temperature 0 takes the most likely token. A text ends with
    the first of `stop_tokens` that it draws, and is filled up with the first of the list.
    `cached=False` reads the whole text again at each step: the same result, slower.

    All randomness is drawn beforehand, one number for each row and step, so a row's
    text does not depend on when others end. Raises ValueError for a prompt that is
    empty, too long for the context, or from another vocabulary.
    """
    _check(model, prompts, mask, steps)
    B, P = prompts.shape
    uniforms = torch.rand(steps, B, generator=generator, device=generator.device).to(prompts.device)
    stop = torch.tensor(stop_tokens, dtype=torch.int64, device=prompts.device)
    fill = stop_tokens[0] if stop_tokens else 0
    texts = torch.cat([prompts, prompts.new_full((B, steps), fill)], dim=1)
    written = torch.zeros(B, steps, dtype=torch.bool, device=prompts.device)
    logprobs = torch.zeros(B, steps, device=prompts.device)

    real = mask if mask is None or not mask.all() else None
    cache = model.new_cache(B, P + steps) if cached else None
    rows = torch.arange(B, device=prompts.device)  # the texts that are still in the batch
    alive = torch.ones_like(rows, dtype=torch.bool)  # and those among them that are not finished
    with by_columns(model):
        hidden = model.hidden(prompts, real, cache=cache)
        for t in range(steps):
            logits = model.logits(hidden[:, -1]).float()  # (rows, V)
            token, logprob = _choose(logits, uniforms[t, rows], temperature, top_k, top_p)
            texts[rows, P + t] = torch.where(alive, token, fill)
            written[rows, t] = alive
            logprobs[rows, t] = torch.where(alive, logprob, 0.0)
            if len(stop):
                alive = alive & ~torch.isin(token, stop)
                left = int(alive.sum())
                if left == 0:
                    break
                if left < ALIVE * len(rows):
                    rows, token = rows[alive], token[alive]
                    if cache is not None:
                        cache.keep(alive)
                    alive = alive[alive]
            if t + 1 == steps:
                break
            if cache is not None:
                hidden = model.hidden(token[:, None], cache=cache)
            else:
                so_far = texts[rows, : P + t + 1]
                hidden = model.hidden(so_far, None if real is None else _longer(real[rows], t + 1))
    return Generated(texts, written, logprobs)


def _choose(
    logits: Tensor, uniform: Tensor, temperature: float, top_k: int | None, top_p: float | None
) -> tuple[Tensor, Tensor]:
    """The next token of each row and its log-probability: (B, V) → two of (B,)."""
    if temperature == 0:
        token = logits.argmax(dim=-1)
        return token, torch.zeros_like(uniform)  # chosen for certain
    if temperature != 1:
        logits = apply_temperature(logits, temperature)
    if top_k is not None:
        logits = apply_top_k(logits, top_k)
    if top_p is not None:
        logits = apply_top_p(logits, top_p)
    logprobs = logits.log_softmax(dim=-1)
    token = draw(logprobs.exp(), uniform)
    return token, logprobs.gather(-1, token[:, None]).squeeze(-1)


def _longer(mask: Tensor, steps: int) -> Tensor:
    """The mask of prompts (B, P) with `steps` response tokens behind, all of them real."""
    return torch.cat([mask, mask.new_ones(len(mask), steps)], dim=1)


def _check(model: GPT, prompts: Tensor, mask: Tensor | None, steps: int) -> None:
    if steps < 1:
        raise ValueError(f"there must be at least one step to write, got {steps}")
    if prompts.shape[-1] == 0 or (mask is not None and not mask.any(1).all()):
        raise ValueError("a prompt is empty: a model needs at least one token to start from")
    check_tokens(prompts.cpu(), model.config)
    context = model.config.context
    if prompts.shape[1] + steps > context:
        raise ValueError(
            f"a prompt of {prompts.shape[1]} tokens leaves no room for {steps} more: "
            f"this model reads at most {context}"
        )
    if mask is not None and not mask[:, -1].all():
        raise ValueError("prompts must be padded on the left, so that all end in the last column")
