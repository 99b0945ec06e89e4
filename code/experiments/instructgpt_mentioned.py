"""Names that are mentioned, refusals that come late, a judge that learns slowly.

The truth and the test are the chapter's. But people of this world mention animals, people and
towns in passing, whether anything is known about them or not; and who does not know a fact says
so where the fact would stand: "mia lives in … i do not know." The recipe is the second one, with
a longer pretraining and a reward model that learns with a fifth of the rate. Beside it, the SFT
models of the usual world are asked where in an answer they could know whether they know.

    python code/experiments/instructgpt_mentioned.py
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import torch

from anatomy.models.gpt import GPT
from anatomy.rlhf.answers import chat_prompt
from anatomy.rlhf.reinforcement import PPO
from anatomy.tinyweb import Task, World, grammar, tokenizer_of
from anatomy.tinyweb.tasks import Question
from instructgpt import Run as Chain
from instructgpt import by_prompt, ladder, recipe_of, trained
from instructgpt_names import summary as summary_of_chains
from instructgpt_practice import FREQUENCIES, measure_world
from instructgpt_second import second
from instructgpt_summary import STAGES, difference, estimate, over_seeds
from multiseed import SEEDS, arguments, run_all, write

NAME = "instructgpt_mentioned"
FINAL = SEEDS[:5]
PLACES = ("refuses at once", "names it", "is sure", "breaks off")


@dataclass(frozen=True)
class Run:
    """One seed: the whole chain, or of the usual one what stands before the reward model."""

    recipe: PPO
    whole: bool
    samples: int = 2


def mentioned(recipe: PPO) -> PPO:
    """The second recipe where names are mentioned and refusals are late."""
    recipe = second(recipe)
    base = replace(recipe.sft.base, steps=3200, small_talk=True, late_refusals=True)
    reward = replace(
        recipe.reward,
        sft=replace(recipe.sft, base=base),
        learning_rate=2e-4,
        unpublished=0.3,
    )
    return replace(recipe, reward=reward)


@torch.no_grad()
def places(model: GPT, world: World, tasks: Sequence[Task]) -> dict[str, list[float | None]]:
    """What a model would say at three places of an answer, by how often the web tells the fact.

    As the first word: the probability of "i". Where a statement names its subject: of the name
    that was asked about. Where the fact would stand: of the likeliest value among all that
    could be true, and of breaking off, if the world knows that.
    """
    tokenizer = tokenizer_of(world)
    found: dict[str, list[float | None]] = {f"{f} {p}": [] for f in FREQUENCIES for p in PLACES}
    for task in tasks:
        values: dict[str, float] = {}
        if isinstance(task.content, Question):
            fact, asked = task.content.fact, chat_prompt(tokenizer, task)
            begun, _ = fact.statements[0].rsplit(f" {fact.value} ", 1)
            named, _ = begun.split(fact.entity, 1)
            first, name, slot = (
                model(torch.tensor([[*asked, *tokenizer.encode(text)]]))[0, -1].softmax(-1)
                for text in ("", named, begun)
            )
            of_values = slot[[tokenizer.index[value] for value in fact.values]]
            of_break = tokenizer.index.get(grammar.LATE_REFUSAL.split()[0])
            values = {
                "refuses at once": float(first[tokenizer.index["i"]]),
                "names it": float(name[tokenizer.index[fact.entity]]),
                "is sure": float(of_values.max() / of_values.sum()),
                "breaks off": 0.0 if of_break is None else float(slot[of_break]),
            }
        for frequency in FREQUENCIES:
            for place in PLACES:
                counts = values and task.frequency == frequency
                found[f"{frequency} {place}"].append(values[place] if counts else None)
    return found


def told_apart(low: Sequence[float | None], high: Sequence[float | None]) -> float:
    """Probability that a value drawn from `high` is above one from `low`; ties count half."""
    one, two = (np.array([v for v in values if v is not None]) for values in (low, high))
    return float(np.mean((two[:, None] > one) + 0.5 * (two[:, None] == one)))


def measure_run(run: Run) -> dict[str, Any]:
    """Train and measure one seed."""
    torch.set_num_threads(1)
    recipe = run.recipe
    world = recipe.sft.base.world
    tasks = world.evaluation_set("test")
    chain = measure_world(recipe, samples=run.samples, plain=True) if run.whole else {}
    base = trained(recipe.sft.base)[0]
    sft = trained(recipe.sft, base)[0]
    if run.whole:
        low = ladder({"base": base, "sft": sft}, Chain(recipe, samples=run.samples), world)
        chain["rows"] |= {name: by_prompt(low[name], low["sft"]) for name in ("base", "few-shot")}
    return chain | {"places": places(sft, world, tasks)}


def summary_of_places(results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The places over the seeds, and how well each tells what is told seldom from never."""
    found = [result["places"] for result in results]
    return {
        "places": {key: estimate([row[key] for row in found]) for key in found[0]},
        "told apart": {
            # who refuses, refuses what is never told; who is sure, is so of what is told
            "refuses at once": over_seeds(
                [told_apart(r["rare refuses at once"], r["unpublished refuses at once"])
                 for r in found]
            ),
            "is sure": over_seeds(
                [told_apart(r["unpublished is sure"], r["rare is sure"]) for r in found]
            ),
        },
    }  # fmt: skip


def summary(chains: Sequence[Mapping[str, Any]], usual: Sequence[Mapping[str, Any]]) -> Any:
    """The chains over the seeds, step by step; and both worlds' SFT models at three places."""
    ends = [{k: v for k, v in r["rows"].items() if k not in ("base", "few-shot")} for r in chains]
    found = summary_of_chains([{**r, "rows": rows} for r, rows in zip(chains, ends, strict=True)])
    for name in ("base", "few-shot"):
        rows = [r["rows"][name] for r in chains]
        found["stages"][name] = {metric: estimate([r[metric] for r in rows]) for metric in rows[0]}
    gold = {stage: [r["rows"][stage]["gold"] for r in chains] for stage in STAGES}
    found["steps"] = {
        f"{better} − {worse}": difference(gold[better], gold[worse])
        for worse, better in pairwise(STAGES)
    }
    return found | summary_of_places(chains) | {"usual": summary_of_places(usual)}


def main() -> None:
    options = arguments(__doc__.splitlines()[0], seeds=FINAL, steps=False, only=False)
    recipes = [recipe_of(seed) for seed in options.seeds]
    runs = [Run(mentioned(recipe), True) for recipe in recipes]
    runs += [Run(recipe, False) for recipe in recipes]
    results = run_all(NAME, measure_run, runs, workers=options.workers)
    data = summary(results[: len(recipes)], results[len(recipes) :])
    write(NAME, data, config=runs[0].recipe, finished=results, options=options)


if __name__ == "__main__":
    main()
