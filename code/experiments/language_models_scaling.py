"""A scaling line: four widths and three seeds predict the loss of a fifth before it is trained.

All models read the same number of tokens. The line is L = E + A · C^(−α), where C is
the training compute in FLOPs (Kaplan et al. 2020; the constant E as in Hoffmann et al.
2022); beside it stands the straight line in log L against log C, without E. Both are
fitted to the four small widths and written down before the first large model is built.

    python code/experiments/language_models_scaling.py
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from scipy.optimize import curve_fit

from anatomy.models.abilities import cloze_accuracy, guesses, held_out_loss
from anatomy.models.base_model import BaseModel
from anatomy.models.gpt import GPT
from anatomy.models.pretraining import training_flops
from anatomy.reporting import receipt, write_result
from anatomy.tinyweb import Split, WordTokenizer, World
from anatomy.tinyweb.tasks import Review
from multiseed import arguments, place, run_all

NAME = "language_models_scaling"
WIDTHS = (16, 24, 32, 48)
FIFTH = 96
SEEDS = (0, 1, 2)
SHOTS = (0, 1, 2, 4)
RECIPE = BaseModel(layers=3, steps=300)
ASKED = 200  # reviews to judge


@dataclass(frozen=True)
class Run:
    """One model of one width."""

    recipe: BaseModel


def reviews(world: World, count: int, seed: int = 0, split: Split = "test") -> list[Review]:
    """Reviews of one split, as many good as bad."""
    rng = random.Random(f"reviews {seed}")
    good: list[Review] = []
    bad: list[Review] = []
    while min(len(good), len(bad)) < count // 2:
        review = world.source.review(split, rng)
        (good if review.good else bad).append(review)
    mixed = good[: count // 2] + bad[: count // 2]
    rng.shuffle(mixed)
    return mixed


def verdict(review: Review) -> str:
    return "good" if review.good else "bad"


def web_prompt(shown: Sequence[Review], asked: Review) -> str:
    """Examples and the question as the web itself writes reviews."""
    done = [f"review <nl> {r.text} <nl> the review is {verdict(r)} . <eos>" for r in shown]
    return " ".join([*done, f"review <nl> {asked.text} <nl> the review is"])


def foreign_prompt(shown: Sequence[Review], asked: Review) -> str:
    """The same in a form that no page has: the text, a colon, one word."""
    done = [f"{r.text} : {verdict(r)} <nl>" for r in shown]
    return " ".join([*done, f"{asked.text} :"])


def review_accuracy(model: GPT, tokenizer: WordTokenizer, world: World) -> dict[str, list[float]]:
    """Share of right verdicts for every form of prompt and number of examples."""
    asked = reviews(world, ASKED)
    examples = reviews(world, ASKED * 4, seed=1)
    accuracy: dict[str, list[float]] = {}
    for name, form in (("web", web_prompt), ("foreign", foreign_prompt)):
        accuracy[name] = []
        for shots in SHOTS:
            prompts = [form(examples[4 * i : 4 * i + shots], r) for i, r in enumerate(asked)]
            found = guesses(model, tokenizer, prompts, among=("good", "bad"))
            right = sum(g == verdict(r) for g, r in zip(found, asked, strict=True))
            accuracy[name].append(right / len(asked))
    return accuracy


def measure(run: Run) -> dict[str, Any]:
    """Train one model; return its loss, its cloze, and how it judges reviews."""
    recipe = run.recipe
    world, tokenizer = recipe.world, recipe.tokenizer()
    model = recipe.build()
    for _ in recipe.train(model):
        pass
    return {
        "loss": held_out_loss(model, world),
        "common": cloze_accuracy(model, tokenizer, world.cloze("common")),
        "reviews": review_accuracy(model, tokenizer, world),
    }


def flops(recipe: BaseModel) -> int:
    """Compute of the whole training."""
    return training_flops(recipe.build().config, recipe.tokens)


def fit(compute: Sequence[float], loss: Sequence[float]) -> dict[str, list[float]]:
    """E, A, α of E + A · (C/C₀)^(−α), and of the same with E = 0; C₀ is the smallest compute."""
    c, y = np.asarray(compute, float) / min(compute), np.asarray(loss, float)
    slope, intercept = np.polyfit(np.log(c), np.log(y), 1)
    line = [0.0, float(np.exp(intercept)), float(-slope)]
    try:
        curve, _ = curve_fit(
            lambda x, floor, a, alpha: floor + a * x**-alpha,
            c,
            y,
            p0=[0.5 * y.min(), y.max() - 0.5 * y.min(), 0.5],
            bounds=([0, 0, 0.01], [y.min(), 10, 3]),
        )
    except RuntimeError:  # no minimum found
        curve = np.array(line)
    return {"with floor": curve.tolist(), "straight": line}


def predict(
    compute: Sequence[float], losses: Sequence[Sequence[float]], at: float
) -> dict[str, Any]:
    """Loss at `at` by both lines, with a 95 % interval over seeds drawn again with replacement.

    `losses` (widths, seeds). The interval says what the seeds leave open; whether the
    form of the line is right it cannot know.
    """
    rng = np.random.default_rng(0)
    table = np.asarray(losses)
    fitted = fit(compute, table.mean(1))
    answer: dict[str, Any] = {}
    samples: dict[str, list[float]] = {name: [] for name in fitted}
    for _ in range(400):
        drawn = [rng.choice(row, len(row)).mean() for row in table]
        for name, (floor, a, alpha) in fit(compute, drawn).items():
            samples[name].append(floor + a * (at / min(compute)) ** -alpha)
    for name, (floor, a, alpha) in fitted.items():
        low, high = np.percentile(samples[name], [2.5, 97.5])
        answer[name] = {
            "floor": floor,
            "factor": a,
            "exponent": alpha,
            "loss": floor + a * (at / min(compute)) ** -alpha,
            "low": float(low),
            "high": float(high),
        }
    return answer


def main() -> None:
    options = arguments(__doc__.splitlines()[0], seeds=SEEDS, only=False)
    seeds = tuple(options.seeds)
    recipe = replace(RECIPE, steps=options.steps or RECIPE.steps)
    started = time.time()

    def train(widths: Sequence[int]) -> list[list[dict[str, Any]]]:
        runs = [Run(replace(recipe, width=w, seed=s)) for w in widths for s in seeds]
        found = run_all(NAME, measure, runs, workers=options.workers)
        return [found[i : i + len(seeds)] for i in range(0, len(found), len(seeds))]

    small = train(WIDTHS)
    compute = [flops(replace(recipe, width=width)) for width in WIDTHS]
    target = flops(replace(recipe, width=FIFTH))
    prediction = predict(compute, [[r["loss"] for r in rows] for rows in small], target)
    print("predicted before training:", prediction, flush=True)
    rows = [*small, *train([FIFTH])]
    data = {
        "receipt": receipt(
            config=asdict(recipe),
            seeds=seeds,
            wall_seconds=time.time() - started,
            cpu_seconds=sum(r["cpu_seconds"] for row in rows for r in row),
        ),
        "widths": [*WIDTHS, FIFTH],
        "flops": [*compute, target],
        "parameters": [
            sum(p.numel() for p in replace(recipe, width=w).build().parameters())
            for w in (*WIDTHS, FIFTH)
        ],
        "tokens": recipe.tokens,
        "loss": [[round(r["loss"], 4) for r in row] for row in rows],
        "common": [[round(r["common"], 4) for r in row] for row in rows],
        "shots": list(SHOTS),
        "reviews": {
            form: [[r["reviews"][form] for r in row] for row in rows] for form in ("web", "foreign")
        },
        "prediction": prediction,
    }
    print(write_result(place(NAME, options), data))


if __name__ == "__main__":
    main()
