"""Seeds put together: means with intervals, differences on the same prompts, what ptx recovers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from scipy import stats

from anatomy.tinyweb import KINDS
from multiseed import band

STAGES = ("base", "few-shot", "sft", "ppo", "ppo-ptx")


def estimate(values: Sequence[Sequence[float | None]]) -> dict[str, Any]:
    """Mean over seeds and prompts, with its 95 % interval; a share's stays within [0, 1].

    One list per seed, one number per prompt; None where a prompt does not count.
    """
    found = interval(values)
    if all(v is None or 0 <= v <= 1 for row in values for v in row):
        found |= {"low": max(found["low"], 0.0), "high": min(found["high"], 1.0)}
    return found


def over_seeds(values: Sequence[float]) -> dict[str, Any]:
    """Mean of one number per seed, with Student's 95 % interval."""
    return interval([[value] for value in values])


def interval(values: Sequence[Sequence[float | None]]) -> dict[str, Any]:
    """Mean, and the t interval that adds two variances: between seeds and between prompts.

    All seeds meet the same prompts, so an odd set of prompts shifts all of them together. The
    variance between seeds has few degrees of freedom, that between prompts many; Satterthwaite
    (1946) says how many their sum has. Chance that is neither's alone is in both: a little wide.
    """
    rows = np.array([[v for v in row if v is not None] for row in values])  # (seeds, prompts)
    own, of_prompts = rows.mean(1), rows.mean(0)
    sources = [m.var(ddof=1) / len(m) for m in (own, of_prompts) if len(m) > 1]
    free = [len(m) - 1 for m in (own, of_prompts) if len(m) > 1]
    variance, half = sum(sources), 0.0
    if variance > 0:
        freedom = variance**2 / sum(v**2 / n for v, n in zip(sources, free, strict=True))
        half = float(stats.t.ppf(0.975, freedom) * math.sqrt(variance))
    mean = float(own.mean())
    return {"mean": mean, "low": mean - half, "high": mean + half, "seeds": own.tolist()}


def measured(values: Sequence[float]) -> list[float]:
    """Without what was not measured, because it came out of the cache."""
    return [value for value in values if not math.isnan(value)]


def summary(results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The tables and curves of all seeds."""
    first = results[0]
    stages = {
        stage: {
            metric: estimate([r["rows"][stage][metric] for r in results])
            for metric in first["rows"][stage]
        }
        for stage in first["rows"]
    }
    for stage in stages:
        model = "base" if stage == "few-shot" else stage
        for name in first["forgetting"][model]:
            stages[stage][name] = over_seeds([r["forgetting"][model][name] for r in results])
    gold = {stage: [r["rows"][stage]["gold"] for r in results] for stage in stages}
    order = [stage for stage in STAGES if stage in stages]
    return {
        "stages": stages,
        "steps": {
            f"{better} − {worse}": difference(gold[better], gold[worse])
            for worse, better in pairwise(order)
        },
        "kinds": {
            kind: difference(
                [r["rows"]["ppo-ptx"][f"gold {kind}"] for r in results],
                [r["rows"]["sft"][f"gold {kind}"] for r in results],
            )
            for kind in KINDS
        },
        "recovered": over_seeds([recovered(r["forgetting"]) for r in results]),
        "curves": {
            stage: {
                name: band([r["curves"][stage][name] for r in results], points=130)
                for name in curves
            }
            for stage, curves in first["curves"].items()
        },
        "losses": {name: band([r["losses"][name] for r in results]) for name in first["losses"]},
        "reward models": {
            name: reward_summary([r["rewards"][name] for r in results]) for name in first["rewards"]
        },
        "training cpu seconds": {
            name: over_seeds(measured([r["training cpu seconds"][name] for r in results]))
            for name in first["training cpu seconds"]
        },
        "measuring cpu seconds": over_seeds([r["measuring cpu seconds"] for r in results]),
        "examples": first["examples"],
    }


def difference(
    more: Sequence[Sequence[float | None]], less: Sequence[Sequence[float | None]]
) -> dict[str, Any]:
    """Mean difference on the same prompts, with its interval."""
    return interval(
        [
            [None if a is None or b is None else a - b for a, b in zip(x, y, strict=True)]
            for x, y in zip(more, less, strict=True)
        ]
    )


def recovered(losses: Mapping[str, Mapping[str, float]]) -> float:
    """Which share of the web loss that PPO costs against the base model PPO-ptx gives back."""
    web = {stage: found["web loss"] for stage, found in losses.items()}
    return (web["ppo"] - web["ppo-ptx"]) / (web["ppo"] - web["base"])


def reward_summary(found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Accuracies over seeds; predictions of all seeds in the same bins."""
    out: dict[str, Any] = {
        pairs: {name: over_seeds([f[pairs][name] for f in found]) for name in values}
        for pairs, values in found[0].items()
        if pairs != "calibration"
    }
    bins = np.array([f["calibration"] for f in found]).sum(0)  # (bins, [count, said, happened])
    used = bins[bins[:, 0] > 0]
    out["calibration"] = {
        "said": (used[:, 1] / used[:, 0]).tolist(),
        "happened": (used[:, 2] / used[:, 0]).tolist(),
        "counts": used[:, 0].astype(int).tolist(),
    }
    return out
