"""The blocks that BERT and GPT share, and the stack of them.

What makes a stack of these a GPT or a BERT is the mask alone: which positions a
position may look at. Vaswani et al. (2017).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from anatomy.models.attention import (
    Attention,
    Cache,
    Sight,
    additive,
    attention_weights,
    causal_mask,
    turns,
)


@dataclass(frozen=True)
class TransformerConfig:
    """The shape of a transformer. The defaults are the book's own small model."""

    vocabulary: int  # V
    context: int = 128  # the longest T
    width: int = 128  # D
    layers: int = 4  # L
    heads: int = 4  # H
    rotary_base: float | None = 1000.0  # base of RoPE; None: a learned vector per position
    pre_norm: bool = True  # normalise what enters a sublayer (GPT-2), not what leaves it (BERT)
    bias: bool = False  # in every linear map and every normalisation
    gelu: Literal["none", "tanh"] = "none"  # exact erf, or GPT-2's approximation by tanh
    epsilon: float = 1e-5  # of the normalisations
    segments: int = 0  # BERT's sentence A and sentence B

    def __post_init__(self) -> None:
        for name in ("vocabulary", "context", "width", "layers", "heads"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.width % self.heads:
            raise ValueError(f"width {self.width} cannot be divided among {self.heads} heads")
        if self.rotary_base is not None and self.head_width % 2:
            raise ValueError(
                f"RoPE turns pairs of numbers: a head cannot be {self.head_width} wide"
            )

    @property
    def head_width(self) -> int:
        """D / H."""
        return self.width // self.heads


class MLP(nn.Module):
    """Every position thinks alone: D → 4D → D."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.up = nn.Linear(config.width, 4 * config.width, bias=config.bias)
        self.down = nn.Linear(4 * config.width, config.width, bias=config.bias)
        self.gelu = config.gelu

    def forward(self, x: Tensor) -> Tensor:
        return self.down(F.gelu(self.up(x), approximate=self.gelu))


class Block(nn.Module):
    """Look around, then think; each adds to the stream that runs through the layers."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.pre_norm = config.pre_norm
        self.norm1 = layer_norm(config)
        self.attention = Attention(config.width, config.heads, bias=config.bias)
        self.norm2 = layer_norm(config)
        self.mlp = MLP(config)

    def forward(self, x: Tensor, sight: Sight, layer: int, cache: Cache | None) -> Tensor:
        if self.pre_norm:
            x = x + self.attention(self.norm1(x), sight, layer, cache)
            return x + self.mlp(self.norm2(x))
        x = self.norm1(x + self.attention(x, sight, layer, cache))
        return self.norm2(x + self.mlp(x))


def layer_norm(config: TransformerConfig) -> nn.LayerNorm:
    """(x − mean) / std over the width, times a learned gain, plus a bias if there are any."""
    return nn.LayerNorm(config.width, eps=config.epsilon, bias=config.bias)


class Transformer(nn.Module):
    """Embeddings and L blocks: tokens (B, T) → hidden states (B, T, D).

    `GPT` and `BERT` add the mask and what is predicted. With `pre_norm` one more normalisation
    ends the stack; without it, the same one starts it, as in BERT. There is no dropout.
    """

    causal: bool
    turn: Tensor

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        self.tokens = nn.Embedding(config.vocabulary, config.width)
        if config.rotary_base is None:
            self.positions = nn.Embedding(config.context, config.width)
        else:
            turn = turns(torch.arange(config.context), config.head_width, config.rotary_base)
            # two real numbers each: `.to(torch.bfloat16)` would drop the imaginary part
            self.register_buffer("turn", torch.view_as_real(turn), persistent=False)
        if config.segments:
            self.segments = nn.Embedding(config.segments, config.width)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = layer_norm(config)
        self.apply(self._initialise)

    def _initialise(self, module: nn.Module) -> None:
        """N(0, 0.02²), as GPT-2 and BERT; maps into the stream are scaled by 1/√(2L) (GPT-2)."""
        if isinstance(module, nn.Linear | nn.Embedding):
            nn.init.normal_(module.weight, std=0.02)
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)
        if isinstance(module, Block) and self.config.pre_norm:
            for linear in (module.attention.out, module.mlp.down):
                nn.init.normal_(linear.weight, std=0.02 / math.sqrt(2 * self.config.layers))

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.tokens.weight.device

    def hidden(
        self,
        tokens: Tensor,
        mask: Tensor | None = None,
        *,
        segments: Tensor | None = None,
        cache: Cache | None = None,
    ) -> Tensor:
        """What the stack makes of tokens (B, T): (B, T, D), one vector per position.

        `mask` (B, T) is True on real tokens; padding changes nothing for the others. With a
        `cache`, `tokens` continue what it holds. ValueError if the model cannot read them.
        """
        self._check(tokens, mask, cache)
        x, sight = self._embed(tokens, mask, segments, cache)
        for layer, block in enumerate(self.blocks):
            x = block(x, sight, layer, cache)
        if cache is not None:
            cache.length += tokens.shape[1]
        return self.norm(x) if self.config.pre_norm else x

    @torch.no_grad()
    def patterns(self, tokens: Tensor, mask: Tensor | None = None) -> Tensor:
        """Who looks at whom: the attention weights of all layers and heads, (L, B, H, T, T)."""
        self._check(tokens, mask, None)
        x, sight = self._embed(tokens, mask, None, None)
        weights = []
        for layer, block in enumerate(self.blocks):
            assert isinstance(block, Block)
            read = block.norm1(x) if self.config.pre_norm else x
            q, k, _ = block.attention.project(read, sight.turn)
            weights.append(attention_weights(q, k, sight.mask))
            x = block(x, sight, layer, None)
        return torch.stack(weights)

    def _embed(
        self, tokens: Tensor, mask: Tensor | None, segments: Tensor | None, cache: Cache | None
    ) -> tuple[Tensor, Sight]:
        """The first hidden states, and what the layers may see."""
        T = tokens.shape[1]
        past = 0 if cache is None else cache.length
        real = join_masks(mask, tokens, cache)  # (B, past + T) or None
        if real is None:
            positions = torch.arange(past, past + T, device=tokens.device)  # (T,)
        else:
            positions = (real.cumsum(1) - 1).clamp_min(0)[:, past:]  # (B, T)
        x = self.tokens(tokens)
        if self.config.rotary_base is None:
            x = x + self.positions(positions)
            turn = None
        else:
            turns_here = torch.view_as_complex(self.turn[positions].float())
            turn = turns_here.unsqueeze(-2)  # one factor for all heads
        if self.config.segments:
            x = x + self.segments(torch.zeros_like(tokens) if segments is None else segments)
        if not self.config.pre_norm:
            x = self.norm(x)
        look = self._visible(T, past, real, tokens.device)
        look = None if look is None else additive(look, x.dtype)
        return x, Sight(look, self.causal and past == 0 and real is None, turn)

    def _visible(
        self, T: int, past: int, real: Tensor | None, device: torch.device
    ) -> Tensor | None:
        """Which key each of T queries may look at, bool; None when all may look at all."""
        look = causal_mask(past + T, device=device)[past:] if self.causal and T > 1 else None
        if real is None:
            return look  # (T, past + T)
        look = real[:, None, None, :] if look is None else real[:, None, None, :] & look
        # a padded query sees itself: a row of −∞ has no softmax
        itself = torch.eye(past + T, dtype=torch.bool, device=device)[past:]
        return look | itself  # (B, 1, T, past + T)

    def _check(self, tokens: Tensor, mask: Tensor | None, cache: Cache | None) -> None:
        past = 0 if cache is None else cache.length
        check_tokens(tokens, self.config, past=past)
        if mask is not None and mask.shape != tokens.shape:
            raise ValueError(
                f"the mask {tuple(mask.shape)} must have the shape of the tokens "
                f"{tuple(tokens.shape)}"
            )


def join_masks(mask: Tensor | None, tokens: Tensor, cache: Cache | None) -> Tensor | None:
    """Which columns so far are real, (B, S) bool; None when none is padding. Told to the cache."""
    past = None if cache is None else cache.real
    if past is None and (mask is None or bool(mask.all())):
        return None
    if cache is None:
        return mask
    if past is None:
        past = torch.ones(len(tokens), cache.length, dtype=torch.bool, device=tokens.device)
    mask = torch.ones_like(tokens, dtype=torch.bool) if mask is None else mask
    cache.real = torch.cat([past, mask], dim=1)
    return cache.real


def check_tokens(tokens: Tensor, config: TransformerConfig, *, past: int = 0) -> None:
    """Raise ValueError, in one sentence, for tokens that a model of this shape cannot read."""
    if tokens.ndim != 2:
        raise ValueError(f"tokens must be (B, T), got {tuple(tokens.shape)}")
    if tokens.numel() == 0:
        raise ValueError("the text is empty: a model needs at least one token to start from")
    if past + tokens.shape[1] > config.context:
        raise ValueError(
            f"the text has {past + tokens.shape[1]} tokens, more than the context of "
            f"{config.context} that this model reads"
        )
    if past or tokens.is_cuda:  # the model's own tokens; or a look that would stop the GPU
        return
    low, high = int(tokens.min()), int(tokens.max())
    if low < 0 or high >= config.vocabulary:
        raise ValueError(
            f"token {low if low < 0 else high} is outside the vocabulary of {config.vocabulary}: "
            "was the text made by another tokenizer?"
        )
