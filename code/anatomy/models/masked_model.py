"""The base model's sister: the same shape and the same web, read without the triangle.

It is trained to guess hidden words, fine-tuned to sort texts, and, asked to write
although nobody trained it to, it does so by Gibbs sampling.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from anatomy.models import base_model
from anatomy.models.base_model import TRAINING_STREAM, BaseModel
from anatomy.models.bert import BERT, BERTConfig, mask_tokens
from anatomy.models.generation import draw
from anatomy.models.heads import Classifier
from anatomy.models.optimisers import adamw, muon_and_adamw
from anatomy.models.pretraining import cosine, cross_entropy
from anatomy.runtime import initial_weights, make_generator
from anatomy.tinyweb import WordTokenizer, World, token_stream, tokenizer_of


@dataclass(frozen=True)
class MaskedModel:
    """A BERT that learns from the very batches that a `BaseModel` learns from."""

    like: BaseModel

    name = "masked-model"

    @property
    def seed(self) -> int:
        """That of the base model: the same documents in the same order."""
        return self.like.seed

    @property
    def steps(self) -> int:
        """As many as the base model takes."""
        return self.like.steps

    @property
    def sources(self) -> Sequence[ModuleType]:
        """The modules whose code decides what the weights become."""
        return (base_model, *self.like.sources)

    def build(self) -> BERT:
        """A model that has read nothing; one position more, for [CLS]."""
        like = self.like
        shape = BERTConfig(
            len(like.tokenizer()),
            like.context + 1,
            like.width,
            like.layers,
            like.heads,
            rotary_base=like.rotary_base,
        )
        with initial_weights(like.seed):
            return BERT(shape)

    def begin(self, model: BERT) -> dict[str, Any]:
        """All that changes from step to step beside the weights."""
        like = self.like
        optimizers = muon_and_adamw(model, muon_lr=like.muon_rate, adamw_lr=like.learning_rate)
        return {"optimizers": optimizers, "generator": make_generator(like.seed)}

    def train(
        self, model: BERT, state: Mapping[str, Any] | None = None, done: int = 0
    ) -> Iterator[float]:
        """Hide 15 % of each batch and guess it; give back the loss on the hidden tokens."""
        like, tokenizer = self.like, self.like.tokenizer()
        state = state or self.begin(model)
        peaks = [like.muon_rate, like.learning_rate]
        stream = token_stream(
            like.world,
            tokenizer,
            TRAINING_STREAM + like.seed,
            batch_size=like.batch_size,
            length=like.context,
        )
        for i, tokens in enumerate(islice(stream, done, like.steps), start=done):
            read, targets = hide(tokens, tokenizer, state["generator"])
            loss = cross_entropy(model(read), targets)
            for optimizer in state["optimizers"]:
                optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            for optimizer, peak in zip(state["optimizers"], peaks, strict=True):
                for group in optimizer.param_groups:
                    group["lr"] = peak * cosine(i, like.steps, warmup=20, floor=0.02)
                optimizer.step()
            yield loss.item()


def hide(
    tokens: Tensor, tokenizer: WordTokenizer, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Put [CLS] before tokens (B, T) and hide 15 % by the 80/10/10 rule: two of (B, T + 1)."""
    first = tokens.new_full((len(tokens), 1), tokenizer.cls_id)
    return mask_tokens(
        torch.cat([first, tokens], dim=1),
        mask_token=tokenizer.mask_id,
        vocabulary=len(tokenizer),
        generator=generator,
        keep=torch.cat([first == first, tokens == tokenizer.eos_id], dim=1),
    )


@torch.no_grad()
def hidden_word_loss(model: BERT, world: World, *, stream_seed: int, batches: int = 16) -> float:
    """Cross-entropy on the hidden tokens of documents it was not trained on.

    It is no relation of a GPT's loss: fewer tokens, and each seen from both sides.
    """
    tokenizer, generator = tokenizer_of(world), make_generator(stream_seed)
    stream = token_stream(world, tokenizer, stream_seed, length=model.config.context - 1)
    losses = []
    for _ in range(batches):
        read, targets = hide(next(stream), tokenizer, generator)
        losses.append(float(cross_entropy(model(read), targets)))
    return sum(losses) / len(losses)


def pad_texts(tokenizer: WordTokenizer, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
    """[CLS] and the words of each text, padded on the right: tokens and mask, both (B, T)."""
    rows = [torch.tensor([tokenizer.cls_id, *tokenizer.encode(text)]) for text in texts]
    tokens = nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=tokenizer.pad_id)
    lengths = torch.tensor([len(row) for row in rows])
    return tokens, torch.arange(tokens.shape[1]) < lengths[:, None]


def finetune(
    classifier: Classifier,
    tokens: Tensor,
    mask: Tensor,
    labels: Tensor,
    *,
    steps: int = 60,
    batch_size: int = 32,
    learning_rate: float = 5e-4,
    generator: torch.Generator,
) -> None:
    """Teach classes (B,) of texts (B, T): every weight moves, the encoder's too.

    Devlin et al. (2019), section 4: few steps, a small rate, a linear decay.
    """
    optimizer = adamw(classifier, learning_rate, weight_decay=0.01)
    for i in range(steps):
        rows = torch.randint(len(labels), (batch_size,), generator=generator)
        loss = F.cross_entropy(classifier(tokens[rows], mask[rows]), labels[rows])
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(classifier.parameters(), 1.0)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate * (1 - i / steps)
        optimizer.step()


@torch.no_grad()
def classes(classifier: Classifier, tokens: Tensor, mask: Tensor) -> Tensor:
    """The likeliest class of each text: (B, T) → (B,)."""
    return classifier(tokens, mask).argmax(-1)


@torch.no_grad()
def gibbs(
    model: BERT,
    tokens: Tensor,
    fixed: Tensor,
    *,
    sweeps: int,
    mask_token: int,
    forbidden: Sequence[int],
    generator: torch.Generator,
) -> Iterator[Tensor]:
    """Write with a model that fills gaps: hide a position, draw it, go on; texts after each sweep.

    tokens (B, T); where `fixed` (B, T) nothing is drawn. One sweep visits every position
    once, in an order of its own. Each draw is from p(x_t | all the others); Wang and Cho
    (2019) tried it on the published BERT.
    """
    tokens = tokens.clone()
    B, T = tokens.shape
    for _ in range(sweeps):
        for t in torch.randperm(T, generator=generator).tolist():
            free = ~fixed[:, t]
            if not bool(free.any()):
                continue
            hidden = tokens.clone()
            hidden[free, t] = mask_token
            logits = model.logits(model.hidden(hidden)[:, t])  # (B, V)
            logits[:, list(forbidden)] = -torch.inf
            drawn = draw(logits.softmax(-1), torch.rand(B, generator=generator))
            tokens[free, t] = drawn[free]
        yield tokens.clone()
