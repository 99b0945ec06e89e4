"""What RoPE, Muon and token shift buy: five small GPTs, equal but for these, over seeds.

Token shift lets half of what enters each attention come from the token before, so that
"the word after the one like me" is found in one layer instead of two (Peng et al. 2023).

    python code/experiments/language_models_ablation.py
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from anatomy.models.abilities import cloze_accuracy, held_out_loss
from anatomy.models.base_model import BaseModel
from anatomy.models.transformer import Block
from anatomy.reporting import receipt, write_result
from multiseed import arguments, place, run_all

NAME = "language_models_ablation"
SEEDS = tuple(range(5))
RECIPE = BaseModel(width=64, layers=3, steps=450)
VARIANTS = {
    "AdamW, learned positions": replace(RECIPE, muon=False, rotary_base=None),
    "+ RoPE": replace(RECIPE, muon=False),
    "+ Muon": replace(RECIPE, rotary_base=None),
    "+ RoPE + Muon": RECIPE,
    "+ RoPE + Muon + token shift": RECIPE,
}


@dataclass(frozen=True)
class Run:
    """One model of one variant."""

    variant: str
    recipe: BaseModel


def shift_half(module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """Take the second half of each vector (B, T, D) from the token before."""
    x: Tensor = inputs[0]
    half = x.shape[-1] // 2
    before = nn.functional.pad(x[:, :-1, half:], (0, 0, 1, 0))
    return (torch.cat([x[..., :half], before], dim=-1), *inputs[1:])


def measure(run: Run) -> dict[str, Any]:
    """Train one model; return its held-out loss and what it knows."""
    world, tokenizer = run.recipe.world, run.recipe.tokenizer()
    model = run.recipe.build()
    if run.variant.endswith("token shift"):
        for block in model.blocks:
            assert isinstance(block, Block)
            block.attention.register_forward_pre_hook(shift_half)
    for _ in run.recipe.train(model):
        pass
    return {
        "loss": held_out_loss(model, world),
        "common": cloze_accuracy(model, tokenizer, world.cloze("common")),
    }


def main() -> None:
    options = arguments(__doc__.splitlines()[0], seeds=SEEDS, only=False)
    seeds = tuple(options.seeds)
    started = time.time()
    runs = [
        Run(name, replace(recipe, seed=seed, steps=options.steps or recipe.steps))
        for name, recipe in VARIANTS.items()
        for seed in seeds
    ]
    found = run_all(NAME, measure, runs, workers=options.workers)
    rows = [found[i : i + len(seeds)] for i in range(0, len(found), len(seeds))]
    data = {
        "receipt": receipt(
            config=asdict(RECIPE),
            seeds=seeds,
            wall_seconds=time.time() - started,
            cpu_seconds=sum(r["cpu_seconds"] for r in found),
        ),
        "variants": {
            name: {
                measured: [round(r[measured], 4) for r in row]
                for measured in ("loss", "common", "cpu_seconds")
            }
            for name, row in zip(VARIANTS, rows, strict=True)
        },
    }
    print(write_result(place(NAME, options), data))


if __name__ == "__main__":
    main()
