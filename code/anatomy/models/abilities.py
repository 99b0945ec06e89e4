"""What a language model of TinyWeb can do: its loss, what it knows, how it answers prompts."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from anatomy.models.generation import left_pad
from anatomy.models.gpt import GPT
from anatomy.models.pretraining import cross_entropy
from anatomy.tinyweb import Cloze, WordTokenizer, World, token_stream, tokenizer_of

HELD_OUT_STREAM = 7  # seed of documents that no model of the book learns from


@torch.no_grad()
def held_out_loss(model: GPT, world: World, *, batches: int = 16) -> float:
    """Cross-entropy in nats a token, on documents that no model of the book was trained on."""
    stream = token_stream(world, tokenizer_of(world), HELD_OUT_STREAM, length=model.config.context)
    losses = []
    for _ in range(batches):
        tokens = next(stream).to(model.device)
        losses.append(float(cross_entropy(model(tokens[:, :-1]), tokens[:, 1:])))
    return sum(losses) / len(losses)


@torch.no_grad()
def guesses(
    model: GPT,
    tokenizer: WordTokenizer,
    contexts: Sequence[str],
    among: Sequence[str] | None = None,
) -> list[str]:
    """The most likely next word after each text, read as the beginning of a document.

    `among` leaves only these words to choose from: a model that is prompted for a
    class is asked which of the classes' names it finds likelier.
    """
    prompts = [[tokenizer.eos_id, *tokenizer.encode(context)] for context in contexts]
    tokens, mask = left_pad(prompts, pad_token=tokenizer.pad_id)
    hidden = model.hidden(tokens.to(model.device), mask.to(model.device))[:, -1]
    words = list(tokenizer.words if among is None else among)
    logits = model.logits(hidden)  # (B, V)
    if among is not None:
        logits = logits[:, [tokenizer.index[word] for word in words]]
    return [words[token] for token in logits.argmax(-1).tolist()]


def cloze_accuracy(model: GPT, tokenizer: WordTokenizer, clozes: Sequence[Cloze]) -> float:
    """Share of the statements that the model completes with what is true."""
    found = guesses(model, tokenizer, [cloze.context for cloze in clozes])
    return sum(a == c.answer for a, c in zip(found, clozes, strict=True)) / len(clozes)


def cloze_chance(clozes: Sequence[Cloze]) -> float:
    """What guessing the most frequent answer of each relation would score."""
    answers: dict[str, list[str]] = {}
    for cloze in clozes:
        answers.setdefault(cloze.fact.relation, []).append(cloze.answer)
    best = sum(max(map(given.count, given)) for given in answers.values())
    return best / len(clozes)
