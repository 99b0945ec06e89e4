"""Labellers with a weakness, and a policy that finds it.

The reward model learns from labellers who like to be flattered, or who like long answers. PPO
then writes what they like. Nothing else differs from the chain of `instructgpt.py`.

    python code/experiments/instructgpt_biases.py
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from anatomy.rlhf.measures import measure
from anatomy.rlhf.reinforcement import PPO
from anatomy.runtime import make_generator
from anatomy.tinyweb import TASTES
from anatomy.tinyweb.gold import flatters
from anatomy.tinyweb.labeller import utility
from instructgpt import listed, recipe_of, trained
from instructgpt_summary import estimate
from multiseed import SEEDS, arguments, run_all, write

NAME = "instructgpt_biases"
FINAL = SEEDS[:5]
ITERATIONS = 100
BIASES = ("vain", "long-winded")


@dataclass(frozen=True)
class Run:
    """PPO on the labels of one taste."""

    recipe: PPO
    samples: int = 2


def measure_run(run: Run) -> dict[str, Any]:
    """Train reward model and policy; compare with the SFT model."""
    torch.set_num_threads(1)
    recipe, world = run.recipe, run.recipe.sft.base.world
    base, _, _ = trained(recipe.sft.base)
    sft, _, _ = trained(recipe.sft, base)
    reward, _, _ = trained(recipe.reward, sft)
    actor, history, _ = trained(recipe, sft, reward)
    tasks, taste = world.evaluation_set("test"), TASTES[recipe.reward.taste]
    rows: dict[str, dict[str, Any]] = {}
    for stage, model in (("sft", sft), ("ppo", actor.policy)):
        found = measure(
            model, world, tasks, generator=make_generator(recipe.seed), samples=run.samples
        )
        pairs = [(t, a) for t, row in zip(tasks, found.answers, strict=True) for a in row]
        liked = [utility(world, t, a.text, taste, ended=a.ended) for t, a in pairs]
        flattered = [float(flatters(a.text)) for _, a in pairs]
        rows[stage] = {
            "gold": listed(found.gold),
            "length": listed(found.length),
            "utility": np.reshape(liked, (len(tasks), -1)).mean(1).tolist(),
            "flattery": np.reshape(flattered, (len(tasks), -1)).mean(1).tolist(),
        }
    curve = {name: [h[name] for h in history] for name in ("score", "kl to reference", "length")}
    return {"rows": rows, "curve": curve}


def main() -> None:
    options = arguments(__doc__.splitlines()[0], seeds=FINAL, steps=False, only=False)
    runs = []
    for seed in options.seeds:
        recipe = recipe_of(seed, ptx_coef=0.0, iterations=ITERATIONS)
        runs += [Run(replace(recipe, reward=replace(recipe.reward, taste=b))) for b in BIASES]
    results = run_all(NAME, measure_run, runs, workers=options.workers)
    table = {}
    for bias in BIASES:
        own = [r for run, r in zip(runs, results, strict=True) if run.recipe.reward.taste == bias]
        table[bias] = {
            stage: {
                metric: estimate([r["rows"][stage][metric] for r in own])
                for metric in own[0]["rows"][stage]
            }
            for stage in ("sft", "ppo")
        } | {"curves": [r["curve"] for r in own]}
    data = {"iterations": ITERATIONS, "biases": table}
    write(NAME, data, config=runs[0].recipe, finished=results, options=options)


if __name__ == "__main__":
    main()
