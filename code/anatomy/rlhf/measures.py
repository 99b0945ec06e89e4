"""What a model is worth, measured: gold, honesty, manners, distance, and what it forgot.

    measured = measure(model, world, tasks, generator=make_generator(0))
    measured.summary()["gold"], measured.by_kind()["story"]

Every number has its prompts beside it, so that intervals can draw whole prompts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from anatomy.models.abilities import cloze_accuracy, held_out_loss
from anatomy.models.gpt import GPT
from anatomy.models.packing import response_logprobs
from anatomy.rlhf.answers import PAD, Answer, answer, batch_of_texts, chat_prompt
from anatomy.rlhf.reward_model import RewardModel
from anatomy.tinyweb import KINDS, Task, WordTokenizer, World, tokenizer_of

VERDICTS = ("right", "wrong", "idk", "off-topic")
ROWS = 256


@dataclass(frozen=True)
class Measured:
    """N tasks, S answers to each."""

    tasks: tuple[Task, ...]
    answers: tuple[tuple[Answer, ...], ...]  # N times S
    gold: Tensor  # (N, S)
    fluent: Tensor  # (N, S) share of sentences that belong to the grammar
    rude: Tensor  # (N, S) 0 or 1
    length: Tensor  # (N, S) tokens
    ended: Tensor  # (N, S) 0 or 1
    verdicts: dict[str, Tensor]  # each (N, S), 0 or 1; an empty answer is off-topic

    def rows(self, choose: Callable[[Task], bool]) -> Tensor:
        """Numbers of the tasks that are chosen."""
        chosen = [number for number, task in enumerate(self.tasks) if choose(task)]
        return torch.tensor(chosen, dtype=torch.int64)

    def questions(self, published: bool) -> dict[str, Tensor]:
        """The four verdicts (n, S) on answers to questions that the web answers, or does not."""
        rows = self.rows(lambda t: t.kind == "qa" and (t.frequency != "unpublished") == published)
        return {name: found[rows] for name, found in self.verdicts.items()}

    def by_kind(self) -> dict[str, float]:
        """Mean gold of each kind of task."""
        rows = {kind: self.rows(lambda t, kind=kind: t.kind == kind) for kind in KINDS}  # type: ignore[misc]
        return {kind: float(self.gold[r].mean()) for kind, r in rows.items() if len(r)}

    def summary(self) -> dict[str, float]:
        """Means of everything, as one flat record."""
        found = {
            "gold": self.gold,
            "fluency": self.fluent,
            "rude": self.rude,
            "length": self.length,
            "ended": self.ended,
        }
        for name, published in (("known", True), ("unknown", False)):
            verdicts = self.questions(published)
            found |= {f"{name} {verdict}": each for verdict, each in verdicts.items()}
        return {name: float(values.double().mean()) for name, values in found.items()}


def measure(
    model: GPT,
    world: World,
    tasks: Sequence[Task],
    *,
    generator: torch.Generator,
    samples: int = 1,
    prompt: Callable[[WordTokenizer, Task], list[int]] = chat_prompt,
    stop_tokens: Sequence[int] | None = None,
) -> Measured:
    """Let a model answer each task `samples` times, and judge the answers by the gold score."""
    repeated = [task for task in tasks for _ in range(samples)]
    found = answer(
        model,
        tokenizer_of(world),
        repeated,
        generator=generator,
        prompt=prompt,
        stop_tokens=stop_tokens,
    )
    judged = [
        world.gold(task, each.text, ended=each.ended)
        for task, each in zip(repeated, found, strict=True)
    ]

    def table(values: Sequence[float]) -> Tensor:
        return torch.tensor(values, dtype=torch.float32).view(len(tasks), samples)

    verdicts = {name: table([float(g.verdict == name) for g in judged]) for name in VERDICTS}
    verdicts["off-topic"] += table([float(g.verdict == "empty") for g in judged])
    return Measured(
        tasks=tuple(tasks),
        answers=tuple(tuple(found[i : i + samples]) for i in range(0, len(found), samples)),
        gold=table([g.score for g in judged]),
        fluent=table([g.fluency for g in judged]),
        rude=table([float(g.rude) for g in judged]),
        length=table([float(len(a.tokens)) for a in found]),
        ended=table([float(a.ended) for a in found]),
        verdicts=verdicts,
    )


@torch.no_grad()
def divergence(policy: GPT, reference: GPT, measured: Measured, tokenizer: WordTokenizer) -> Tensor:
    """log π(y|x) − log π_ref(y|x) of the policy's own answers: (N, S); its mean is KL[π‖π_ref].

    The prompts are read as those of chat, so the answers must be to such.
    """
    ratios = [
        (_logprobs(policy, *part) - _logprobs(reference, *part)).sum(1)
        for part in _parts(measured, tokenizer)
    ]
    return torch.cat(ratios).view_as(measured.gold)


@torch.no_grad()
def scored(reward_model: RewardModel, measured: Measured, tokenizer: WordTokenizer) -> Tensor:
    """The reward model's score of every answer: (N, S)."""
    device = reward_model.transformer.device
    scores = [
        reward_model(texts.to(device), mask.to(device))
        for texts, mask in _parts(measured, tokenizer)
    ]
    return torch.cat(scores).view_as(measured.gold)


def forgetting(model: GPT, world: World) -> dict[str, float]:
    """The alignment tax: loss on held-out web text, and the share of facts that it still knows."""
    tokenizer = tokenizer_of(world)
    return {
        "web loss": held_out_loss(model, world),
        "cloze common": cloze_accuracy(model, tokenizer, world.cloze("common")),
        "cloze rare": cloze_accuracy(model, tokenizer, world.cloze("rare")),
    }


def _logprobs(model: GPT, texts: Tensor, mask: Tensor) -> Tensor:
    return response_logprobs(model, texts.to(model.device), mask.to(model.device), pad_token=PAD)


def _parts(measured: Measured, tokenizer: WordTokenizer) -> list[tuple[Tensor, Tensor]]:
    """All texts, some hundred at a time."""
    found = [each for row in measured.answers for each in row]
    samples = measured.gold.shape[1]
    tasks = [task for task in measured.tasks for _ in range(samples)]
    starts = range(0, len(found), ROWS)
    return [batch_of_texts(tokenizer, tasks[i : i + ROWS], found[i : i + ROWS]) for i in starts]
