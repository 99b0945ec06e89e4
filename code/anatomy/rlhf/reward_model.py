"""The reward model: a transformer that reads prompt and answer and says one number.

    reward_model = cached(Reward(sft=SFT(base=BaseModel(seed=0), seed=0), seed=0))

Step 2 of InstructGPT. Trained on rankings, all pairs of a prompt in one batch element;
called like any `score` of `respond.respond`.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from anatomy import tinyweb
from anatomy.models import heads, packing
from anatomy.models.gpt import GPT
from anatomy.models.heads import in_full
from anatomy.models.packing import following, parts, token_logprobs
from anatomy.models.pretraining import cosine
from anatomy.rlhf import answers, comparisons, preferences, sft
from anatomy.rlhf.answers import PAD, batch_of_texts
from anatomy.rlhf.comparisons import Ranking, collect
from anatomy.rlhf.preferences import ranking_loss
from anatomy.rlhf.sft import SFT, descend, make_optimizer
from anatomy.runtime import initial_weights, require_shares
from anatomy.tinyweb import TASTES, World

SURPRISE_FLOOR = -8.0  # log-probability below which a token is surprising and no more


class RewardModel(nn.Module):
    """r(x, y): the last hidden state of a GPT, read by one linear map.

    r = w·h_T + b, as in InstructGPT. With `surprise`,

        r = w·h_T + b + Σ_t g(h_t) · max(log p(y_t | x, y_<t), −8)

    the model also hears how likely it finds each word itself, weighted by a gate g that
    it learns. That is our crutch for a model seven thousand times smaller than theirs (6B),
    which otherwise cannot tell a fact from an error about things that it was not trained on.
    """

    def __init__(self, policy: GPT, *, surprise: bool, pad_token: int = PAD) -> None:
        super().__init__()
        self.transformer = copy.deepcopy(policy)
        self.head = nn.Linear(policy.config.width, 1)
        nn.init.normal_(self.head.weight, std=0.02)
        nn.init.zeros_(self.head.bias)
        self.gate = nn.Linear(policy.config.width, 1) if surprise else None
        if self.gate is not None:
            nn.init.zeros_(self.gate.weight)
            nn.init.constant_(self.gate.bias, 0.1)  # at first, likely answers are good
        self.pad_token = pad_token

    def forward(self, texts: Tensor, mask: Tensor) -> Tensor:
        """Score texts (B, P + T) whose responses are `mask` (B, T): (B,)."""
        model, scores, rows = self.transformer, [], []
        for part in parts(texts, mask, pad_token=self.pad_token):
            hidden = model.hidden(part.tokens)  # (b, S, D)
            row = torch.arange(len(part.rows), device=texts.device)
            score = in_full(self.head, hidden[row, part.last])  # (b,)
            if self.gate is not None:
                before = hidden[:, :-1][part.before[:, :-1]]  # (n, D)
                surprise = token_logprobs(model, before, following(part)).clamp_min(SURPRISE_FLOOR)
                heard = in_full(self.gate, before) * surprise  # (n,)
                whose = row[:, None].expand_as(part.before)[part.before]
                score = score.index_add(0, whose, heard)
            scores.append(score)
            rows.append(part.rows)
        return torch.cat(scores)[torch.cat(rows).argsort()]


@dataclass(frozen=True)
class Reward:
    """Configuration of the reward model; the SFT model that it starts from is a part of it."""

    sft: SFT = field(default_factory=SFT)
    surprise: bool = True
    prompts: int = 6000
    answers: int = 4  # K
    labeller_written: int = 2  # of the K; the others are the SFT model's
    unpublished: float = 0.5  # share of the questions whose answer the web does not hold
    stories: float = 0.2  # share of prompts that are stories, beside those that are anyway
    lists: float = 0.0  # and that are lists
    found: bool = False  # whether labellers also write the faults that a policy found
    temperature: float = 0.22  # τ of the labellers
    taste: str = "honest"
    batch_size: int = 16  # prompts, each with all its pairs
    learning_rate: float = 1e-3
    seed: int = 0

    name = "reward-model"

    def __post_init__(self) -> None:
        if not 1 <= self.batch_size <= self.prompts:
            raise ValueError(
                f"{self.prompts} prompts do not fill a batch of {self.batch_size}: "
                "ask for more of them, or for a smaller batch"
            )
        if not 0 <= self.labeller_written <= self.answers or self.answers < 2:
            raise ValueError(
                f"{self.answers} answers, {self.labeller_written} of them written by labellers: "
                "a comparison needs two or more, and labellers write at most all"
            )
        if self.taste not in TASTES:
            raise ValueError(f"no labeller is {self.taste!r}: choose {', '.join(TASTES)}")
        require_shares(
            unpublished=self.unpublished,
            stories=self.stories,
            lists=self.lists,
            **{"stories and lists together": self.stories + self.lists},
        )

    @property
    def steps(self) -> int:
        """Updates in all: one epoch."""
        return self.prompts // self.batch_size

    @property
    def parents(self) -> tuple[SFT]:
        """What must be trained before."""
        return (self.sft,)

    @property
    def sources(self) -> Sequence[ModuleType]:
        """The modules whose code decides what the weights become."""
        own = (heads, comparisons, preferences, answers, packing)
        judges = (tinyweb.faults, tinyweb.gold, tinyweb.labeller)
        return (*judges, *own)

    def build(self) -> RewardModel:
        """A reward model that has seen no comparison."""
        with initial_weights(self.seed):
            return RewardModel(self.sft.build(), surprise=self.surprise)

    def data(self, policy: GPT) -> list[Ranking]:
        """Answers of the SFT model and of labellers to training prompts, ranked."""
        return collect(
            policy,
            self.sft.base.world,
            self.prompts,
            answers=self.answers,
            labeller_written=self.labeller_written,
            unpublished=self.unpublished,
            stories=self.stories,
            lists=self.lists,
            found=self.found,
            temperature=self.temperature,
            taste=self.taste,
            seed=self.seed,
        )

    def begin(self, model: RewardModel, policy: GPT) -> dict[str, Any]:
        """Start from the SFT model, which also writes the answers that are compared."""
        model.transformer.load_state_dict(policy.state_dict())
        return {"optimizer": make_optimizer(model, self.learning_rate), "writer": policy}

    def train(
        self, model: RewardModel, state: Mapping[str, Any], done: int = 0
    ) -> Iterator[dict[str, float]]:
        """Learn from rankings; give back the statistics of each step."""
        rankings = self.data(state["writer"])
        for i in range(done, self.steps):
            batch = rankings[i * self.batch_size : (i + 1) * self.batch_size]
            rate = cosine(i, self.steps, warmup=10)
            record = step(model, state["optimizer"], batch, rate, world=self.sft.base.world)
            if i == self.steps - 1:
                centre(model, self.sft.data(), world=self.sft.base.world)
            yield record


def scores_of(model: RewardModel, rankings: Sequence[Ranking], *, world: World) -> Tensor:
    """Scores of all answers in the labeller's order: (B, K). The words are those of `world`."""
    tasks = [ranking.task for ranking in rankings for _ in ranking.answers]
    found = [answer for ranking in rankings for answer in ranking.answers]
    texts, mask = batch_of_texts(tinyweb.tokenizer_of(world), tasks, found)
    device = model.transformer.device
    return model(texts.to(device), mask.to(device)).view(len(rankings), -1)


def step(
    model: RewardModel,
    optimizer: torch.optim.Optimizer,
    rankings: Sequence[Ranking],
    rate: float = 1.0,
    *,
    world: World,
) -> dict[str, float]:
    """One update on rankings of K answers each: eq. 1 of Ouyang et al. (2022)."""
    scores = scores_of(model, rankings, world=world)
    loss = ranking_loss(scores)
    norm = descend(model, optimizer, loss, rate)
    right = (preferences.pair_differences(scores.detach()) > 0).float().mean()
    return {"loss": loss.item(), "accuracy": right.item(), "gradient_norm": norm}


@torch.no_grad()
def centre(model: RewardModel, examples: Sequence[sft.Example], *, world: World) -> None:
    """Shift all scores so that the demonstrations average 0 (Ouyang et al. 2022, section 3.5).

    The pairwise loss leaves the level free.
    """
    tasks, shown = zip(*examples, strict=True)
    texts, mask = batch_of_texts(tinyweb.tokenizer_of(world), tasks, shown)
    device = model.transformer.device
    model.head.bias.sub_(model(texts.to(device), mask.to(device)).mean())
