"""The InstructGPT chain, end to end: base → SFT → comparisons → reward model → PPO → PPO-ptx.

Every seed trains everything anew, base model and labellers included, and is measured on the
test split, which no tuning saw. Stages are kept as they end, so that an interrupted run goes on.

    python code/experiments/instructgpt.py

Results by stage: gold score, win rate against the SFT model, honesty, manners, what was
forgotten, distance from the reference; learning curves; what the reward model orders rightly,
how sure it may be, and what it and labellers of another taste agree on.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from anatomy.models.gpt import GPT
from anatomy.reporting.checkpoints import cache_file, load_checkpoint, save_checkpoint
from anatomy.rlhf.answers import gold_scores, read
from anatomy.rlhf.evaluation import wins
from anatomy.rlhf.measures import Measured, divergence, forgetting, measure, scored
from anatomy.rlhf.reinforcement import PPO
from anatomy.rlhf.reward_model import RewardModel
from anatomy.runtime import make_generator
from anatomy.tinyweb import KINDS, Split, Task, WordTokenizer, World, tokenizer_of
from instructgpt_rewards import judge_reward_model
from instructgpt_summary import STAGES, summary
from multiseed import SEEDS, run_all, write

NAME = "instructgpt"
FINAL = SEEDS[:5]
SAMPLES = 4  # answers to every test prompt
KEPT = ("score", "kl to reference", "length", "gold", "explained_variance", "clip_fraction")


@dataclass(frozen=True)
class Run:
    """One chain; `recipe` is its last stage, and holds all that come before."""

    recipe: PPO
    split: Split = "test"
    samples: int = SAMPLES


# --- training --------------------------------------------------------------------------


def trained(
    recipe: Any, *parents: nn.Module, steps: Callable[..., Any] | None = None
) -> tuple[Any, list[dict[str, float]], float]:
    """The module of a stage, its history and its CPU seconds; kept where `cached` finds it."""
    path, module = cache_file(recipe), recipe.build()
    if path.is_file():
        kept = load_checkpoint(path, module, config=recipe)["extra"]
        return module.eval(), kept.get("history", []), kept.get("cpu seconds", float("nan"))
    history, began = [], time.process_time()
    state = recipe.begin(module, *parents)
    for record in (steps or recipe.train)(module, state):
        history.append(record if isinstance(record, dict) else {"loss": record})
    seconds = time.process_time() - began
    extra = {"history": history, "cpu seconds": seconds}
    save_checkpoint(path, module, config=recipe, seed=recipe.seed, step=recipe.steps, extra=extra)
    return module.eval(), history, seconds


def with_gold(recipe: PPO) -> Callable[..., Any]:
    """The iterations of a PPO run, each with the gold score of its answers."""
    world = recipe.sft.base.world
    tokenizer = tokenizer_of(world)

    def steps(actor: nn.Module, state: Mapping[str, Any]) -> Any:
        for tasks, (record, rollout) in zip(recipe.tasks(), recipe.run(actor, state), strict=False):  # type: ignore[arg-type]
            rows = zip(rollout.actions, rollout.mask, strict=True)
            found = [read(tokenizer, a[m].tolist(), [tokenizer.eos_id]) for a, m in rows]
            yield record | {"gold": float(np.mean(gold_scores(world, tasks, found)))}

    return steps


def chain(recipe: PPO) -> dict[str, tuple[Any, list[dict[str, float]], float]]:
    """Every stage of a chain, up to PPO and PPO-ptx, and the plain reward model beside."""
    base = trained(recipe.sft.base)
    sft = trained(recipe.sft, base[0])
    reward = trained(recipe.reward, sft[0])
    plain = trained(replace(recipe.reward, surprise=False), sft[0])
    found = {"base": base, "sft": sft, "reward model": reward, "plain reward model": plain}
    for stage in (replace(recipe, ptx_coef=0.0), recipe):
        found[stage.name] = trained(stage, sft[0], reward[0], steps=with_gold(stage))
    return found


# --- measuring -------------------------------------------------------------------------


def bare(tokenizer: WordTokenizer, task: Task) -> list[int]:
    """The instruction alone, as the beginning of a document."""
    return [tokenizer.eos_id, *tokenizer.encode(f"{task.prompt} <nl>")]


def few_shot(tokenizer: WordTokenizer, task: Task) -> list[int]:
    """The instruction on a forum page, after two pages that are answered well."""
    pages = (
        "forum <nl> anna : name two colors . <nl> ben : blue and red .",
        "forum <nl> leo : please lend me the map . <nl> eva : here is the map .",
        f"forum <nl> tom : {task.prompt} <nl> paul :",
    )
    return [tokenizer.eos_id, *tokenizer.encode(" <eos> ".join(pages))]


def ladder(models: Mapping[str, GPT], run: Run, world: World) -> dict[str, Measured]:
    """The answers of every stage to the same tasks, judged."""
    tasks, tokenizer = world.evaluation_set(run.split), tokenizer_of(world)
    stops = [tokenizer.eos_id, tokenizer.nl_id]
    ways: dict[str, dict[str, Any]] = {
        "base": {"prompt": bare},
        "few-shot": {"prompt": few_shot, "stop_tokens": stops},
    }
    return {
        name: measure(
            models["base" if name in ways else name],
            world,
            tasks,
            generator=make_generator(run.recipe.seed),
            samples=run.samples,
            **ways.get(name, {}),
        )
        for name in STAGES
        if name in ways or name in models
    }


def by_prompt(measured: Measured, sft: Measured) -> dict[str, list[float | None]]:
    """Every measure as one number per prompt; None where a prompt does not count."""
    pairs = wins(measured.gold[:, :, None].expand(-1, -1, sft.gold.shape[1]),
                 sft.gold[:, None, :].expand(-1, measured.gold.shape[1], -1))  # fmt: skip
    found: dict[str, list[float | None]] = {
        "gold": listed(measured.gold),
        "win": pairs.mean((1, 2)).tolist(),
        "fluency": listed(measured.fluent),
        "rude": listed(measured.rude),
        "length": listed(measured.length),
        "ended": listed(measured.ended),
    }
    for kind in KINDS:
        found[f"gold {kind}"] = only(measured, measured.gold, lambda t, k=kind: t.kind == k)
    for name, published in (("known", True), ("unknown", False)):
        for verdict, values in measured.verdicts.items():
            found[f"{name} {verdict}"] = only(
                measured,
                values,
                lambda t, p=published: t.kind == "qa" and (t.frequency != "unpublished") == p,
            )
    return found


def rows_of(
    policy: GPT, sft: GPT, reward: RewardModel, recipe: PPO, *, samples: int, split: Split = "test"
) -> dict[str, list[float | None]]:
    """Every measure of one policy on the prompts of a split, beside the SFT model's answers."""
    world = recipe.sft.base.world
    tasks, tokenizer = world.evaluation_set(split), tokenizer_of(world)
    mine, theirs = (
        measure(m, world, tasks, generator=make_generator(recipe.seed), samples=samples)
        for m in (policy, sft)
    )
    rows = by_prompt(mine, theirs)
    rows["kl"] = listed(divergence(policy, sft, mine, tokenizer))
    with torch.no_grad():
        rows["score"] = listed(scored(reward, mine, tokenizer))
    return rows


def listed(values: Tensor) -> list[float | None]:
    return [round(v, 4) for v in values.double().mean(1).tolist()]


def only(measured: Measured, values: Tensor, choose: Callable[[Task], bool]) -> list[float | None]:
    pairs = zip(measured.tasks, listed(values), strict=True)
    return [value if choose(task) else None for task, value in pairs]


def examples(
    ladder: Mapping[str, Measured], world: World, rows: Sequence[int]
) -> list[dict[str, Any]]:
    """Some prompts with the first answer of every stage and what it is worth."""
    some = ladder["sft"]
    return [
        {
            "prompt": some.tasks[i].prompt,
            "kind": some.tasks[i].kind,
            "answers": {
                name: {"text": m.answers[i][0].text, "gold": float(m.gold[i][0])}
                for name, m in ladder.items()
            },
        }
        for i in rows
    ]


def measure_run(run: Run) -> dict[str, Any]:
    """Train one chain and measure every stage of it."""
    torch.set_num_threads(1)
    world = run.recipe.sft.base.world
    stages = chain(run.recipe)
    reward: RewardModel = stages["reward model"][0]
    models: dict[str, GPT] = {"base": stages["base"][0], "sft": stages["sft"][0]}
    models |= {name: stages[name][0].policy for name in ("ppo", "ppo-ptx")}
    began = time.process_time()
    found, tokenizer = ladder(models, run, world), tokenizer_of(world)
    rows = {name: by_prompt(m, found["sft"]) for name, m in found.items()}
    for name in ("sft", "ppo", "ppo-ptx"):
        rows[name]["kl"] = listed(divergence(models[name], models["sft"], found[name], tokenizer))
        with torch.no_grad():
            rows[name]["score"] = listed(scored(reward, found[name], tokenizer))
    pick = np.linspace(0, len(found["sft"].tasks) - 1, 24).astype(int).tolist()
    return {
        "rows": rows,
        "forgetting": {name: forgetting(model, world) for name, model in models.items()},
        "curves": {
            name: {key: [r[key] for r in stages[name][1] if key in r] for key in KEPT}
            for name in ("ppo", "ppo-ptx")
        },
        "losses": {
            name: [r["loss"] for r in stages[name][1]]
            for name in ("base", "sft", "reward model", "plain reward model")
        },
        "training cpu seconds": {name: stage[2] for name, stage in stages.items()},
        "rewards": {
            name: judge_reward_model(
                stages[name][0],
                models["sft"],
                world,
                run.split,
                seed=run.recipe.seed,
                temperature=run.recipe.reward.temperature,
            )
            for name in ("plain reward model", "reward model")
        },
        "examples": examples(found, world, pick),
        "measuring cpu seconds": time.process_time() - began,
    }


def recipe_of(seed: int, **changes: Any) -> PPO:
    """The chain of one seed, PPO-ptx at its end."""
    return replace(PPO.of_seed(seed), **({"ptx_coef": 1.0} | changes))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=list(FINAL))
    parser.add_argument("--split", choices=("dev", "test"), default="test")
    parser.add_argument("--workers", type=int, default=2, help="processes, one thread each")
    options = parser.parse_args()
    options.complete = options.split == "test" and options.seeds == list(FINAL)
    return options


def main() -> None:
    options = arguments()
    runs = [Run(recipe_of(seed), options.split) for seed in options.seeds]
    results = run_all(NAME, measure_run, runs, workers=options.workers)
    write(NAME, summary(results), config=runs[0].recipe, finished=results, options=options)


if __name__ == "__main__":
    main()
