"""A second recipe, tried against the targets that the first one missed.

It differs in two stages. The SFT model learns from twice as many demonstrations, faster, and
reads web text beside them, as the models did from which the paper's PPO started. And labellers
also write the faults that a policy had found: a true answer about another entity, another truth
about the same one, a list with a stranger in it. Both recipes answer the same test prompts.

    python code/experiments/instructgpt_second.py
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from anatomy.rlhf.answers import batch_of_texts, written
from anatomy.rlhf.comparisons import rank
from anatomy.rlhf.measures import Measured, forgetting, measure
from anatomy.rlhf.reinforcement import PPO
from anatomy.rlhf.reward_model import RewardModel
from anatomy.runtime import make_generator
from anatomy.tinyweb import KINDS, Task, World, tokenizer_of
from instructgpt import by_prompt, listed, recipe_of, trained
from instructgpt_rewards import accuracies, scores
from instructgpt_summary import difference, estimate, over_seeds
from multiseed import SEEDS, arguments, run_all, write

NAME = "instructgpt_second"
FINAL = SEEDS[:5]
FREQUENCIES = ("common", "rare")
PREFERENCES = (  # which of two answers to write should score higher, to which questions
    *(("idk", fault, "unpublished") for fault in ("wrong", "elsewhere", "aside")),
    *(("right", "idk", frequency) for frequency in FREQUENCIES),
)
STAGES = ("sft", "ppo", "ppo-ptx")


@dataclass(frozen=True)
class Run:
    """One seed, both recipes."""

    recipe: PPO
    samples: int = 2


def second(recipe: PPO) -> PPO:
    """The other recipe, on the same base model."""
    sft = replace(recipe.sft, demonstrations=8000, web_rows=4, learning_rate=2e-3)
    return replace(recipe, reward=replace(recipe.reward, sft=sft, lists=0.1, found=True))


def by_frequency(
    found: Measured, frequencies: Sequence[str] = FREQUENCIES
) -> dict[str, list[float | None]]:
    """The verdicts on questions, by how often the web answers them."""
    asked = [task.frequency for task in found.tasks]
    return {
        f"{name} {verdict}": [
            value if frequency == name else None
            for value, frequency in zip(listed(values), asked, strict=True)
        ]
        for name in frequencies
        for verdict, values in found.verdicts.items()
    }


@torch.no_grad()
def prefers(
    model: RewardModel,
    world: World,
    asked: Sequence[Task],
    better: str,
    worse: str,
    frequency: str,
) -> list[float | None]:
    """For each question of a frequency: whether one kind of answer scores above another."""
    tokenizer, rng = tokenizer_of(world), random.Random(f"second {better} {worse}")
    tasks = [task for task in asked if task.frequency == frequency]

    def score(kind: str) -> torch.Tensor:
        texts = [world.labeller_written(task, rng, kind) for task in tasks]
        return model(*batch_of_texts(tokenizer, tasks, [written(tokenizer, t) for t in texts]))

    return (score(better) > score(worse)).float().tolist()


def measure_run(run: Run) -> dict[str, Any]:
    """Train both chains of a seed; measure them on the same prompts."""
    torch.set_num_threads(1)
    world = run.recipe.sft.base.world
    tasks, seed = world.evaluation_set("test"), run.recipe.seed
    base, _, _ = trained(run.recipe.sft.base)
    results = {}
    for name, recipe in (("first", run.recipe), ("second", second(run.recipe))):
        sft, _, one = trained(recipe.sft, base)
        reward, _, two = trained(recipe.reward, sft)
        models, seconds = {"sft": sft}, one + two
        for stage in (replace(recipe, ptx_coef=0.0), recipe):
            actor, _, three = trained(stage, sft, reward)
            models[stage.name] = actor.policy
        found = {
            stage: measure(
                models[stage], world, tasks, generator=make_generator(seed), samples=run.samples
            )
            for stage in STAGES
        }
        rankings = rank(sft, world, tasks, answers=4, seed=9_000 + seed)
        results[name] = {
            "rows": {
                stage: by_prompt(found[stage], found["sft"]) | by_frequency(found[stage])
                for stage in STAGES
            },
            "forgetting": {stage: forgetting(models[stage], world) for stage in STAGES},
            "pairs": accuracies(scores(reward, rankings, world), rankings),
            "prefers": {
                f"{better} above {worse}, {frequency}": prefers(
                    reward, world, tasks, better, worse, frequency
                )
                for better, worse, frequency in PREFERENCES
            },
            "cpu seconds": seconds + three,  # SFT, reward model and PPO-ptx
        }
    return results


def summary(results: list[dict[str, Any]]) -> dict[str, Any]:
    """Both recipes over the seeds, and their difference on the same prompts."""
    rows = {name: [r[name]["rows"] for r in results] for name in ("first", "second")}
    metrics = {stage: list(rows["first"][0][stage]) for stage in STAGES}
    data: dict[str, Any] = {
        name: {
            "stages": {
                stage: {m: estimate([r[stage][m] for r in rows[name]]) for m in metrics[stage]}
                | {
                    lost: over_seeds([r[name]["forgetting"][stage][lost] for r in results])
                    for lost in results[0][name]["forgetting"][stage]
                }
                for stage in STAGES
            },
            "pairs": {
                kind: over_seeds([r[name]["pairs"][kind] for r in results])
                for kind in ("all", *KINDS)
            },
            "prefers": {
                pair: estimate([r[name]["prefers"][pair] for r in results])
                for pair in results[0][name]["prefers"]
            },
            "mix": difference(
                [r["ppo-ptx"]["gold"] for r in rows[name]], [r["ppo"]["gold"] for r in rows[name]]
            ),
        }
        for name in rows
    }
    data["gain"] = {
        stage: {
            metric: difference(*([r[stage][metric] for r in rows[n]] for n in ("second", "first")))
            for metric in metrics[stage]
            if metric != "win"  # each against the SFT model of its own recipe
        }
        for stage in STAGES
    }
    return data


def main() -> None:
    options = arguments(__doc__.splitlines()[0], seeds=FINAL, steps=False, only=False)
    runs = [Run(recipe_of(seed)) for seed in options.seeds]
    results = run_all(NAME, measure_run, runs, workers=options.workers)
    write(NAME, summary(results), config=runs[0].recipe, finished=results, options=options)


if __name__ == "__main__":
    main()
