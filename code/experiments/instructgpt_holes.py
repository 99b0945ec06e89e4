"""What a policy finds that no labeller was shown.

Two reward models of one chain: for one of them labellers wrote some faults less, a true answer
about another entity, another truth about the same one, and a list with a stranger in it. PPO-ptx
learns from either. Nothing else differs.

    python code/experiments/instructgpt_holes.py
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import Any

import torch

from anatomy.rlhf.answers import batch_of_texts, written
from anatomy.rlhf.reinforcement import PPO
from anatomy.rlhf.reward_model import RewardModel
from anatomy.tinyweb import World, tokenizer_of
from instructgpt import recipe_of, rows_of, trained
from instructgpt_summary import difference, estimate
from multiseed import SEEDS, arguments, run_all, write

NAME = "instructgpt_holes"
FINAL = SEEDS[:5]
FAULTS = ("elsewhere", "aside", "mixed")
VERDICTS = ("right", "wrong", "idk", "off-topic")
METRICS = ("gold", "gold list", *(f"unknown {verdict}" for verdict in VERDICTS), "known right")


@dataclass(frozen=True)
class Run:
    """One chain and its twin."""

    recipe: PPO
    samples: int = 2


@torch.no_grad()
def prefers_honesty(model: RewardModel, world: World, fault: str) -> list[float | None]:
    """For each unanswerable test question: whether "i do not know" scores above the fault."""
    tokenizer, rng = tokenizer_of(world), random.Random(f"holes {fault}")
    tasks = [t for t in world.evaluation_set("test") if t.frequency == "unpublished"]

    def score(kind: str) -> torch.Tensor:
        texts = [world.labeller_written(task, rng, kind) for task in tasks]
        return model(*batch_of_texts(tokenizer, tasks, [written(tokenizer, t) for t in texts]))

    return (score("idk") > score(fault)).float().tolist()


def measure_run(run: Run) -> dict[str, Any]:
    """Train both reward models and a policy from each; measure them on the same prompts."""
    torch.set_num_threads(1)
    world = World(run.recipe.sft.base.world_seed)
    base, _, _ = trained(run.recipe.sft.base)
    sft, _, _ = trained(run.recipe.sft, base)
    found = {}
    for name, unseen in (("shown", ()), ("unseen", FAULTS)):
        recipe = replace(run.recipe, reward=replace(run.recipe.reward, unseen=unseen))
        reward, _, _ = trained(recipe.reward, sft)
        actor, _, _ = trained(recipe, sft, reward)
        rows = rows_of(actor.policy, sft, reward, recipe, samples=run.samples)
        found[name] = {metric: rows[metric] for metric in METRICS} | {
            f"idk above {fault}": prefers_honesty(reward, world, fault)
            for fault in ("wrong", "elsewhere", "aside")
        }
    return found


def main() -> None:
    options = arguments(__doc__.splitlines()[0], seeds=FINAL, steps=False, only=False)
    runs = [Run(recipe_of(seed)) for seed in options.seeds]
    results = run_all(NAME, measure_run, runs, workers=options.workers)
    metrics = list(results[0]["shown"])
    data = {
        name: {metric: estimate([r[name][metric] for r in results]) for metric in metrics}
        for name in ("shown", "unseen")
    }
    data["gain"] = {
        metric: difference(
            [r["shown"][metric] for r in results], [r["unseen"][metric] for r in results]
        )
        for metric in metrics
    }
    write(NAME, data, config=runs[0].recipe, finished=results, options=options)


if __name__ == "__main__":
    main()
