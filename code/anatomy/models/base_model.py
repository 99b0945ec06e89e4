"""The book's base model: a small GPT that has read TinyWeb, and how it was trained.

    base = cached(BaseModel())      # reporting.checkpoints: trained once, then loaded

The recipe is one frozen record. `step` is one update, a function of a batch; `train`
is the whole loop, which hands back the loss after every step, so that whoever runs
it may show progress, measure on the way, stop, or keep what `begin` made and go on later.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from anatomy import tinyweb
from anatomy.models import attention, bert, gpt, optimisers, pretraining, transformer
from anatomy.models.gpt import GPT, GPTConfig
from anatomy.models.pretraining import cosine, cross_entropy
from anatomy.runtime import autocast, initial_weights
from anatomy.tinyweb import WordTokenizer, World, token_stream, tokenizer_of

TRAINING_STREAM = 1_000  # seed of the documents that seed 0 learns from


@dataclass(frozen=True)
class BaseModel:
    """Configuration of the base model; two equal records name the same weights."""

    width: int = 128  # D
    layers: int = 4  # L
    heads: int = 4  # H
    context: int = 128  # T
    rotary_base: float | None = 1000.0  # RoPE; None: a learned vector per position
    muon: bool = True  # Muon for the matrices inside the blocks; False: AdamW for all
    steps: int = 700
    batch_size: int = 8  # B; B · T tokens a step
    learning_rate: float = 3e-3  # AdamW's peak
    muon_rate: float = 0.02  # Muon's peak
    half_precision: bool = False  # bf16 where there is hardware for it
    world_seed: int = 0
    more_rare: int = 0  # entities of each kind that its web tells beyond the usual ones, seldom
    more_names: bool = False  # a world with twice as many entities
    small_talk: bool = False  # a web that mentions everything, whether it is known or not
    seed: int = 0

    name = "base-model"

    @property
    def tokens(self) -> int:
        """How many tokens are read in all."""
        return self.steps * self.batch_size * self.context

    @property
    def sources(self) -> Sequence[ModuleType]:
        """The modules whose code decides what the weights become."""
        words = (tinyweb.lexicon, tinyweb.grammar, tinyweb.tokenizer)
        pages = (tinyweb.tasks, tinyweb.demonstrations, tinyweb.documents)
        web = (*words, tinyweb.facts, *pages, tinyweb.world)
        return (attention, transformer, gpt, bert, optimisers, pretraining, *web)

    @property
    def world(self) -> World:
        """Whose web it reads."""
        return World(self.world_seed, self.more_rare, self.more_names, self.small_talk)

    def tokenizer(self) -> WordTokenizer:
        """The tokenizer that the model reads with."""
        return tokenizer_of(self.world)

    def build(self) -> GPT:
        """A model that has read nothing."""
        shape = GPTConfig(
            len(self.tokenizer()),
            self.context,
            self.width,
            self.layers,
            self.heads,
            rotary_base=self.rotary_base,
        )
        with initial_weights(self.seed):
            return GPT(shape)

    def begin(self, model: GPT) -> dict[str, Any]:
        """All that changes from step to step beside the weights."""
        return {"optimizers": make_optimizers(model, self)}

    def train(
        self, model: GPT, state: Mapping[str, Any] | None = None, done: int = 0
    ) -> Iterator[float]:
        """Read the web, a batch at a time; give back the loss after each step.

        After `done` steps, with the `state` they left, it goes on as if it had not stopped.
        """
        state = state or self.begin(model)
        stream = token_stream(
            self.world,
            self.tokenizer(),
            TRAINING_STREAM + self.seed,
            batch_size=self.batch_size,
            length=self.context,
        )
        for i, tokens in enumerate(islice(stream, done, self.steps), start=done):
            rate = cosine(i, self.steps, warmup=20, floor=0.02)
            yield step(
                model,
                state["optimizers"],
                tokens.to(model.device),
                rate,
                half_precision=self.half_precision,
            )


def make_optimizers(model: GPT, config: BaseModel) -> list[torch.optim.Optimizer]:
    """Muon and AdamW, or AdamW alone; each group remembers its peak rate."""
    if config.muon:
        optimizers = optimisers.muon_and_adamw(
            model, muon_lr=config.muon_rate, adamw_lr=config.learning_rate
        )
    else:
        optimizers = [optimisers.adamw(model, config.learning_rate)]
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["peak"] = group["lr"]
    return optimizers


def step(
    model: GPT,
    optimizers: Sequence[torch.optim.Optimizer],
    tokens: Tensor,
    rate: float = 1.0,
    *,
    half_precision: bool = False,
) -> float:
    """One update on tokens (B, T): predict each from those before it; return the loss in nats.

    `rate` is the share of the peak learning rate. Raises FloatingPointError, and
    changes nothing, when the loss is not a number.
    """
    with autocast(tokens.device, enabled=half_precision):
        logits = model(tokens[:, :-1])  # (B, T − 1, V)
    loss = cross_entropy(logits, tokens[:, 1:])
    if not math.isfinite(loss.item()):
        raise FloatingPointError("the loss is not a number: the learning rate is too high")
    for optimizer in optimizers:
        optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = rate * group["peak"]
        optimizer.step()
    return loss.item()
