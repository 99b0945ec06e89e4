"""Supervised fine-tuning: show the model how an assistant answers.

    sft = cached(SFT(base=BaseModel(seed=0), seed=0))

Step 1 of InstructGPT. The loss is that of a language model, on demonstrations, and only
on the tokens of the answer: nobody wants to learn to ask. Beside the demonstrations web text
may be read, so that what the web taught is not forgotten (Ouyang et al. 2022, appendix C.3).
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from anatomy import masking, tinyweb
from anatomy.masking import masked_mean
from anatomy.models import generation, packing
from anatomy.models.base_model import BaseModel
from anatomy.models.gpt import GPT
from anatomy.models.packing import response_logprobs
from anatomy.models.pretraining import cosine, cross_entropy
from anatomy.rlhf import answers
from anatomy.rlhf.answers import Answer, batch_of_texts, written
from anatomy.runtime import require_shares
from anatomy.tinyweb import Task, World, token_stream

Example = tuple[Task, Answer]
WEB_STREAM = 4_000  # seed of the web text that is read beside the demonstrations


@dataclass(frozen=True)
class SFT:
    """Configuration of the fine-tuned model; the parent is a part of it."""

    base: BaseModel = field(default_factory=lambda: BaseModel(steps=2800))
    demonstrations: int = 4000
    sloppy: float = 0.2  # share of demonstrations that are careless
    epochs: int = 1
    batch_size: int = 16
    web_rows: int = 0  # web texts read beside every batch
    learning_rate: float = 5e-4  # AdamW's peak
    seed: int = 0

    name = "sft"

    def __post_init__(self) -> None:
        if not 1 <= self.batch_size <= self.demonstrations:
            raise ValueError(
                f"{self.demonstrations} demonstrations do not fill a batch of {self.batch_size}: "
                "ask for more of them, or for a smaller batch"
            )
        require_shares(sloppy=self.sloppy)

    @property
    def steps(self) -> int:
        """Updates in all."""
        return self.epochs * (self.demonstrations // self.batch_size)

    @property
    def parents(self) -> tuple[BaseModel]:
        """What must be trained before."""
        return (self.base,)

    @property
    def sources(self) -> Sequence[ModuleType]:
        """The modules whose code decides what the weights become."""
        return (masking, packing, generation, answers)

    def build(self) -> GPT:
        """A model of the parent's shape."""
        return self.base.build()

    def data(self) -> list[Example]:
        """The demonstrations: tasks of the training split, each with a written answer."""
        return demonstrations(
            self.base.world, self.demonstrations, sloppy=self.sloppy, seed=self.seed
        )

    def begin(self, model: GPT, base: GPT) -> dict[str, Any]:
        """Start from the base model; all that changes from step to step beside the weights."""
        start_from(model, base, self.base.world)
        return {"optimizer": make_optimizer(model, self.learning_rate)}

    def train(
        self, model: GPT, state: Mapping[str, Any], done: int = 0
    ) -> Iterator[dict[str, float]]:
        """Learn from demonstrations; give back the statistics of each step."""
        tokenizer, data = self.base.tokenizer(), self.data()
        web = (
            web_loss(model, self.base, self.web_rows, WEB_STREAM + self.seed, done)
            if self.web_rows
            else None
        )
        for i in range(done, self.steps):
            epoch, place = divmod(i, self.steps // self.epochs)
            order = random.Random(f"sft order {self.seed} {epoch}").sample(data, len(data))
            batch = order[place * self.batch_size : (place + 1) * self.batch_size]
            texts, mask = batch_of_texts(tokenizer, *zip(*batch, strict=True))
            rate = cosine(i, self.steps, warmup=10)
            yield step(model, state["optimizer"], texts, mask, rate, auxiliary_loss=web)


def demonstrations(world: World, count: int, *, sloppy: float, seed: int) -> list[Example]:
    """Tasks of the training split, each answered by a person, who is careless now and then."""
    tokenizer, rng = tinyweb.tokenizer_of(world), random.Random(f"sft {seed}")
    asked = world.tasks("train", seed)
    tasks = [next(asked) for _ in range(count)]
    return [(t, written(tokenizer, world.demonstration(t, rng, sloppy=sloppy))) for t in tasks]


@torch.no_grad()
def start_from(model: GPT, base: GPT, world: World) -> None:
    """Copy the base model, and let <user> and <bot> begin as what they stand for: people.

    The web holds neither of them. Their vectors become the mean of all first names.
    """
    if model.config != base.config:
        raise ValueError(f"a model of another shape cannot start here: {base.config}")
    model.load_state_dict(base.state_dict())
    tokenizer = tinyweb.tokenizer_of(world)
    people = [tokenizer.index[name] for name in world.knowledge.words["person"]]
    mean = model.tokens.weight[people].mean(0)
    model.tokens.weight[[tokenizer.user_id, tokenizer.bot_id]] = mean


def make_optimizer(model: nn.Module, learning_rate: float) -> torch.optim.AdamW:
    """AdamW without decay: a few hundred steps from weights that are good already."""
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=learning_rate, betas=(0.9, 0.95), weight_decay=0.0, fused=True
    )
    for group in optimizer.param_groups:
        group["peak"] = learning_rate
    return optimizer


def sft_loss(model: GPT, texts: Tensor, mask: Tensor, *, pad_token: int) -> Tensor:
    """−(1/n) Σ_t log π(y_t | x, y_<t) over the n response tokens of texts (B, P + T): a scalar."""
    return -masked_mean(response_logprobs(model, texts, mask, pad_token=pad_token), mask)


def web_loss(
    model: GPT, base: BaseModel, rows: int, stream: int, done: int = 0
) -> Callable[[], Tensor]:
    """−log π(web text) per token, on `rows` fresh texts at every call.

    `stream` is the seed of the text; what `done` calls have read is skipped.
    """
    web = token_stream(base.world, base.tokenizer(), stream, batch_size=rows, length=base.context)
    unread = islice(web, done, None)

    def loss() -> Tensor:
        tokens = next(unread).to(model.device)
        return cross_entropy(model(tokens[:, :-1]), tokens[:, 1:])

    return loss


def step(
    model: GPT,
    optimizer: torch.optim.Optimizer,
    texts: Tensor,
    mask: Tensor,
    rate: float = 1.0,
    *,
    auxiliary_loss: Callable[[], Tensor] | None = None,
) -> dict[str, float]:
    """One update on a batch of demonstrations, at `rate` times the peak learning rate.

    What `auxiliary_loss` returns is added to the loss before the gradient is taken.
    """
    loss = sft_loss(model, texts.to(model.device), mask.to(model.device), pad_token=answers.PAD)
    extra = 0.0 if auxiliary_loss is None else auxiliary_loss()
    norm = descend(model, optimizer, loss + extra, rate)
    return {"loss": loss.item(), "gradient_norm": norm}


def descend(model: nn.Module, optimizer: torch.optim.Optimizer, loss: Tensor, rate: float) -> float:
    """One step down the gradient of `loss`, its norm limited to 1; return what it was.

    Raises FloatingPointError, and changes no weight, when loss or gradient is not a number.
    """
    if not math.isfinite(loss.item()):
        raise FloatingPointError("the loss is not a number: the learning rate is too high")
    optimizer.zero_grad()
    loss.backward()
    norm = nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    if not math.isfinite(norm.item()):
        raise FloatingPointError("the gradient is not a number: the learning rate is too high")
    for group in optimizer.param_groups:
        group["lr"] = rate * group["peak"]
    optimizer.step()
    return float(norm)
