"""Does a reward model speak for labellers whom it has never heard?

Five labellers, each with a taste of their own. Five reward models, each trained on the
rankings of four of them; then its word is compared with theirs, and with that of the one who
was left out. Ouyang et al. (2022, section 4.1) did so with five groups of labellers: 72.4 % of
the comparisons of the groups trained on, 69.6 % of those of the group left out.

    python code/experiments/instructgpt_folds.py
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import torch

from anatomy.models.gpt import GPT
from anatomy.models.pretraining import cosine
from anatomy.rlhf.comparisons import LABELLERS, Ranking, judged, rank
from anatomy.rlhf.reward_model import Reward, step
from anatomy.tinyweb import Labeller, Taste, World, preference
from anatomy.tinyweb.labeller import utility
from instructgpt import recipe_of, trained
from instructgpt_rewards import scores
from instructgpt_summary import over_seeds
from multiseed import SEEDS, arguments, run_all, write

NAME = "instructgpt_folds"
FINAL = SEEDS[:5]
PEOPLE = (  # what each of the five pays for beside the gold score
    Taste(),
    Taste(caution=0.4),
    Taste(caution=-0.3, boldness=0.4),
    Taste(length=0.15),
    Taste(flattery=0.3),
)
PROMPTS = 3000  # comparisons of all five together: half of the chain's


@dataclass(frozen=True)
class Run:
    """One reward model; `left_out` is the labeller whom it does not hear."""

    recipe: Reward
    left_out: int


def heard(recipe: Reward, policy: GPT, world: World, left_out: int) -> list[Ranking]:
    """The rankings of all labellers but one, each by their own taste."""
    people = [
        Labeller(world, temperature=recipe.temperature, taste=taste, seed=500 + number)
        for number, taste in enumerate(PEOPLE)
    ]
    return [
        judged(world, people[ranking.labeller], ranking.labeller, ranking.task, ranking.answers)
        for ranking in recipe.data(policy)
        if ranking.labeller != left_out
    ]


def agreements(
    said: Sequence[Sequence[float]], rankings: Sequence[Ranking], world: World, temperature: float
) -> list[float]:
    """How often the model orders a pair as each labeller does, their noise taken exactly."""
    totals, pairs = [0.0] * LABELLERS, 0
    for row, ranking in zip(said, rankings, strict=True):
        worth = [
            [utility(world, ranking.task, a.text, taste, ended=a.ended) for a in ranking.answers]
            for taste in PEOPLE
        ]
        for i, j in combinations(range(len(row)), 2):
            if ranking.answers[i].text == ranking.answers[j].text:
                continue
            pairs += 1
            for number, values in enumerate(worth):
                p = preference(values[i], values[j], temperature)
                totals[number] += p if row[i] > row[j] else 1 - p
    return [total / pairs for total in totals]


def measure_run(run: Run) -> dict[str, Any]:
    """Train a reward model without one labeller, and compare it with all five."""
    torch.set_num_threads(1)
    recipe, world = run.recipe, run.recipe.sft.base.world
    base, _, _ = trained(recipe.sft.base)
    sft, _, _ = trained(recipe.sft, base)
    model = recipe.build()
    optimizer = recipe.begin(model, sft)["optimizer"]
    rankings = heard(recipe, sft, world, run.left_out)
    steps = len(rankings) // recipe.batch_size
    for i in range(steps):
        batch = rankings[i * recipe.batch_size : (i + 1) * recipe.batch_size]
        step(model, optimizer, batch, cosine(i, steps, warmup=10), world=world)
    asked = rank(
        sft,
        world,
        world.evaluation_set("test"),
        answers=4,
        temperature=recipe.temperature,
        seed=9_000 + recipe.seed,
    )
    found = agreements(scores(model, asked, world).tolist(), asked, world, recipe.temperature)
    return {"agreement": found, "rankings": len(rankings)}


def each(pairs: Sequence[tuple[Run, dict[str, Any]]], number: int) -> dict[str, Any]:
    """Agreement with one labeller, of the models that did not hear them and of those that did."""
    found: dict[bool, list[float]] = {True: [], False: []}
    for run, result in pairs:
        found[run.left_out == number].append(result["agreement"][number])
    return {"left out": over_seeds(found[True]), "heard": over_seeds(found[False])}


def main() -> None:
    options = arguments(__doc__.splitlines()[0], seeds=FINAL, steps=False, only=False)
    recipes = [replace(recipe_of(seed).reward, prompts=PROMPTS) for seed in options.seeds]
    runs = [Run(recipe, who) for recipe in recipes for who in range(LABELLERS)]
    results = run_all(NAME, measure_run, runs, workers=options.workers)
    pairs = list(zip(runs, results, strict=True))
    people = [each(pairs, number) for number in range(LABELLERS)]
    # the five labellers carry the claim, however many seeds: what varies is who is left out
    known, unknown = ([who[side]["mean"] for who in people] for side in ("heard", "left out"))
    data = {
        "people": [vars(taste) for taste in PEOPLE],
        "rankings": results[0]["rankings"],
        "heard": over_seeds(known),
        "left out": over_seeds(unknown),
        "difference": over_seeds([k - u for k, u in zip(known, unknown, strict=True)]),
        "each": people,
    }
    write(NAME, data, config=runs[0].recipe, finished=results, options=options)


if __name__ == "__main__":
    main()
