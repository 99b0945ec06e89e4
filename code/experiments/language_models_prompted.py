"""What the base models do when asked: zero-shot, few-shot, and with a bare instruction.

Reviews are judged by which of "good" and "bad" the model finds likelier, in the form of
the web and in a form that no page has. Questions about common facts are asked bare, and
as a forum page with 0 to 3 answered pages before it; a gold score judges the answers.

    python code/experiments/language_models_prompted.py
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from anatomy.models.base_model import BaseModel
from anatomy.models.generation import generate, left_pad
from anatomy.models.gpt import GPT
from anatomy.reporting import receipt, write_result
from anatomy.reporting.checkpoints import cached
from anatomy.runtime import make_generator
from anatomy.tinyweb import Task, WordTokenizer, World
from language_models_scaling import SHOTS, review_accuracy
from multiseed import arguments, place, run_all

NAME = "language_models_prompted"
SEEDS = tuple(range(5))
QUESTIONS = 48
PAGES = (0, 1, 2, 3)  # answered forum pages before the question
VERDICTS = ("right", "wrong", "idk", "off-topic")
DRAWS = 4  # answers to every question


@dataclass(frozen=True)
class Run:
    """One base model to be asked."""

    recipe: BaseModel


def forum_page(question: str, answer: str = "") -> str:
    return f"forum <nl> anna : {question} <nl> ben : {answer}".rstrip()


def continue_texts(
    model: GPT, tokenizer: WordTokenizer, texts: Sequence[str], stop: Sequence[int], seed: int
) -> list[str]:
    """What the model writes after each text, without the token that stopped it."""
    prompts = [[tokenizer.eos_id, *tokenizer.encode(text)] for text in texts]
    tokens, mask = left_pad(prompts, pad_token=tokenizer.pad_id)
    drawn = generate(model, tokens, 20, generator=make_generator(seed), mask=mask, stop_tokens=stop)
    written = drawn.texts[:, tokens.shape[1] :]
    return [
        tokenizer.decode([t for t in row[real].tolist() if t not in stop])
        for row, real in zip(written, drawn.mask, strict=True)
    ]


def after_instruction(world: World, task: Task, text: str) -> str:
    """What the first line that a model wrote after a bare question is; a speaker's name is cut."""
    lines = [line.strip() for line in text.split("<nl>") if line.strip()]
    if not lines:
        return "nothing"
    said = lines[0].split(" : ", 1)[-1]
    if "?" in said:
        return "another question"
    judged = world.gold(task, said)
    if judged.rude:
        return "rude"
    return judged.verdict if judged.verdict in ("right", "idk") else "something else"


BARE = ("right", "idk", "rude", "another question", "something else", "nothing")


def measure(run: Run) -> dict[str, Any]:
    """Ask one model everything."""
    recipe = run.recipe
    world, tokenizer, model = recipe.world, recipe.tokenizer(), cached(recipe)
    rng = random.Random("prompted")
    asked: list[Task] = world.evaluation_set("test", counts={"common": QUESTIONS}) * DRAWS
    shown = world.evaluation_set("train", counts={"common": 90})
    bare = continue_texts(
        model, tokenizer, [t.prompt for t in asked], [tokenizer.eos_id], recipe.seed
    )
    kinds = Counter(after_instruction(world, *pair) for pair in zip(asked, bare, strict=True))
    answers: dict[str, list[float]] = {name: [] for name in (*VERDICTS, "gold", "rude")}
    for pages in PAGES:
        texts = []
        for task in asked:
            before = [forum_page(t.prompt, world.ideal(t, rng)) for t in rng.sample(shown, pages)]
            texts.append(" <eos> ".join([*before, forum_page(task.prompt)]))
        stops = [tokenizer.eos_id, tokenizer.nl_id]
        written = continue_texts(model, tokenizer, texts, stops, recipe.seed)
        judged = [world.gold(task, answer) for task, answer in zip(asked, written, strict=True)]
        for verdict in VERDICTS:
            answers[verdict].append(sum(g.verdict == verdict for g in judged) / len(judged))
        answers["gold"].append(sum(g.score for g in judged) / len(judged))
        answers["rude"].append(sum(g.rude for g in judged) / len(judged))
    return {
        "reviews": review_accuracy(model, tokenizer, world),
        "bare": {kind: kinds[kind] / len(bare) for kind in BARE},
        "answers": answers,
    }


def main() -> None:
    options = arguments(__doc__.splitlines()[0], seeds=SEEDS, steps=False, only=False)
    seeds = tuple(options.seeds)
    recipe = BaseModel()
    started = time.time()
    runs = [Run(replace(recipe, seed=seed)) for seed in seeds]
    found = run_all(NAME, measure, runs, workers=options.workers)
    data = {
        "receipt": receipt(
            config=asdict(recipe),
            seeds=seeds,
            wall_seconds=time.time() - started,
            cpu_seconds=sum(r["cpu_seconds"] for r in found),
        ),
        "shots": list(SHOTS),
        "pages": list(PAGES),
        "questions": QUESTIONS * DRAWS,
        "reviews": {form: [r["reviews"][form] for r in found] for form in ("web", "foreign")},
        "bare": {kind: [r["bare"][kind] for r in found] for kind in found[0]["bare"]},
        "answers": {name: [r["answers"][name] for r in found] for name in found[0]["answers"]},
    }
    print(write_result(place(NAME, options), data))


if __name__ == "__main__":
    main()
