"""One web, one width, two masks: a GPT and a BERT, side by side.

The BERT reads more batches, because it is asked about one token in seven only. Then both
fill the same gaps. The BERT is fine-tuned on few labels for three jobs, beside its double
that has read nothing; the GPT is prompted for one of them. And both write: GPT by sampling
from left to right, BERT by Gibbs sampling; the grammar says what share is English.

    python code/experiments/language_models_two_masks.py
"""

from __future__ import annotations

import copy
import random
import time
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

import torch

from anatomy.models.abilities import cloze_accuracy, held_out_loss
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
from anatomy.reporting.checkpoints import cached
from anatomy.runtime import initial_weights, make_generator
from anatomy.tinyweb import DOCUMENT_KINDS, WordTokenizer, World
from anatomy.tinyweb.grammar import is_sentence, sentences
from anatomy.tinyweb.lexicon import ENTITY_KINDS, LEXICON
from language_models_scaling import SHOTS, review_accuracy, reviews
from multiseed import arguments, place, run_all

NAME = "language_models_two_masks"
SEEDS = (0, 1, 2)
RECIPE = BaseModel(width=64, layers=3, steps=700)
MASKED_STEPS = 2_000
LABELLED = (8, 32, 128)
ASKED = 200
WORDS = 8  # of a page, from which its kind is to be told
HELD_OUT = 64  # names that are never labelled
FINETUNING = {"steps": 100, "learning_rate": 1e-3}
TEXTS, WRITTEN = 64, 24  # how many texts, and how many tokens in each
SWEEPS = (1, 2, 4, 8)


@dataclass(frozen=True)
class Run:
    """A GPT and a BERT of one seed."""

    recipe: BaseModel
    masked_steps: int = MASKED_STEPS


class Labelled(NamedTuple):
    """A text and its class."""

    text: str
    label: int


# --- three jobs: labelled texts, and texts to judge


def review_job(world: World, count: int, seed: int) -> tuple[list[Labelled], list[Labelled]]:
    """Is this review good or bad?"""
    taught, asked = reviews(world, count, 10 + seed, "train"), reviews(world, ASKED)
    return tuple([Labelled(r.text, int(r.good)) for r in part] for part in (taught, asked))  # type: ignore[return-value]


def page_job(world: World, count: int, seed: int) -> tuple[list[Labelled], list[Labelled]]:
    """What kind of page are these eight words from?"""
    return scraps(world, count, 1_000_000 + seed), scraps(world, ASKED, 2_000_000)


def name_job(world: World, count: int, seed: int) -> tuple[list[Labelled], list[Labelled]]:
    """Animal, person or town? One name; those to judge were never among the labelled."""
    rng = random.Random(f"names {seed}")
    kinds = [list(LEXICON[kind]) for kind in ENTITY_KINDS]
    for names in kinds:
        rng.shuffle(names)
    mixed = [
        Labelled(name, label)
        for together in zip(*kinds, strict=True)
        for label, name in enumerate(together)
    ]
    return mixed[:count], mixed[-HELD_OUT:]


def scraps(world: World, count: int, seed: int) -> list[Labelled]:
    """`WORDS` words from anywhere in a page, every kind of page equally often."""
    rng = random.Random(f"scraps {seed}")
    streams = [world.documents(seed, kind=kind) for kind in DOCUMENT_KINDS]
    found: list[Labelled] = []
    while len(found) < count:
        label = len(found) % len(streams)
        words = next(streams[label]).text.split()
        if len(words) >= WORDS:
            start = rng.randrange(len(words) - WORDS + 1)
            found.append(Labelled(" ".join(words[start : start + WORDS]), label))
    return found


JOBS = {
    "review": (review_job, 2),
    "page": (page_job, len(DOCUMENT_KINDS)),
    "name": (name_job, len(ENTITY_KINDS)),
}


def tuned_accuracy(bert: BERT, recipe: BaseModel, job: str, count: int) -> float:
    """Fine-tune a copy of `bert` on `count` labelled texts; the share of new ones it gets right."""
    draw_job, kinds = JOBS[job]
    taught, asked = draw_job(recipe.world, count, recipe.seed)
    tokenizer = recipe.tokenizer()
    with initial_weights(recipe.seed):
        classifier = Classifier(copy.deepcopy(bert), kinds)
    labels = torch.tensor([example.label for example in taught])
    finetune(
        classifier,
        *pad_texts(tokenizer, [example.text for example in taught]),
        labels,
        generator=make_generator(recipe.seed),
        **FINETUNING,  # type: ignore[arg-type]
    )
    found = classes(classifier, *pad_texts(tokenizer, [example.text for example in asked]))
    right = found == torch.tensor([example.label for example in asked])
    return float(right.float().mean())


# --- the same gap


def bert_cloze(bert: BERT, tokenizer: WordTokenizer, world: World) -> float:
    """Share of the common facts that BERT puts where one word of a statement is hidden."""
    clozes = world.cloze("common")
    hidden = tokenizer.words[tokenizer.mask_id]
    texts = [f"<eos> {cloze.context} {hidden} . <eos>" for cloze in clozes]
    tokens, mask = pad_texts(tokenizer, texts)
    with torch.no_grad():
        guessed = bert(tokens, mask)[tokens == tokenizer.mask_id].argmax(-1).tolist()
    return sum(
        tokenizer.words[token] == cloze.answer for token, cloze in zip(guessed, clozes, strict=True)
    ) / len(clozes)


# --- both write


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


def measure(run: Run) -> dict[str, Any]:
    """Train both, or load them; measure losses, gaps, verdicts and texts."""
    recipe = run.recipe
    masked = MaskedModel(replace(recipe, steps=run.masked_steps))
    world, tokenizer = recipe.world, recipe.tokenizer()
    gpt, bert, newborn = cached(recipe), cached(masked), masked.build()
    sweeps = write_with_bert(bert, tokenizer, recipe.seed, max(SWEEPS))

    def tuned(model: BERT) -> dict[str, list[float]]:
        return {job: [tuned_accuracy(model, recipe, job, n) for n in LABELLED] for job in JOBS}

    return {
        "gpt_loss": held_out_loss(gpt, world),
        "bert_masked_loss": hidden_word_loss(bert, world, stream_seed=7),
        "gpt_cloze": cloze_accuracy(gpt, tokenizer, world.cloze("common")),
        "bert_cloze": bert_cloze(bert, tokenizer, world),
        "gpt_prompted": review_accuracy(gpt, tokenizer, world),
        "bert_tuned": tuned(bert),
        "bert_from_nothing": tuned(newborn),
        "gpt_fluent": fluent_share(tokenizer, write_with_gpt(gpt, tokenizer, recipe.seed)),
        "bert_fluent": [fluent_share(tokenizer, sweeps[count - 1]) for count in SWEEPS],
        "gpt_text": tokenizer.decode(write_with_gpt(gpt, tokenizer, recipe.seed)[0]),
        "bert_text": tokenizer.decode(sweeps[-1][0]),
    }


def main() -> None:
    options = arguments(__doc__.splitlines()[0], seeds=SEEDS, only=False)
    seeds = tuple(options.seeds)
    recipe = replace(RECIPE, steps=options.steps or RECIPE.steps)
    masked_steps = options.steps or MASKED_STEPS
    started = time.time()
    runs = [Run(replace(recipe, seed=seed), masked_steps) for seed in seeds]
    found = run_all(NAME, measure, runs, workers=options.workers)
    names = [name for name in found[0] if not name.endswith("seconds")]
    data = {
        "receipt": receipt(
            config=asdict(recipe) | {"masked_steps": masked_steps},
            seeds=seeds,
            wall_seconds=time.time() - started,
            cpu_seconds=sum(r["cpu_seconds"] for r in found),
        ),
        "shots": list(SHOTS),
        "labelled": list(LABELLED),
        "chance": {job: 1 / kinds for job, (_, kinds) in JOBS.items()},
        "sweeps": list(SWEEPS),
        "runs": {name: [r[name] for r in found] for name in names},
    }
    print(write_result(place(NAME, options), data))


if __name__ == "__main__":
    main()
