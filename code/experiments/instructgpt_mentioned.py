"""Why does the SFT model change the subject? Names that are mentioned; a judge that learns slowly.

The SFT model of the second recipe in two worlds: the usual one, and one whose people mention
animals, people and towns in passing, whether anything is known about them or not. The truth and
the test are the same. Both models are also read at three places of an answer: could they know
there whether they know? In the usual world two reward models learn from the same comparisons,
one with a fifth of the rate of the other, and judge names that they did not practise.

    python code/experiments/instructgpt_mentioned.py
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from anatomy.models.gpt import GPT
from anatomy.rlhf.answers import batch_of_texts, chat_prompt, written
from anatomy.rlhf.comparisons import rank
from anatomy.rlhf.measures import forgetting, measure
from anatomy.rlhf.reward_model import Reward, RewardModel
from anatomy.runtime import make_generator
from anatomy.tinyweb import KINDS, Task, World, tokenizer_of
from anatomy.tinyweb.tasks import Question
from anatomy.tinyweb.world import EVALUATION_COUNTS
from instructgpt import by_prompt, recipe_of, trained
from instructgpt_practice import FREQUENCIES
from instructgpt_rewards import accuracies, scores
from instructgpt_second import by_frequency, second
from instructgpt_summary import difference, estimate, over_seeds
from multiseed import SEEDS, arguments, run_all, write

NAME = "instructgpt_mentioned"
FINAL = SEEDS[:5]
PLACES = ("refuses at once", "names it", "is sure")
RATES = {"usual": 1e-3, "slow": 2e-4}  # of the reward models


@dataclass(frozen=True)
class Run:
    """One seed in one world; `reward` holds its SFT model, and is trained if `judged`."""

    reward: Reward
    judged: bool
    samples: int = 2


def where_names_are_mentioned(reward: Reward) -> Reward:
    """The same in the other world."""
    sft = replace(reward.sft, base=replace(reward.sft.base, small_talk=True))
    return replace(reward, sft=sft)


@torch.no_grad()
def places(model: GPT, world: World, tasks: Sequence[Task]) -> dict[str, list[float | None]]:
    """What a model would say at three places of an answer, by how often the web tells the fact.

    As the first word: the probability of "i". Where a statement names its subject: of the name
    that was asked about. Where the fact would stand: of the likeliest value, among all that
    could be true.
    """
    tokenizer = tokenizer_of(world)
    found: dict[str, list[float | None]] = {f"{f} {p}": [] for f in FREQUENCIES for p in PLACES}
    for task in tasks:
        values: dict[str, float] = {}
        if isinstance(task.content, Question):
            fact, asked = task.content.fact, chat_prompt(tokenizer, task)
            begun, _ = fact.statements[0].rsplit(f" {fact.value} ", 1)
            before_name, _ = begun.split(fact.entity, 1)
            first, name, slot = (
                model(torch.tensor([[*asked, *tokenizer.encode(text)]]))[0, -1].softmax(-1)
                for text in ("", before_name, begun)
            )
            could_be = slot[[tokenizer.index[value] for value in fact.values]]
            values = {
                "refuses at once": float(first[tokenizer.index["i"]]),
                "names it": float(name[tokenizer.index[fact.entity]]),
                "is sure": float(could_be.max() / could_be.sum()),
            }
        for frequency in FREQUENCIES:
            for place in PLACES:
                counts = values and task.frequency == frequency
                found[f"{frequency} {place}"].append(values[place] if counts else None)
    return found


@torch.no_grad()
def preference(
    model: RewardModel, world: World, asked: Sequence[Task], frequency: str, kind: str = "right"
) -> list[float]:
    """Score of an answer of a kind minus that of "i do not know", for questions of a frequency."""
    tokenizer, rng = tokenizer_of(world), random.Random(f"mentioned {frequency} {kind}")
    tasks = [task for task in asked if task.frequency == frequency]

    def score(kind: str) -> torch.Tensor:
        texts = [world.labeller_written(task, rng, kind) for task in tasks]
        return model(*batch_of_texts(tokenizer, tasks, [written(tokenizer, t) for t in texts]))

    return (score(kind) - score("idk")).tolist()


def told_apart(low: Sequence[float | None], high: Sequence[float | None]) -> float:
    """Probability that a value drawn from `high` is above one from `low`; ties count half."""
    one, two = (np.array([v for v in values if v is not None]) for values in (low, high))
    return float(np.mean((two[:, None] > one) + 0.5 * (two[:, None] == one)))


def judge(model: RewardModel, sft: GPT, world: World, seed: int) -> dict[str, Any]:
    """What a reward model thinks of right answers, of practised names and of new ones."""
    tests = world.evaluation_set("test")
    counts = {frequency: EVALUATION_COUNTS[frequency] for frequency in FREQUENCIES}
    practised = world.evaluation_set("train", counts=counts)
    rankings = rank(sft, world, tests, answers=4, seed=9_000 + seed)
    never = [preference(model, world, tests, "unpublished", kind) for kind in ("right", "wrong")]
    rare = preference(model, world, tests, "rare")
    return {
        "pairs": accuracies(scores(model, rankings, world), rankings),
        "right above idk": {
            f"{name} {frequency}": float(
                np.mean(np.array(preference(model, world, tasks, frequency)) > 0)
            )
            for name, tasks in (("practised", practised), ("new", tests))
            for frequency in ("common", "rare")
        },
        "idk above wrong": float(np.mean(np.array(never[1]) < 0)),
        "told apart": told_apart(never[0] + never[1], rare),
    }


def measure_run(run: Run) -> dict[str, Any]:
    """Train and measure the SFT model of one seed in one world, and its judges."""
    torch.set_num_threads(1)
    recipe, seed = run.reward.sft, run.reward.seed
    world = recipe.base.world
    tasks = world.evaluation_set("test")
    base = trained(recipe.base)[0]
    sft = trained(recipe, base)[0]
    found = measure(sft, world, tasks, generator=make_generator(seed), samples=run.samples)
    rates = RATES if run.judged else {}
    judges = {
        name: trained(replace(run.reward, learning_rate=rate), sft)[0]
        for name, rate in rates.items()
    }
    return {
        "rows": by_prompt(found, found) | by_frequency(found, FREQUENCIES),
        "places": places(sft, world, tasks),
        "forgetting": forgetting(sft, world),
        "judges": {name: judge(model, sft, world, seed) for name, model in judges.items()},
    }


def summary_of_world(results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The SFT models of one world over the seeds."""
    rows, read = ([r[part] for r in results] for part in ("rows", "places"))
    return {
        "sft": {m: estimate([r[m] for r in rows]) for m in rows[0] if m != "win"}
        | {
            lost: over_seeds([r["forgetting"][lost] for r in results])
            for lost in results[0]["forgetting"]
        },
        "places": {key: estimate([r[key] for r in read]) for key in read[0]},
        # who refuses, should refuse what is never told; who is sure, be so of what is told
        "told apart": {
            "refuses at once": estimate(
                [
                    [told_apart(r["rare refuses at once"], r["unpublished refuses at once"])]
                    for r in read
                ]
            ),
            "is sure": estimate(
                [[told_apart(r["unpublished is sure"], r["rare is sure"])] for r in read]
            ),
        },
    }


def summary_of_judges(results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Both reward models over the seeds, and the slow one minus the usual one."""
    flat = [
        {
            name: {f"pairs {kind}": found["pairs"][kind] for kind in ("all", *KINDS)}
            | found["right above idk"]
            | {key: found[key] for key in ("idk above wrong", "told apart")}
            for name, found in r["judges"].items()
        }
        for r in results
    ]
    found = {
        name: {key: estimate([[r[name][key]] for r in flat]) for key in flat[0][name]}
        for name in RATES
    }
    gain = {
        key: over_seeds([r["slow"][key] - r["usual"][key] for r in flat]) for key in found["slow"]
    }
    return found | {"gain": gain}


def summary(
    usual: Sequence[Mapping[str, Any]], mentioned: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Both worlds over the seeds, their difference on the same prompts, and the judges."""
    return {
        "usual": summary_of_world(usual),
        "mentioned": summary_of_world(mentioned),
        "gain": {
            metric: difference(
                *([r["rows"][metric] for r in world] for world in (mentioned, usual))
            )
            for metric in usual[0]["rows"]
            if metric != "win"
        },
        "judges": summary_of_judges(usual),
    }


def main() -> None:
    options = arguments(__doc__.splitlines()[0], seeds=FINAL, steps=False, only=False)
    rewards = [second(recipe_of(seed)).reward for seed in options.seeds]
    runs = [Run(reward, True) for reward in rewards]
    runs += [Run(where_names_are_mentioned(reward), False) for reward in rewards]
    results = run_all(NAME, measure_run, runs, workers=options.workers)
    data = summary(results[: len(rewards)], results[len(rewards) :])
    write(NAME, data, config=runs[0].reward, finished=results, options=options)


if __name__ == "__main__":
    main()
