"""The third step with other coefficients, and with a part left out.

κ from 0 to 4 at the recipe's β; β from 0 to 0.8 without ptx, to see whether a stronger leash
alone spares the web loss; the control that only repeats web text and has no reward; and PPO-ptx
that starts from the base model, without fine-tuning before. All share base, SFT and reward model
with the chain of `instructgpt.py`, and fewer iterations.

    python code/experiments/instructgpt_sweeps.py
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from anatomy.models.gpt import GPT
from anatomy.rlhf.measures import forgetting
from anatomy.rlhf.reinforcement import PPO, ptx_loss
from anatomy.rlhf.sft import descend
from anatomy.rlhf.sft import make_optimizer as plain_optimizer
from instructgpt import recipe_of, rows_of, trained
from instructgpt_summary import estimate, over_seeds
from multiseed import SEEDS, arguments, run_all, write

NAME = "instructgpt_sweeps"
FINAL = SEEDS[:5]
ITERATIONS = 60
KAPPAS = (0.0, 0.25, 1.0, 4.0)
BETAS = (0.0, 0.2, 0.8)
VERDICTS = ("right", "wrong", "idk", "off-topic")
METRICS = (
    *("gold", "win", "rude", "fluency"),
    *(f"{name} {verdict}" for name in ("known", "unknown") for verdict in VERDICTS),
)


@dataclass(frozen=True)
class Run:
    """One variant of the third step."""

    variant: str  # "kappa", "beta", "no reward", "no sft"
    recipe: PPO
    samples: int = 1

    @property
    def row(self) -> str:
        """What the row is called."""
        value = {"kappa": self.recipe.ptx_coef, "beta": self.recipe.kl_coef}.get(self.variant)
        return self.variant if value is None else f"{self.variant} {value:g}"


def web_only(recipe: PPO, policy: GPT) -> Iterator[float]:
    """As many steps on web text as PPO-ptx makes, and nothing else."""
    loss, optimizer = ptx_loss(policy, recipe), plain_optimizer(policy, recipe.learning_rate)
    for _ in range((recipe.iterations - recipe.critic_first) * recipe.minibatches):
        term = loss()
        descend(policy, optimizer, term, 1.0)
        yield term.item()


def measure_run(run: Run) -> dict[str, Any]:
    """Train one variant from the chain's SFT and reward model, and measure it."""
    torch.set_num_threads(1)
    recipe = run.recipe
    base, _, _ = trained(recipe.sft.base)
    sft, _, _ = trained(recipe.sft, base)
    reward, _, _ = trained(recipe.reward, sft)
    actor = recipe.build()
    state = recipe.begin(actor, base if run.variant == "no sft" else sft, reward)
    if run.variant == "no reward":
        history = [{"auxiliary_loss": loss} for loss in web_only(recipe, actor.policy)]
    else:
        history = list(recipe.train(actor, state))
    rows = rows_of(actor.policy, sft, reward, recipe, samples=run.samples)
    return {
        "rows": {name: rows[name] for name in (*METRICS, "kl", "score")},
        "forgetting": forgetting(actor.policy, recipe.sft.base.world),
        "last": history[-1],
    }


def variants(seed: int) -> list[Run]:
    """All variants of one seed."""
    recipe = recipe_of(seed, iterations=ITERATIONS)
    kappas = [Run("kappa", replace(recipe, ptx_coef=kappa)) for kappa in KAPPAS]
    betas = [Run("beta", replace(recipe, ptx_coef=0.0, kl_coef=beta)) for beta in BETAS]
    return [*kappas, *betas, Run("no reward", recipe), Run("no sft", recipe)]


def main() -> None:
    options = arguments(__doc__.splitlines()[0], seeds=FINAL, steps=False)
    runs = [run for seed in options.seeds for run in variants(seed) if options.only in run.row]
    results = run_all(NAME, measure_run, runs, workers=options.workers)
    table: dict[str, Any] = {}
    for name in dict.fromkeys(run.row for run in runs):
        found = [r for run, r in zip(runs, results, strict=True) if run.row == name]
        table[name] = row(found)
    data = {"iterations": ITERATIONS, "variants": table}
    write(NAME, data, config=runs[0].recipe, finished=results, options=options)


def row(found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """One variant over its seeds."""
    return {metric: estimate([f["rows"][metric] for f in found]) for metric in found[0]["rows"]} | {
        name: over_seeds([f["forgetting"][name] for f in found]) for name in found[0]["forgetting"]
    }


if __name__ == "__main__":
    main()
