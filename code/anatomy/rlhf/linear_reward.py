"""A reward model whose transformer stays as it is: its score is linear, its learning convex.

    x = features(policy, texts, mask)                     # once for all answers
    theta = fit_linear(x_preferred, x_rejected, l2=1e-2)  # the one maximum
    scores = x @ theta

The reward model of `reward_model` reads r = w·h_T + b + Σ_t g(h_t)·s_t. If only w and the gate
g are learned, everything else is a list of numbers for each answer, found once. That costs a
thousandth of the time, and shows what the transformer knew before anybody asked it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from anatomy.models.gpt import GPT
from anatomy.models.packing import following, parts, token_logprobs
from anatomy.rlhf.answers import PAD, Answer, batch_of_texts
from anatomy.rlhf.preferences import bradley_terry_loss
from anatomy.rlhf.reward_model import SURPRISE_FLOOR
from anatomy.runtime import require_same_shape
from anatomy.tinyweb import Task, WordTokenizer

ROWS = 256


@torch.no_grad()
def features(policy: GPT, texts: Tensor, mask: Tensor, *, pad_token: int = PAD) -> Tensor:
    """(h_T, Σ_t s_t·h_t, Σ_t s_t) of texts (B, P + T) with responses `mask` (B, T): (B, 2D + 1).

    h_t are the last hidden states and s_t = max(log p(y_t|…), −8) how likely each word was.
    """
    found, rows = [], []
    for part in parts(texts, mask, pad_token=pad_token):
        hidden = policy.hidden(part.tokens)  # (b, S, D)
        row = torch.arange(len(part.rows), device=texts.device)
        before = hidden[:, :-1][part.before[:, :-1]]  # (n, D)
        likely = token_logprobs(policy, before, following(part)).clamp_min(SURPRISE_FLOOR)
        whose = row[:, None].expand_as(part.before)[part.before]
        heard = torch.cat([before, torch.ones_like(before[:, :1])], dim=1) * likely[:, None]
        sums = heard.new_zeros(len(row), heard.shape[1]).index_add(0, whose, heard)
        found.append(torch.cat([hidden[row, part.last], sums], dim=1))
        rows.append(part.rows)
    return torch.cat(found)[torch.cat(rows).argsort()]


def features_of(
    policy: GPT, tokenizer: WordTokenizer, tasks: Sequence[Task], answers: Sequence[Answer]
) -> Tensor:
    """The features of answers to tasks, some hundred at a time: (N, 2D + 1)."""
    found = [
        features(policy, *batch_of_texts(tokenizer, tasks[i : i + ROWS], answers[i : i + ROWS]))
        for i in range(0, len(tasks), ROWS)
    ]
    return torch.cat(found)


def fit_linear(preferred: Tensor, rejected: Tensor, *, l2: float, steps: int = 200) -> Tensor:
    """The θ (F,) that minimises −mean log σ(θ·(x_w − x_l)) + l2/2 Σ_f (σ_f θ_f)², by L-BFGS.

    `preferred` and `rejected` (B, F) are features; σ_f is the spread of a feature, so that the
    penalty does not depend on its unit. Convex: there is one minimum (for l2 > 0).
    """
    require_same_shape(preferred=preferred, rejected=rejected)
    if not l2 > 0:
        raise ValueError(f"l2 must be positive, or separable labels send θ to infinity; got {l2}")
    spread = torch.cat([preferred, rejected]).std(dim=0).clamp_min(1e-6).double()
    better, worse = preferred.double() / spread, rejected.double() / spread
    theta = torch.zeros_like(better[0], requires_grad=True)
    optimizer = torch.optim.LBFGS([theta], max_iter=steps, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = bradley_terry_loss(better @ theta, worse @ theta) + l2 / 2 * theta.square().sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    return (theta.detach() / spread).to(preferred.dtype)
