"""Would more names to practise on close the gap? The chain in a world that tells of more of them.

Of the entities about which nothing was published, and on which models practise ignorance, the
web now tells ten of each kind after all, seldom. Truth, test prompts and recipe stay what they
were, so both chains answer the same questions. Beside the test split both are measured on
questions of the training split: what was practised, beside what it was practised for.

    python code/experiments/instructgpt_practice.py
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from anatomy.models.gpt import GPT
from anatomy.rlhf.answers import chat_prompt
from anatomy.rlhf.comparisons import rank
from anatomy.rlhf.measures import Measured, forgetting, measure
from anatomy.rlhf.reinforcement import PPO
from anatomy.runtime import make_generator
from anatomy.tinyweb import KINDS, Task, World, tokenizer_of
from anatomy.tinyweb.tasks import Question
from anatomy.tinyweb.world import EVALUATION_COUNTS
from instructgpt import by_prompt, listed, recipe_of, trained
from instructgpt_rewards import accuracies, scores
from instructgpt_second import by_frequency, prefers
from instructgpt_summary import difference, estimate, over_seeds
from multiseed import SEEDS, arguments, run_all, write

NAME = "instructgpt_practice"
FINAL = SEEDS[:5]
MORE = 10  # entities of each kind
WORLDS = {"usual": 0, "more": MORE}
FREQUENCIES = ("common", "rare", "unpublished")
STAGES = ("sft", "ppo-ptx")


@dataclass(frozen=True)
class Run:
    """One seed, both worlds."""

    recipe: PPO
    samples: int = 2


def in_world(recipe: PPO, more_rare: int) -> PPO:
    """The same chain where the web tells of more entities."""
    sft = replace(recipe.sft, base=replace(recipe.sft.base, more_rare=more_rare))
    return replace(recipe, reward=replace(recipe.reward, sft=sft))


@torch.no_grad()
def begun(model: GPT, world: World, tasks: Sequence[Task]) -> dict[str, list[float | None]]:
    """The probability of the true value once a statement of the fact is begun in the answer.

    And that of the answer's first word being "i", where so far only the question was read.
    """
    tokenizer = tokenizer_of(world)
    found: dict[str, list[float | None]] = {
        f"{name} {what}": [] for name in ("common", "rare") for what in ("begun", "first word i")
    }
    for task in tasks:
        values: dict[str, float] = {}
        if isinstance(task.content, Question) and task.content.fact.published:
            fact, asked = task.content.fact, chat_prompt(tokenizer, task)
            beginning = fact.statements[0].rsplit(f" {fact.value} ", 1)[0]
            for what, text, word in (
                ("begun", beginning, fact.value),
                ("first word i", "", "i"),
            ):
                read = torch.tensor([[*asked, *tokenizer.encode(text)]])
                (token,) = tokenizer.encode(word)
                values[f"{task.frequency} {what}"] = float(model(read)[0, -1].softmax(-1)[token])
        for name in found:
            found[name].append(values.get(name))
    return found


def refusals(found: Measured) -> dict[str, dict[str, float]]:
    """Of the answers about each rare entity, by relation: the share of "i do not know"."""
    by_fact: dict[str, dict[str, list[float]]] = {}
    for task, share in zip(found.tasks, listed(found.verdicts["idk"]), strict=True):
        if isinstance(task.content, Question) and task.frequency == "rare":
            fact = task.content.fact
            by_fact.setdefault(fact.entity, {}).setdefault(fact.relation, []).append(share)
    return {
        entity: {relation: sum(shares) / len(shares) for relation, shares in facts.items()}
        for entity, facts in by_fact.items()
    }


def measure_run(run: Run) -> dict[str, Any]:
    """Train the chain of a seed in both worlds; ask both what is practised and what is tested."""
    torch.set_num_threads(1)
    return {
        name: measure_world(in_world(run.recipe, more_rare), samples=run.samples)
        for name, more_rare in WORLDS.items()
    }


def measure_world(recipe: PPO, *, samples: int, plain: bool = False) -> dict[str, Any]:
    """Train the chain of a recipe in its world; ask what is practised and what is tested.

    With `plain`, PPO without ptx is trained and measured as well; its seconds are not counted.
    """
    world = recipe.sft.base.world
    tests = world.evaluation_set("test")
    practised = world.evaluation_set(
        "train", counts={frequency: EVALUATION_COUNTS[frequency] for frequency in FREQUENCIES}
    )
    base, _, one = trained(recipe.sft.base)
    sft, _, two = trained(recipe.sft, base)
    reward, _, three = trained(recipe.reward, sft)
    mixed, _, four = trained(recipe, sft, reward)
    models = {"sft": sft, "ppo-ptx": mixed.policy}
    if plain:
        models["ppo"] = trained(replace(recipe, ptx_coef=0.0), sft, reward)[0].policy
    found, known = (
        {
            stage: measure(
                model, world, tasks, generator=make_generator(recipe.seed), samples=samples
            )
            for stage, model in models.items()
        }
        for tasks in (tests, practised)
    )
    rankings = rank(sft, world, tests, answers=4, seed=9_000 + recipe.seed)
    return {
        "rows": {
            stage: by_prompt(found[stage], found["sft"])
            | by_frequency(found[stage], FREQUENCIES)
            | begun(models[stage], world, tests)
            for stage in models
        },
        "practised": {
            stage: by_frequency(known[stage], FREQUENCIES) | begun(models[stage], world, practised)
            for stage in models
        },
        "refusals": refusals(found["ppo-ptx"]),
        "pairs": accuracies(scores(reward, rankings, world), rankings),
        "forgetting": {stage: forgetting(model, world) for stage, model in models.items()},
        "right above idk": {
            f"{name} {frequency}": prefers(reward, world, tasks, "right", "idk", frequency)
            for name, tasks in (("practised", practised), ("new", tests))
            for frequency in ("common", "rare")
        },
        "cpu seconds": one + two + three + four,
    }


def summary(results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Both worlds over the seeds, and their difference on the same prompts."""
    rows = {world: [r[world]["rows"] for r in results] for world in WORLDS}
    data: dict[str, Any] = {"more": MORE}
    for world in WORLDS:
        data[world] = of_world([r[world] for r in results])
    data["gain"] = {
        stage: {
            m: difference(*([r[stage][m] for r in rows[world]] for world in ("more", "usual")))
            for m in found
            if m != "win"  # each against the SFT model of its own chain
        }
        for stage, found in rows["usual"][0].items()
    }
    return data


def of_world(mine: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One world over the seeds: stages, what is practised, the reward model, refusals by seed."""
    return {
        "stages": {
            stage: {m: estimate([r["rows"][stage][m] for r in mine]) for m in found}
            | {
                lost: over_seeds([r["forgetting"][stage][lost] for r in mine])
                for lost in mine[0]["forgetting"][stage]
            }
            for stage, found in mine[0]["rows"].items()
        },
        "practised": {
            stage: {m: estimate([r["practised"][stage][m] for r in mine]) for m in found}
            for stage, found in mine[0]["practised"].items()
        },
        "right above idk": {
            frequency: estimate([r["right above idk"][frequency] for r in mine])
            for frequency in mine[0]["right above idk"]
        },
        "pairs": {kind: over_seeds([r["pairs"][kind] for r in mine]) for kind in ("all", *KINDS)},
        "refusals": [r["refusals"] for r in mine],
    }


def main() -> None:
    options = arguments(__doc__.splitlines()[0], seeds=FINAL, steps=False, only=False)
    runs = [Run(recipe_of(seed)) for seed in options.seeds]
    results = run_all(NAME, measure_run, runs, workers=options.workers)
    write(NAME, summary(results), config=runs[0].recipe, finished=results, options=options)


if __name__ == "__main__":
    main()
