"""The chain in a world with twice as many names, known and unknown, to practise on.

The recipe is the chapter's; the world is another (`World(more_names=True)`): 128 entities of
each kind, of which the web tells 25 seldom and 66 never for practice, where it was 5 and 26.
Its test asks about other entities than the usual one, in the same numbers of prompts.

    python code/experiments/instructgpt_names.py
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from anatomy.rlhf.reinforcement import PPO
from instructgpt import recipe_of
from instructgpt_practice import measure_world, of_world
from instructgpt_summary import difference, over_seeds
from multiseed import SEEDS, arguments, run_all, write

NAME = "instructgpt_names"
FINAL = SEEDS[:5]


@dataclass(frozen=True)
class Run:
    """One seed."""

    recipe: PPO
    samples: int = 2


def with_more_names(recipe: PPO) -> PPO:
    """The same chain in the larger world."""
    sft = replace(recipe.sft, base=replace(recipe.sft.base, more_names=True))
    return replace(recipe, reward=replace(recipe.reward, sft=sft))


def measure_run(run: Run) -> dict[str, Any]:
    """Train the chain of a seed; ask what is practised and what is tested."""
    torch.set_num_threads(1)
    return measure_world(run.recipe, samples=run.samples, plain=True)


def summary(results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The larger world over the seeds, with what the mix adds to gold and what the chain costs."""
    gold = {stage: [r["rows"][stage]["gold"] for r in results] for stage in ("ppo", "ppo-ptx")}
    return of_world(results) | {
        "mix": difference(gold["ppo-ptx"], gold["ppo"]),
        "cpu seconds": over_seeds([r["cpu seconds"] for r in results]),
    }


def main() -> None:
    options = arguments(__doc__.splitlines()[0], seeds=FINAL, steps=False, only=False)
    runs = [Run(with_more_names(recipe_of(seed))) for seed in options.seeds]
    results = run_all(NAME, measure_run, runs, workers=options.workers)
    write(NAME, summary(results), config=runs[0].recipe, finished=results, options=options)


if __name__ == "__main__":
    main()
