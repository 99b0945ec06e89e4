"""Comparisons: several answers to a prompt, put in order by a labeller.

Step 2 of InstructGPT begins here. Some answers are the SFT model's; others a labeller wrote
to order, with one planted fault each, so that the mistakes that matter are compared.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from anatomy import tinyweb
from anatomy.models.gpt import GPT
from anatomy.rlhf.answers import Answer, answer, written
from anatomy.runtime import make_generator
from anatomy.tinyweb import KINDS, TASTES, Labeller, Split, Task, World
from anatomy.tinyweb.faults import FOUND, MIX

MISPLACED = 0.3  # how often the last of the written answers belongs to another prompt
LABELLERS = 5  # people of one taste, each with a random stream of their own


@dataclass(frozen=True)
class Ranking:
    """One prompt, its answers best first, and who says so."""

    task: Task
    answers: tuple[Answer, ...]
    gold: tuple[float, ...]  # of each answer; no reward model ever sees it
    labeller: int


def collect(
    policy: GPT,
    world: World,
    prompts: int,
    *,
    answers: int = 4,
    labeller_written: int = 2,
    unpublished: float = 0.5,
    stories: float = 0.0,
    lists: float = 0.0,
    found: bool = False,
    temperature: float = 0.2,
    taste: str = "honest",
    split: Split = "train",
    seed: int = 0,
) -> list[Ranking]:
    """Let `policy` and labellers answer prompts of a split, and labellers rank the answers.

    A share `stories` of the prompts asks for a story and a share `lists` for a list, beside
    those that do so anyway. `found`: labellers also write the faults that a policy found.
    """
    asked = world.tasks(split, 10_000 + seed, unpublished=unpublished)
    more_stories = world.tasks(split, 11_000 + seed, kind="story")
    more_lists = world.tasks(split, 12_000 + seed, kind="list")
    sources, shares = (more_stories, more_lists, asked), (stories, lists, 1 - stories - lists)
    rng = random.Random(f"comparisons prompts {seed}")
    tasks = [next(source) for source in rng.choices(sources, shares, k=prompts)]
    return rank(
        policy,
        world,
        tasks,
        answers=answers,
        labeller_written=labeller_written,
        found=found,
        temperature=temperature,
        taste=taste,
        seed=seed,
    )


def rank(
    policy: GPT,
    world: World,
    tasks: Sequence[Task],
    *,
    answers: int,
    labeller_written: int = 0,
    found: bool = False,
    temperature: float = 0.2,
    taste: str = "honest",
    seed: int = 0,
) -> list[Ranking]:
    """K answers to each task, `labeller_written` of them by a person, ranked by one of five."""
    if not 0 <= labeller_written <= answers or answers < 2:
        raise ValueError(f"{labeller_written} of {answers} answers cannot be written by labellers")
    sampled = answers - labeller_written
    tokenizer, generator = tinyweb.tokenizer_of(world), make_generator(seed, policy.device)
    drawn = answer(
        policy, tokenizer, [t for t in tasks for _ in range(sampled)], generator=generator
    )
    people = [
        Labeller(world, temperature=temperature, taste=TASTES[taste], seed=100 * seed + number)
        for number in range(LABELLERS)
    ]
    rng, rankings = random.Random(f"comparisons {seed}"), []
    for place, task in enumerate(tasks):
        candidates = drawn[place * sampled : (place + 1) * sampled]
        kinds = planted(task, rng, labeller_written, found)
        texts = [world.labeller_written(task, rng, kind) for kind in kinds]
        if texts and rng.random() < MISPLACED:
            texts[-1] = misplaced(world, task, rng)
        candidates += [written(tokenizer, text) for text in texts]
        number = rng.randrange(LABELLERS)
        rankings.append(judged(world, people[number], number, task, candidates))
    return rankings


def planted(task: Task, rng: random.Random, count: int, found: bool = False) -> list[str]:
    """What a labeller writes: kinds of answers, as often as in the mix of the task.

    One answer is right and the others have a fault each, so that a comparison shows what
    the fault costs. Not so for questions: what is right about the unpublished cannot be known.
    """
    mix = dict((FOUND if found else MIX)[task.kind])
    right = [] if task.kind == "qa" or count == 0 else ["right"]
    if right:
        mix.pop("right")
    return right + rng.choices(list(mix), list(mix.values()), k=count - len(right))


def misplaced(world: World, task: Task, rng: random.Random) -> str:
    """A good answer to a task of another kind.

    Without it no labeller ever sees "sorry , i do not want to be rude ." below a question;
    the reward model has no opinion about it, and PPO finds that out.
    """
    kind = rng.choice([kind for kind in KINDS if kind != task.kind])
    return world.ideal(next(world.tasks(task.split, rng.randrange(2**31), kind=kind)), rng)


def judged(
    world: World, person: Labeller, number: int, task: Task, candidates: Sequence[Answer]
) -> Ranking:
    """The candidates in the order that a labeller gives them."""
    ended = [candidate.ended for candidate in candidates]
    order = person.rank(task, [candidate.text for candidate in candidates], ended)
    gold = [world.gold(task, c.text, ended=c.ended).score for c in candidates]
    return Ranking(task, tuple(candidates[i] for i in order), tuple(gold[i] for i in order), number)
