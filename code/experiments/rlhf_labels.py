"""How many labels, and how good: 100, 500 and 5,000 comparisons with 0, 10 and 30 % noise.

A small model (width 64) is fine-tuned, writes answers to training prompts, and a labeller
writes others with planted faults. From every prompt one pair is compared. The order is that of
the gold score, and a share of the answers is turned round. The reward model keeps its
transformer as it is (`rlhf.linear_reward`), so every one of the many that are fitted here is the
exact optimum. It is judged on held-out prompts: how many pairs does it order rightly, by kind of
task, and is it as right as it believes?

    python code/experiments/rlhf_labels.py
"""

from __future__ import annotations

import io
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from anatomy.models.base_model import BaseModel
from anatomy.models.gpt import GPT
from anatomy.reporting.checkpoints import cached
from anatomy.reporting.receipts import replace_file
from anatomy.rlhf.comparisons import Ranking, collect, rank
from anatomy.rlhf.linear_reward import features_of, fit_linear
from anatomy.rlhf.preferences import calibration, order_accuracy, pair_differences
from anatomy.rlhf.sft import SFT
from anatomy.tinyweb import KINDS, World, tokenizer_of
from multiseed import CACHE, arguments, run_all, write

LABELS = (100, 500, 5_000)
NOISE = (0.0, 0.1, 0.3)
SEEDS = (400, 401, 402)  # not those that the penalty was chosen with


@dataclass(frozen=True)
class Run:
    """Everything from the fine-tuned model on has the seed; the base model is the same for all."""

    seed: int
    draws: int = 10  # of labels and of their noise, for every cell of the table
    large_draws: int = 3  # where all labels are used and only the noise differs
    l2: float = 0.01
    base: BaseModel = field(default_factory=lambda: BaseModel(width=64, layers=3))

    @property
    def sft(self) -> SFT:
        """The model that writes the answers and that the reward model reads with."""
        return SFT(base=self.base, seed=self.seed)


class Prepared(NamedTuple):
    """What all reward models of a seed share."""

    pairs: Tensor  # (5,000, 2, F) features, the better answer first
    held_out: Tensor  # (N, 4, F)
    gold: Tensor  # (N, 4)
    kinds: list[str]  # of the held-out prompts


def prepared(run: Run) -> Prepared:
    """Answers, their features and their gold, made once for a seed and kept."""
    file = CACHE / "rlhf_features" / f"{run.seed}.pt"
    if file.is_file():
        return Prepared(*torch.load(file, weights_only=True))
    policy, world = cached(run.sft), World()
    pairs = pairs_of(policy, world, max(LABELS), run.seed)
    tasks = world.evaluation_set("test")
    shown = rank(policy, world, tasks, answers=4, labeller_written=2, seed=30_000 + run.seed)
    found = Prepared(
        featured(policy, pairs),
        featured(policy, shown),
        torch.tensor([ranking.gold for ranking in shown]),
        ["qa, unknown" if t.frequency == "unpublished" else t.kind for t in tasks],
    )
    keep(file, tuple(found))
    return found


def keep(file: Path, found: tuple[Any, ...]) -> None:
    """Write tensors and lists so that an interruption leaves the whole file or none."""
    file.parent.mkdir(parents=True, exist_ok=True)
    content = io.BytesIO()
    torch.save(found, content)
    replace_file(file, content.getvalue())


def pairs_of(policy: GPT, world: World, count: int, seed: int) -> list[Ranking]:
    """`count` pairs of different gold from as many training prompts, the better one first."""
    spare = int(1.35 * count) + 50  # some pairs are worth the same
    asked = collect(policy, world, spare, answers=3, labeller_written=2, seed=20_000 + seed)
    rng, pairs = random.Random(f"rlhf labels {seed}"), []
    for ranking in asked:
        i, j = rng.sample(range(3), 2)
        if ranking.gold[i] < ranking.gold[j]:
            i, j = j, i
        if ranking.gold[i] - ranking.gold[j] > 1e-6:
            pairs.append(picked(ranking, i, j))
    if len(pairs) < count:
        raise ValueError(f"only {len(pairs)} of {count} pairs differ: collect more prompts")
    return pairs[:count]


def picked(ranking: Ranking, first: int, second: int) -> Ranking:
    """Two of the answers, in this order."""
    places = (first, second)
    return replace(
        ranking,
        answers=tuple(ranking.answers[i] for i in places),
        gold=tuple(ranking.gold[i] for i in places),
    )


def featured(policy: GPT, rankings: Sequence[Ranking]) -> Tensor:
    """(N, K, F)"""
    tasks = [ranking.task for ranking in rankings for _ in ranking.answers]
    answers = [answer for ranking in rankings for answer in ranking.answers]
    found = features_of(policy, tokenizer_of(World()), tasks, answers)
    return found.view(len(rankings), -1, found.shape[1])


def reward_model(pairs: Tensor, labels: int, noise: float, *, l2: float, seed: int) -> Tensor:
    """θ (F,) from some of the pairs (N, 2, F), a share `noise` of them turned round."""
    generator = torch.Generator().manual_seed(seed)
    chosen = pairs[torch.randperm(len(pairs), generator=generator)[:labels]]
    turned = torch.rand(labels, generator=generator)[:, None] < noise
    better = torch.where(turned, chosen[:, 1], chosen[:, 0])
    worse = torch.where(turned, chosen[:, 0], chosen[:, 1])
    return fit_linear(better, worse, l2=l2)


def judged(scores: Tensor, found: Prepared) -> dict[str, Any]:
    """Accuracy against gold, in all and by kind, and calibration, of scores (N, 4)."""
    shares = {}
    for kind in (*KINDS, "qa, unknown"):
        rows = [i for i, name in enumerate(found.kinds) if name == kind]
        shares["qa, known" if kind == "qa" else kind] = float(
            order_accuracy(scores[rows], found.gold[rows]).mean()
        )
    said, truth = (pair_differences(values).flatten() for values in (scores, found.gold))
    untied = truth.abs() > 1e-6
    # each pair from both sides: which answer stands first means nothing
    said, truth = (torch.cat([v[untied], -v[untied]]) for v in (said, truth))
    bins = calibration(torch.sigmoid(said), (truth > 0).float())
    return {
        "accuracy": float(order_accuracy(scores, found.gold).mean()),
        "by kind": shares,
        "calibration error": bins.error,
        "said": bins.said.tolist(),
        "happened": bins.happened.tolist(),
    }


def measured(run: Run) -> dict[str, Any]:
    """Every number of labels × every noise, `draws` times: means over the draws of this seed."""
    found = prepared(run)
    table: dict[str, Any] = {}
    for labels in LABELS:
        for noise in NOISE:
            rows = [
                judged(
                    found.held_out
                    @ reward_model(
                        found.pairs, labels, noise, l2=run.l2, seed=1_000 * k + run.seed
                    ),
                    found,
                )
                for k in range(draws_of(run, labels, noise))
            ]
            table[f"{labels}, {noise:.0%}"] = {
                "accuracy": mean(row["accuracy"] for row in rows),
                "calibration error": mean(row["calibration error"] for row in rows),
                "by kind": {
                    kind: mean(row["by kind"][kind] for row in rows) for kind in rows[0]["by kind"]
                },
                "said": rows[0]["said"],
                "happened": rows[0]["happened"],
            }
    return {"cells": table, "pairs": len(order_accuracy(found.gold, found.gold))}


def draws_of(run: Run, labels: int, noise: float) -> int:
    """How often a cell is drawn: all the labels without noise are always the same."""
    if labels < max(LABELS):
        return run.draws
    return run.large_draws if noise else 1


def mean(values: Any) -> float:
    return float(torch.tensor(list(values)).double().mean())


def main() -> None:
    options = arguments(__doc__.splitlines()[0], seeds=SEEDS, steps=False, only=False)
    runs = [Run(seed) for seed in options.seeds]
    finished = run_all("rlhf_labels", measured, runs, workers=options.workers)
    cells = {name: [row["cells"][name] for row in finished] for name in finished[0]["cells"]}
    data = {"pairs": finished[0]["pairs"], "runs": cells}
    write("rlhf_labels", data, config=asdict(runs[0]), finished=finished, options=options)
    for name, rows in cells.items():
        values = ", ".join(f"{row['accuracy']:.3f}" for row in rows)
        print(f"{name:12s} {values}  calibration error {rows[0]['calibration error']:.3f}")


if __name__ == "__main__":
    main()
