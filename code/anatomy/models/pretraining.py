"""What a training loop of a language model needs, each piece an equation.

The loop itself is the chapter's:

    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = peak * cosine(step, steps, warmup=50)
        loss = cross_entropy(model(tokens[:, :-1]), tokens[:, 1:])
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
"""

from __future__ import annotations

import math

from torch import Tensor
from torch.nn import functional as F

from anatomy.models.bert import IGNORE
from anatomy.models.transformer import TransformerConfig


def cross_entropy(logits: Tensor, targets: Tensor, mask: Tensor | None = None) -> Tensor:
    """−(1/n) Σ log softmax(logits)[target], over the positions that count: a scalar, in nats.

    `logits` (B, T, V), `targets` (B, T); `mask` (B, T) is True where a position
    counts, and a target of −100 (`bert.IGNORE`) never does. Its minimum over all
    models is the entropy of the text (Shannon 1948). Raises ValueError when nothing counts.
    """
    if mask is not None:
        targets = targets.masked_fill(~mask, IGNORE)
    if bool((targets == IGNORE).all()):
        raise ValueError("no position counts, so there is no loss to take the mean of")
    return F.cross_entropy(logits.flatten(0, -2).float(), targets.flatten(), ignore_index=IGNORE)


def perplexity(loss: float) -> float:
    """e^loss: among how many equally likely tokens the model hesitates.

    It depends on the tokenizer: see `bits_per_byte`.
    """
    return math.exp(loss)


def bits_per_byte(loss: float, *, tokens: int, bytes: int) -> float:
    """loss · tokens / (ln 2 · bytes): the length of the text in bits, spread over its bytes.

    `loss` is the mean cross-entropy in nats over `tokens` tokens that write `bytes`
    bytes. What is divided out is the tokenizer, so models with different ones can
    be compared.
    """
    return loss * tokens / (math.log(2) * bytes)


def cosine(step: int, steps: int, *, warmup: int = 0, floor: float = 0.1) -> float:
    """Share of the peak learning rate: up in a line, down along half a cosine, to `floor`.

    floor + (1 − floor) · ½ (1 + cos(π · done)), Loshchilov and Hutter (2017), eq. 5,
    where `done` runs from 0 at the end of the warm-up to 1 at the last step.
    """
    if step < warmup:
        return (step + 1) / warmup
    done = min(1.0, (step - warmup) / max(1, steps - 1 - warmup))
    return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * done))


def block_parameters(config: TransformerConfig) -> int:
    """12·L·D²: 4 D² of attention (q, k, v, out) and 8 D² of MLP in each of L blocks."""
    return 12 * config.layers * config.width**2


def gpt_parameters(config: TransformerConfig) -> int:
    """All parameters of `GPT(config)`: 12·L·D², the embeddings, normalisations and biases."""
    V, T, L, D = config.vocabulary, config.context, config.layers, config.width
    embeddings = V * D + (T * D if config.rotary_base is None else 0) + config.segments * D
    normalisations = (2 * L + 1) * D * (2 if config.bias else 1)
    biases = L * 9 * D if config.bias else 0  # 3D + D of attention, 4D + D of the MLP
    return block_parameters(config) + embeddings + normalisations + biases


def training_flops(config: TransformerConfig, tokens: int, *, length: int | None = None) -> int:
    """6·N·tokens + 12·L·D·T·tokens: multiplications and additions of forward and backward pass.

    N counts the weights that multiply: 12·L·D² and the output matrix V·D. Each makes
    2 operations per token forward and 4 backward. The second term is attention over
    texts of `length` T (the context unless given), the triangle counted as a square.
    Kaplan et al. (2020), section 2.1; Chowdhery et al. (2022), appendix B.
    """
    length = config.context if length is None else length
    weights = block_parameters(config) + config.vocabulary * config.width
    return (6 * weights + 12 * config.layers * config.width * length) * tokens
