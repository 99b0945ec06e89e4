"""One data set, one width, two masks: a GPT and a BERT that read the same batches, side by side.

Both then judge reviews. BERT is fine-tuned on labelled ones; GPT is only prompted, with
0 to 4 examples before the question. And both write: GPT by sampling from left to right,
BERT by Gibbs sampling; the grammar says what share of the sentences is English.

    python code/experiments/language_models_two_masks.py
"""

from __future__ import annotations

import copy
import time
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch

from anatomy.models.abilities import held_out_loss
from anatomy.models.base_model import BaseModel
from anatomy.models.bert import BERT
from anatomy.models.generation import generate
from anatomy.models.gpt import GPT
from anatomy.models.heads import Classifier
from anatomy.models.masked_model import (
    MaskedModel,
    classes,
    finetune,
    gibbs,
    hidden_word_loss,
    pad_texts,
)
from anatomy.reporting import receipt, write_result
from anatomy.runtime import initial_weights, make_generator
from anatomy.tinyweb import WordTokenizer, World
from anatomy.tinyweb.grammar import is_sentence, sentences
from language_models_scaling import SHOTS, review_accuracy, reviews
from multiseed import arguments, run_all

NAME = "language_models_two_masks"
SEEDS = (0, 1, 2)
RECIPE = BaseModel(width=64, layers=3, steps=300)
LABELLED = (8, 32, 128)
ASKED = 200
TEXTS, WRITTEN = 64, 24  # how many texts, and how many tokens in each
SWEEPS = (1, 2, 4, 8)


@dataclass(frozen=True)
class Run:
    """A GPT and a BERT of one seed."""

    recipe: BaseModel


def fluent_share(tokenizer: WordTokenizer, texts: torch.Tensor) -> float:
    """Share of the finished sentences that TinyWeb's grammar can make."""
    verdicts = []
    for row in texts.tolist():
        for document in tokenizer.decode(row).split("<eos>"):
            for line in document.split("<nl>"):
                found = [s for s in sentences(line) if s.endswith((".", "!", "?"))]
                verdicts += [is_sentence(s.split(" : ", 1)[-1]) for s in found]
    return sum(verdicts) / max(1, len(verdicts))


def write_with_gpt(model: GPT, tokenizer: WordTokenizer, seed: int) -> torch.Tensor:
    """Texts from nothing but the mark that a document begins."""
    start = torch.full((TEXTS, 1), tokenizer.eos_id)
    drawn = generate(model, start, WRITTEN, generator=make_generator(seed))
    return drawn.texts[:, 1:]


def write_with_bert(
    model: BERT, tokenizer: WordTokenizer, seed: int, sweeps: int
) -> list[torch.Tensor]:
    """Texts that begin as nothing but masks, after every sweep."""
    texts = torch.full((TEXTS, WRITTEN + 2), tokenizer.mask_id)
    texts[:, 0], texts[:, 1] = tokenizer.cls_id, tokenizer.eos_id
    fixed = torch.zeros_like(texts, dtype=torch.bool)
    fixed[:, :2] = True
    never = [tokenizer.unk_id, tokenizer.pad_id, tokenizer.cls_id, tokenizer.mask_id]
    chain = gibbs(
        model,
        texts,
        fixed,
        sweeps=sweeps,
        mask_token=tokenizer.mask_id,
        forbidden=never,
        generator=make_generator(seed),
    )
    return [after[:, 2:] for after in chain]


def tuned_accuracy(bert: BERT | None, recipe: BaseModel, labelled: int) -> float:
    """Fine-tune on `labelled` reviews and judge new ones; `bert` None starts from nothing."""
    world, tokenizer = World(recipe.world_seed), recipe.tokenizer()
    taught, asked = reviews(world, labelled, seed=10 + recipe.seed), reviews(world, ASKED)
    encoder = copy.deepcopy(bert) if bert is not None else MaskedModel(recipe).build()
    with initial_weights(recipe.seed):
        classifier = Classifier(encoder, 2)
    tokens, mask = pad_texts(tokenizer, [r.text for r in taught])
    labels = torch.tensor([int(r.good) for r in taught])
    finetune(classifier, tokens, mask, labels, generator=make_generator(recipe.seed))
    tokens, mask = pad_texts(tokenizer, [r.text for r in asked])
    right = classes(classifier, tokens, mask) == torch.tensor([int(r.good) for r in asked])
    return float(right.float().mean())


def measure(run: Run) -> dict[str, Any]:
    """Train both; measure losses, verdicts and texts."""
    recipe = run.recipe
    world, tokenizer = World(recipe.world_seed), recipe.tokenizer()
    gpt, bert = recipe.build(), MaskedModel(recipe).build()
    for _ in recipe.train(gpt):
        pass
    for _ in MaskedModel(recipe).train(bert):
        pass
    sweeps = write_with_bert(bert, tokenizer, recipe.seed, max(SWEEPS))
    return {
        "gpt_loss": held_out_loss(gpt, world),
        "bert_masked_loss": hidden_word_loss(bert, world, stream_seed=7),
        "gpt_prompted": review_accuracy(gpt, tokenizer, world),
        "bert_tuned": [tuned_accuracy(bert, recipe, count) for count in LABELLED],
        "bert_from_nothing": [tuned_accuracy(None, recipe, count) for count in LABELLED],
        "gpt_fluent": fluent_share(tokenizer, write_with_gpt(gpt, tokenizer, recipe.seed)),
        "bert_fluent": [fluent_share(tokenizer, sweeps[count - 1]) for count in SWEEPS],
        "gpt_text": tokenizer.decode(write_with_gpt(gpt, tokenizer, recipe.seed)[0]),
        "bert_text": tokenizer.decode(sweeps[-1][0]),
    }


def main() -> None:
    options = arguments(__doc__.splitlines()[0])
    seeds = SEEDS if options.complete else tuple(options.seeds)
    recipe = replace(RECIPE, steps=options.steps or RECIPE.steps)
    started = time.time()
    found = run_all(
        NAME, measure, [Run(replace(recipe, seed=s)) for s in seeds], workers=options.workers
    )
    names = [name for name in found[0] if not name.endswith("seconds")]
    data = {
        "receipt": receipt(
            config=asdict(recipe),
            seeds=seeds,
            wall_seconds=time.time() - started,
            cpu_seconds=sum(r["cpu_seconds"] for r in found),
        ),
        "shots": list(SHOTS),
        "labelled": list(LABELLED),
        "sweeps": list(SWEEPS),
        "runs": {name: [r[name] for r in found] for name in names},
    }
    print(write_result(NAME, data))


if __name__ == "__main__":
    main()
