"""The base model over seeds: what it knows, what it costs, and how it learns on the way.

python code/experiments/language_models_base.py
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, replace
from typing import Any

from anatomy.models.abilities import cloze_accuracy, cloze_chance, held_out_loss
from anatomy.models.base_model import BaseModel
from anatomy.reporting import receipt, write_result
from anatomy.reporting.checkpoints import cache_file, save_checkpoint
from multiseed import arguments, place, run_all

NAME = "language_models_base"
FREQUENCIES = ("common", "rare", "unpublished")
SEEDS = tuple(range(5))
EVERY = 100  # steps between two measurements


@dataclass(frozen=True)
class Run:
    """One base model."""

    recipe: BaseModel


def measure(run: Run) -> dict[str, Any]:
    """Train it; measure held-out loss and cloze on the way and at the end."""
    recipe = run.recipe
    world, tokenizer = recipe.world, recipe.tokenizer()
    clozes = {frequency: world.cloze(frequency) for frequency in FREQUENCIES}
    model = recipe.build()
    curve: dict[str, list[float]] = {name: [] for name in ("step", "loss", *FREQUENCIES)}
    training = 0.0
    mark = time.process_time()
    for number, _ in enumerate(recipe.train(model), start=1):
        if number % EVERY == 0 or number == recipe.steps:
            training += time.process_time() - mark
            curve["step"].append(number)
            curve["loss"].append(round(held_out_loss(model, world), 4))
            for frequency, asked in clozes.items():
                curve[frequency].append(round(cloze_accuracy(model, tokenizer, asked), 4))
            mark = time.process_time()
    # the very weights that `cached(recipe)` would train
    save_checkpoint(cache_file(recipe), model, config=recipe, seed=recipe.seed, step=recipe.steps)
    return {"curve": curve, "training_cpu_seconds": training}


def main() -> None:
    options = arguments(__doc__.splitlines()[0], seeds=SEEDS, only=False)
    seeds = tuple(options.seeds)
    recipe = replace(BaseModel(), steps=options.steps or BaseModel().steps)
    runs = [Run(replace(recipe, seed=seed)) for seed in seeds]
    started = time.time()
    results = run_all(NAME, measure, runs, workers=options.workers)
    world = recipe.world
    data = {
        "receipt": receipt(
            config=asdict(recipe),
            seeds=seeds,
            wall_seconds=time.time() - started,
            cpu_seconds=sum(result["cpu_seconds"] for result in results),
        ),
        "steps": results[0]["curve"].pop("step"),
        "tokens_per_step": recipe.batch_size * recipe.context,
        "parameters": sum(p.numel() for p in recipe.build().parameters()),
        "chance": {name: cloze_chance(world.cloze(name)) for name in FREQUENCIES},  # type: ignore[arg-type]
        "curves": {
            name: [result["curve"][name] for result in results] for name in ("loss", *FREQUENCIES)
        },
        "training_cpu_seconds": [round(r["training_cpu_seconds"], 1) for r in results],
        "training_wall_seconds": [round(r["wall_seconds"], 1) for r in results],
    }
    print(write_result(place(NAME, options), data))


if __name__ == "__main__":
    main()
