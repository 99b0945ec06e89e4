"""What a reward model orders rightly: by kind of task, against labellers; how sure it may be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any

import torch
from torch import Tensor

from anatomy.models.gpt import GPT
from anatomy.rlhf.comparisons import Ranking, rank
from anatomy.rlhf.preferences import order_accuracy, pair_differences
from anatomy.rlhf.reward_model import RewardModel, scores_of
from anatomy.tinyweb import HONEST, IMPATIENT, KINDS, Split, Task, Taste, World, preference
from anatomy.tinyweb.labeller import utility

GAPS = ((0.0, 0.25), (0.25, 0.6), (0.6, 3.0))  # of gold between the two answers
BINS = 10
ROWS = 64


@torch.no_grad()
def scores(model: RewardModel, rankings: Sequence[Ranking], world: World) -> Tensor:
    """(N, K) scores in the labeller's order."""
    parts = [rankings[i : i + ROWS] for i in range(0, len(rankings), ROWS)]
    return torch.cat([scores_of(model, part, world=world) for part in parts])


def accuracies(found: Tensor, rankings: Sequence[Ranking]) -> dict[str, float]:
    """Share of the pairs of different gold that are ordered rightly: in all, by kind, by gap."""
    gold = torch.tensor([r.gold for r in rankings])

    def share(choose: Callable[[Task], bool]) -> float:
        rows = [i for i, r in enumerate(rankings) if choose(r.task)]
        return float(order_accuracy(found[rows], gold[rows]).mean())

    out = {"all": share(lambda task: True)}
    out |= {kind: share(lambda task, kind=kind: task.kind == kind) for kind in KINDS}
    out["known"] = share(lambda t: t.kind == "qa" and t.frequency != "unpublished")
    out["unknown"] = share(lambda t: t.frequency == "unpublished")
    right = order_accuracy(found, gold)
    differences = pair_differences(gold).abs()
    gaps = differences[differences > 1e-6]
    for low, high in GAPS:
        out[f"gap to {high:g}"] = float(right[(gaps > low) & (gaps <= high)].mean())
    out["pairs"] = float(len(right))
    return out


def agreements(
    found: Tensor, rankings: Sequence[Ranking], world: World, temperature: float
) -> dict[str, float]:
    """How often two would order a pair of different answers alike; exact for labellers.

    Labellers of the training's taste with each other, with held-out ones of another taste;
    the reward model with either.
    """
    own, other, gaps = [], [], []
    for row, ranking in zip(found.tolist(), rankings, strict=True):
        mine = _utilities(world, ranking, HONEST)
        theirs = _utilities(world, ranking, IMPATIENT)
        for i, j in combinations(range(len(row)), 2):
            if ranking.answers[i].text != ranking.answers[j].text:
                own.append(preference(mine[i], mine[j], temperature))
                other.append(preference(theirs[i], theirs[j], temperature))
                gaps.append(row[i] - row[j])
    p, q = torch.tensor(own), torch.tensor(other)
    model = 0.5 + 0.5 * torch.tensor(gaps).sign()
    pairs = {
        "labeller and labeller": (p, p),
        "labeller and held-out labeller": (p, q),
        "held-out labeller and held-out labeller": (q, q),
        "reward model and labeller": (model, p),
        "reward model and held-out labeller": (model, q),
    }
    return {name: float((a * b + (1 - a) * (1 - b)).mean()) for name, (a, b) in pairs.items()}


def _utilities(world: World, ranking: Ranking, taste: Taste) -> list[float]:
    return [
        utility(world, ranking.task, answer.text, taste, ended=answer.ended)
        for answer in ranking.answers
    ]


def binned(found: Tensor) -> list[list[float]]:
    """Per bin of σ(r_1 − r_2): how many pairs, the sum of what was said, how many came true.

    The pairs stand in a labeller's order, so every first answer won; each is counted from
    both sides.
    """
    won = torch.sigmoid(pair_differences(found).flatten()).double()
    said = torch.cat([won, 1 - won])
    happened = torch.cat([torch.ones_like(won), torch.zeros_like(won)])
    place = (said * BINS).long().clamp_max(BINS - 1)
    columns = (torch.ones_like(said), said, happened)
    return torch.stack(
        [torch.bincount(place, weights=column, minlength=BINS) for column in columns], dim=1
    ).tolist()


def judge_reward_model(
    model: RewardModel,
    policy: GPT,
    world: World,
    split: Split,
    *,
    seed: int,
    temperature: float,
) -> dict[str, Any]:
    """Four answers of the policy to every prompt of a split; and two of them written by people."""
    tasks = world.evaluation_set(split)
    sampled = rank(policy, world, tasks, answers=4, temperature=temperature, seed=9_000 + seed)
    mixed = rank(
        policy,
        world,
        tasks,
        answers=4,
        labeller_written=2,
        temperature=temperature,
        seed=9_500 + seed,
    )
    found = scores(model, sampled, world)
    return {
        "sft pairs": accuracies(found, sampled),
        "mixed pairs": accuracies(scores(model, mixed, world), mixed),
        "agreement": agreements(found, sampled, world, temperature),
        "calibration": binned(found),
    }
