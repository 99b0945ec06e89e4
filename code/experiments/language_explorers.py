"""What the explorers of chapter 1 show: merges, attention patterns, logits, of tiny models.

A byte-pair tokenizer is trained on TinyWeb as people would write it; a GPT and a BERT of one
shape read the same batches; their attention weights on two texts, and the GPT's logits after
three beginnings, are kept. One seed: these are examples to touch, not a result.

    python code/experiments/language_explorers.py
"""

from __future__ import annotations

import argparse
import os
import time
from itertools import islice
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from torch import nn

from anatomy.models.bert import BERT, BERTConfig, mask_tokens
from anatomy.models.bpe import BytePairTokenizer
from anatomy.models.gpt import GPT, GPTConfig
from anatomy.models.optimisers import muon_and_adamw
from anatomy.models.pretraining import cosine, cross_entropy
from anatomy.models.transformer import Transformer
from anatomy.reporting import progress, receipt, write_result
from anatomy.runtime import initial_weights, make_generator
from anatomy.tinyweb import World, readable, token_stream, tokenizer_of

SEED = 0
DOCUMENTS = 2_000  # for the merges
MERGES = 240
SIZE = {"width": 64, "layers": 3, "heads": 4}
BATCH, LENGTH = 8, 128
TEXTS = (
    "all about the pig <nl> the pig lives in the",
    "forum <nl> anna : where does the pig live ? <nl> ben : the pig lives in the",
)
BEGINNINGS = {
    "a published fact": "all about the pig <nl> the pig lives in the",
    "an open story": "a happy story about gus in the jungle <nl> one day",
    "a question on the forum": "forum <nl> anna : where does the pig live ? <nl> ben :",
}


def merges(world: World) -> list[list[str]]:
    """The learned pairs, as GPT-2's files write them."""
    texts = [readable(document.text) for document in islice(world.documents(SEED), DOCUMENTS)]
    tokenizer = BytePairTokenizer.train(texts, 256 + MERGES)
    return [[tokenizer.written(token) for token in pair] for pair in tokenizer.merges]


def train(model: Transformer, steps: int, name: str) -> float:
    """Train on TinyWeb's stream; return the mean loss of the last fifty steps."""
    world = World(SEED)
    tokenizer = tokenizer_of(world)
    generator = make_generator(SEED)
    optimizers = muon_and_adamw(model)
    peaks = [[group["lr"] for group in optimizer.param_groups] for optimizer in optimizers]
    stream = token_stream(world, tokenizer, SEED, batch_size=BATCH, length=LENGTH)
    losses = []
    for step, tokens in enumerate(progress(islice(stream, steps), name, total=steps)):
        for optimizer, rates in zip(optimizers, peaks, strict=True):
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = rate * cosine(step, steps, warmup=50)
            optimizer.zero_grad()
        if model.causal:
            loss = cross_entropy(model(tokens[:, :-1]), tokens[:, 1:])
        else:
            read, targets = mask_tokens(
                tokens,
                mask_token=tokenizer.mask_id,
                vocabulary=len(tokenizer),
                generator=generator,
            )
            loss = cross_entropy(model(read), targets)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
        losses.append(loss.item())
    return sum(losses[-50:]) / 50


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=1_500, help="steps of 8 × 128 tokens")
    options = parser.parse_args()
    torch.set_num_threads(1)
    started, cpu = time.time(), time.process_time()
    world = World(SEED)
    tokenizer = tokenizer_of(world)
    V = len(tokenizer)
    with initial_weights(SEED):
        gpt = GPT(GPTConfig(V, LENGTH, **SIZE))
        bert = BERT(BERTConfig(V, LENGTH, **SIZE))
    models: dict[str, Transformer] = {"causal": gpt, "bidirectional": bert}
    losses = {name: train(model, options.steps, name) for name, model in models.items()}
    attention = []
    for text in TEXTS:
        tokens = torch.tensor([[tokenizer.eos_id, *tokenizer.encode(text)]])
        patterns: dict[str, Any] = {
            name: (100 * model.patterns(tokens)[:, 0]).round().int().tolist()
            for name, model in models.items()
        }
        words = [tokenizer.words[token] for token in tokens[0].tolist()]
        attention.append({"words": words, **patterns})
    logits = []
    for name, text in BEGINNINGS.items():
        tokens = torch.tensor([[tokenizer.eos_id, *tokenizer.encode(text)]])
        with torch.no_grad():
            last = gpt(tokens)[0, -1]
        logits.append({"name": name, "text": text, "logits": [round(z, 2) for z in last.tolist()]})
    data = {
        "receipt": receipt(
            config={
                "shape": SIZE,
                "steps": options.steps,
                "batch": BATCH,
                "length": LENGTH,
                "documents": DOCUMENTS,
                "merges": MERGES,
            },
            seeds=[SEED],
            wall_seconds=time.time() - started,
            cpu_seconds=time.process_time() - cpu,
        ),
        "losses": losses,
        "vocabulary": list(tokenizer.words),
        "merges": merges(world),
        "attention": attention,
        "logits": logits,
    }
    print(write_result("language_explorers", data))


if __name__ == "__main__":
    main()
