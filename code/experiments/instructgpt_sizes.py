"""Figure 1 of Ouyang et al. (2022) in miniature: models of three sizes against one SFT model.

SFT and PPO-ptx of a small, a middle and the chain's own size; each is compared, prompt by
prompt, with the largest SFT model. Their claim: alignment can be worth more than size.

    python code/experiments/instructgpt_sizes.py
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch

from anatomy.models.abilities import cloze_accuracy
from anatomy.rlhf.evaluation import wins
from anatomy.rlhf.measures import measure
from anatomy.rlhf.reinforcement import PPO
from anatomy.runtime import make_generator
from anatomy.tinyweb import tokenizer_of
from instructgpt import few_shot, listed, recipe_of, trained
from instructgpt_summary import STAGES, estimate, over_seeds
from multiseed import SEEDS, arguments, finite, run_all, write

NAME = "instructgpt_sizes"
FINAL = SEEDS[:5]
SHAPES: Mapping[str, dict[str, int]] = {
    "small": {"width": 64, "layers": 3},
    "middle": {"width": 96, "layers": 3},
    "large": {},  # the chain's
}


@dataclass(frozen=True)
class Run:
    """One seed, all sizes."""

    recipe: PPO
    samples: int = 2


def of_size(recipe: PPO, shape: Mapping[str, int]) -> PPO:
    """The same chain on another base model."""
    sft = replace(recipe.sft, base=replace(recipe.sft.base, **shape))
    return replace(recipe, reward=replace(recipe.reward, sft=sft))


def measure_run(run: Run) -> dict[str, Any]:
    """Train the chains; compare everything with the largest SFT model."""
    torch.set_num_threads(1)
    world = run.recipe.sft.base.world
    tokenizer, tasks = tokenizer_of(world), world.evaluation_set("test")
    few = {"prompt": few_shot, "stop_tokens": [tokenizer.eos_id, tokenizer.nl_id]}
    answered, parameters, seconds = {}, {}, {}
    for size, shape in SHAPES.items():
        recipe = of_size(run.recipe, shape)
        base, _, one = trained(recipe.sft.base)
        sft, _, two = trained(recipe.sft, base)
        reward, _, three = trained(recipe.reward, sft)
        actor, _, four = trained(recipe, sft, reward)
        parameters[size] = sum(p.numel() for p in base.parameters())
        seconds[size] = one + two + three + four
        models = {"few-shot": (base, few), "sft": (sft, {}), "ppo-ptx": (actor.policy, {})}
        for stage, (model, way) in models.items():
            answered[size, stage] = measure(
                model, world, tasks, generator=make_generator(run.recipe.seed),
                samples=run.samples, **way,
            )  # fmt: skip
    one_sft = answered["large", "sft"].gold
    return {
        "parameters": parameters,
        "cpu seconds of chain": seconds,
        "rows": {
            f"{size} {stage}": {
                "gold": listed(found.gold),
                "win": wins(
                    found.gold[:, :, None].expand(-1, -1, run.samples),
                    one_sft[:, None, :].expand(-1, run.samples, -1),
                ).mean((1, 2)).tolist(),
            }
            for (size, stage), found in answered.items()
        },
    }  # fmt: skip


def known(recipe: PPO) -> float:
    """Which share of the published facts the base model of a chain can complete."""
    base, _, _ = trained(recipe.sft.base)
    world = recipe.sft.base.world
    published = [cloze for cloze in world.cloze() if cloze.fact.published]
    return cloze_accuracy(base, tokenizer_of(world), published)


def main() -> None:
    options = arguments(__doc__.splitlines()[0], seeds=FINAL, steps=False, only=False)
    runs = [Run(recipe_of(seed)) for seed in options.seeds]
    results = run_all(NAME, measure_run, runs, workers=options.workers)
    data = {
        "parameters": results[0]["parameters"],
        "facts known": {
            size: over_seeds([known(of_size(run.recipe, shape)) for run in runs])
            for size, shape in SHAPES.items()
        },
        "cpu seconds of chain": [  # null where a stage came out of the cache
            {size: finite(seconds) for size, seconds in r["cpu seconds of chain"].items()}
            for r in results
        ],
        "stages": [stage for stage in STAGES if stage in ("few-shot", "sft", "ppo-ptx")],
        "models": {
            name: {
                metric: estimate([r["rows"][name][metric] for r in results])
                for metric in ("gold", "win")
            }
            for name in results[0]["rows"]
        },
    }
    write(NAME, data, config=runs[0].recipe, finished=results, options=options)


if __name__ == "__main__":
    main()
