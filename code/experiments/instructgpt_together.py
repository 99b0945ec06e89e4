"""All that helped, together: the larger world, a better start, better comparisons, longer practice.

The world is that of `instructgpt_names`. The SFT model learns from four times as many
demonstrations beside web text, in batches of twice the size; labellers compare half as many
prompts more, and also write the faults that a policy had found; PPO runs a third longer. Chosen
in `World(1)` and `World(2)`, with a seed each. `instructgpt_together_first` is the result of a
first run of the same seeds, on another processor and without plain PPO.

    python code/experiments/instructgpt_together.py
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch

from anatomy.rlhf.reinforcement import PPO
from instructgpt import recipe_of
from instructgpt_names import summary, with_more_names
from instructgpt_practice import measure_world
from multiseed import SEEDS, arguments, run_all, write

NAME = "instructgpt_together"
FINAL = SEEDS[:5]


@dataclass(frozen=True)
class Run:
    """One seed."""

    recipe: PPO
    samples: int = 2


def together(recipe: PPO) -> PPO:
    """The chain with every change, in the larger world."""
    recipe = with_more_names(recipe)
    sft = replace(recipe.sft, demonstrations=16_000, batch_size=32, web_rows=4, learning_rate=2e-3)
    reward = replace(recipe.reward, sft=sft, prompts=9_000, lists=0.1, found=True)
    return replace(recipe, reward=reward, iterations=300)


def measure_run(run: Run) -> dict[str, Any]:
    """Train the chain of a seed; ask what is practised and what is tested."""
    torch.set_num_threads(1)
    return measure_world(run.recipe, samples=run.samples, plain=True)


def main() -> None:
    options = arguments(__doc__.splitlines()[0], seeds=FINAL, steps=False, only=False)
    runs = [Run(together(recipe_of(seed))) for seed in options.seeds]
    results = run_all(NAME, measure_run, runs, workers=options.workers)
    write(NAME, summary(results), config=runs[0].recipe, finished=results, options=options)


if __name__ == "__main__":
    main()
