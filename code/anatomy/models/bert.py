"""BERT: every position looks everywhere, and some of them were hidden to be guessed.

Devlin et al. (2019). Next-sentence prediction is left out: later work found that
it does not help (Liu et al. 2019).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from anatomy.models.transformer import Transformer, TransformerConfig

BERT_SIZES = {"base": (12, 768, 12), "large": (24, 1024, 16)}  # Devlin et al. (2019), section 3
IGNORE = -100  # a target that no loss counts, torch's own convention


@dataclass(frozen=True)
class BERTConfig(TransformerConfig):
    """The shape of a BERT; as it stands, the book's base model with the mask taken away."""

    @classmethod
    def bert(cls, size: str = "base", *, vocabulary: int = 30_522, context: int = 512) -> Self:
        """BERT as published, in one of its two sizes."""
        if size not in BERT_SIZES:
            raise ValueError(f"BERT comes in the sizes {', '.join(BERT_SIZES)}, not {size!r}")
        layers, width, heads = BERT_SIZES[size]
        return cls.like_bert(vocabulary, context=context, width=width, layers=layers, heads=heads)

    @classmethod
    def like_bert(
        cls, vocabulary: int, *, context: int, width: int, layers: int, heads: int
    ) -> Self:
        """BERT's choices (normalise after, learned positions, biases, segments) in any size."""
        return cls(
            vocabulary,
            context,
            width,
            layers,
            heads,
            rotary_base=None,
            pre_norm=False,
            bias=True,
            epsilon=1e-12,
            segments=2,
        )


class BERT(Transformer):
    """A transformer without a triangle, and the head that guesses hidden tokens."""

    causal = False

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__(config)
        self.transform = nn.Linear(config.width, config.width)
        self.transform_norm = nn.LayerNorm(config.width, eps=config.epsilon)
        self.output_bias = nn.Parameter(torch.zeros(config.vocabulary))
        self.pooler = nn.Linear(config.width, config.width)
        for linear in (self.transform, self.pooler):
            self._initialise(linear)

    def forward(
        self, tokens: Tensor, mask: Tensor | None = None, *, segments: Tensor | None = None
    ) -> Tensor:
        """Logits of the token at each position: (B, T) → (B, T, V)."""
        return self.logits(self.hidden(tokens, mask, segments=segments))

    def logits(self, hidden: Tensor) -> Tensor:
        """Guess tokens from hidden states: (..., D) → (..., V), the last matrix the embedding."""
        h = self.transform_norm(F.gelu(self.transform(hidden)))
        return h @ self.tokens.weight.T + self.output_bias

    def pooled(self, hidden: Tensor) -> Tensor:
        """The whole text in one vector, read off its first token, [CLS]: (B, T, D) → (B, D)."""
        return torch.tanh(self.pooler(hidden[:, 0]))


class Masked(NamedTuple):
    """What a masked language model reads, and what it must guess."""

    tokens: Tensor  # (B, T) with some tokens hidden, replaced or left
    targets: Tensor  # (B, T) the true token where one was chosen, IGNORE elsewhere


def mask_tokens(
    tokens: Tensor,
    *,
    mask_token: int,
    vocabulary: int,
    generator: torch.Generator,
    keep: Tensor | None = None,
    share: float = 0.15,
) -> Masked:
    """Choose 15 % of the tokens to guess; hide 80 % *of these*, replace 10 %, leave 10 %.

    Replacing and leaving make the model doubt every token it reads, because at
    test time nothing is hidden. `keep` (B, T) is True where no token may be chosen:
    [CLS], [SEP], padding. Devlin et al. (2019), section 3.1 and appendix A.1.
    """
    draw = torch.rand(2, *tokens.shape, generator=generator, device=tokens.device)
    chosen = draw[0] < share
    if keep is not None:
        chosen = chosen & ~keep
    hide = chosen & (draw[1] < 0.8)
    replace = chosen & (draw[1] >= 0.9)
    other = torch.randint(vocabulary, tokens.shape, generator=generator, device=tokens.device)
    read = torch.where(hide, mask_token, torch.where(replace, other, tokens))
    return Masked(read, torch.where(chosen, tokens, IGNORE))
