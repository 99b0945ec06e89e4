"""Explorers of chapter 5: the clip in its six regions, GAE, and importance weights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Literal

from anatomy.widgets.element import Element, element

_REWARDS = (0.0, 0.5, 0.0, 0.0, 1.0, 0.0, 0.5, 0.0, 0.0, 1.0)
_VALUES = (1.0, 1.2, 0.6, 0.9, 1.4, 0.5, 0.8, 0.9, 0.6, 0.8)


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise ValueError(message)


def _paragraph(text: str) -> str:
    return f"<p>{escape(text)}</p>"


def clip_explorer(
    *, advantage: float = 1.0, clip_range: float = 0.2, ratio: float = 1.1
) -> Element:
    """Show min(ρA, clip(ρ, 1−ε, 1+ε)A) as a curve over ρ, with a point to drag through it.

    Schulman et al. (2017), eq. 7 and figure 1. The arguments are where it starts.
    """
    _require(-1 <= advantage <= 1, f"advantage must lie in [−1, 1], got {advantage}")
    _require(0.05 <= clip_range <= 0.5, f"clip_range must lie in [0.05, 0.5], got {clip_range}")
    _require(0 <= ratio <= 2, f"ratio must lie in [0, 2], got {ratio}")
    text = (
        "Clip explorer (needs JavaScript). min(ρA, clip(ρ, 1−ε, 1+ε)A) has six regions. "
        "For A > 0 the gradient pushes ρ up below 1+ε and is 0 above it. "
        "For A < 0 it pushes ρ down above 1−ε, also beyond 1+ε, and is 0 below 1−ε. "
        "Outside the range ρ is not forbidden: only the incentive to go on is gone."
    )
    return element(
        "anatomy-clip-explorer",
        "clip_explorer",
        options={"advantage": advantage, "clip_range": clip_range, "ratio": ratio},
        fallback=_paragraph(text),
        text=text,
    )


def gae_explorer(
    *,
    rewards: Sequence[float] = _REWARDS,
    values: Sequence[float] = _VALUES,
    last_value: float = 0.7,
    gamma: float = 0.99,
    gae_lambda: float = 0.95,
    step: int = 1,
    end: Literal["none", "terminated", "truncated"] = "none",
    end_step: int = 6,
) -> Element:
    """Show how TD errors become Â_t, with sliders for γ and λ and an end to switch on.

    `rewards` and `values` hold one number per step, `last_value` is V(s_T). As in
    `Rollout`, `values[end_step + 1]` is V of the final observation.
    Schulman et al. (2016), eq. 14 to 16.
    """
    count = len(rewards)
    _require(3 <= count <= 12, f"rewards must hold 3 to 12 steps, got {count}")
    _require(len(values) == count, f"values must hold {count} steps, got {len(values)}")
    _require(
        all(math.isfinite(number) for number in (*rewards, *values, last_value)),
        "rewards and values must be finite",
    )
    _require(0 <= gamma <= 1, f"gamma must lie in [0, 1], got {gamma}")
    _require(0 <= gae_lambda <= 1, f"gae_lambda must lie in [0, 1], got {gae_lambda}")
    _require(0 <= step < count, f"step must lie in [0, {count - 1}], got {step}")
    _require(0 <= end_step < count, f"end_step must lie in [0, {count - 1}], got {end_step}")
    _require(
        end in ("none", "terminated", "truncated"),
        f"end must be 'none', 'terminated' or 'truncated', got {end!r}",
    )
    text = (
        "GAE explorer (needs JavaScript). The advantage of step t is the sum of the TD errors "
        "δ_{t+k} with weights (γλ)^k, up to the first end. λ = 0 leaves δ_t, λ = 1 the "
        "discounted return minus V(s_t). A termination sets the value behind the end to 0; "
        "a truncation keeps it; both stop the sum."
    )
    return element(
        "anatomy-gae-explorer",
        "gae_explorer",
        options={
            "rewards": [float(reward) for reward in rewards],
            "values": [float(value) for value in values],
            "last_value": float(last_value),
            "gamma": gamma,
            "gae_lambda": gae_lambda,
            "step": step,
            "end": end,
            "end_step": end_step,
        },
        fallback=_paragraph(text),
        text=text,
    )


def importance_explorer(*, shift: float = 0.1, length: int = 64, seed: int = 0) -> Element:
    """Show the effective share of weighted samples, ESS/N = exp(−T d²), beside a simulation.

    Each of T = `length` steps is drawn from N(0, 1) and weighted to N(d, 1),
    d = `shift`: E[w²] = exp(d²) per step. Kong (1992).
    """
    _require(0 <= shift <= 0.5, f"shift must lie in [0, 0.5], got {shift}")
    _require(1 <= length <= 256, f"length must lie in [1, 256], got {length}")
    text = (
        "Importance sampling explorer (needs JavaScript). When each of T steps is drawn from "
        "N(0, 1) and weighted to N(d, 1), the effective share of the samples is exp(−T d²): "
        f"at d = {shift:.2f} it is {math.exp(-(shift**2)):.1%} for one step "
        f"and {math.exp(-length * shift**2):.1%} for {length}. "
        "Hence one ratio per token, and few epochs."
    )
    return element(
        "anatomy-importance-explorer",
        "importance_explorer",
        options={"shift": shift, "length": length, "seed": seed},
        fallback=_paragraph(text),
        text=text,
    )
