"""Intervals that cover, win rates with ties, agreement beyond chance."""

from __future__ import annotations

import math

import pytest
import torch

from anatomy.rlhf.evaluation import (
    bootstrap_interval,
    cohen_kappa,
    wilson_interval,
    win_rate,
)
from anatomy.runtime import make_generator


def test_wilson_by_hand():
    low, high = wilson_interval(8, 10)
    assert (low, high) == pytest.approx((0.4902, 0.9433), abs=1e-4)


def test_wilson_stays_inside_and_has_a_width():
    assert wilson_interval(0, 20) == pytest.approx((0.0, 0.1611), abs=1e-4)
    assert wilson_interval(20, 20).high == 1.0
    assert wilson_interval(2.5, 5) == pytest.approx(wilson_interval(5 / 2, 5))


@pytest.mark.parametrize(("wins", "total"), [(0, 0), (-1, 5), (6, 5)])
def test_wilson_wants_a_share(wins, total):
    with pytest.raises(ValueError, match="is no share"):
        wilson_interval(wins, total)


def test_wilson_covers():
    """Of 2,000 samples of 40 with p = 0.9, about 95 % of the intervals hold 0.9."""
    counts = (torch.rand(2000, 40, generator=make_generator(0)) < 0.9).sum(1).tolist()
    inside = [(i := wilson_interval(k, 40)).low <= 0.9 <= i.high for k in counts]
    assert 0.92 < sum(inside) / 2000 < 0.98


def test_bootstrap_covers_and_is_repeatable():
    values = torch.randn(200, 60, generator=make_generator(1))
    inside = 0
    for row in values:
        low, high = bootstrap_interval(row, resamples=300)
        inside += low <= 0 <= high
    assert 0.88 < inside / 200 < 0.99
    assert bootstrap_interval(values[0]) == bootstrap_interval(values[0])


@pytest.mark.parametrize(("confidence", "z"), [(0.95, 1.960), (0.9, 1.645), (0.5, 0.674)])
def test_bootstrap_leaves_out_what_the_confidence_says(confidence, z):
    """The mean of 400 fair coins: half the width is z · ½/√400, so 95 % is not 90 %."""
    coins = torch.tensor([0.0, 1.0]).repeat(200)
    low, high = bootstrap_interval(coins, confidence=confidence, resamples=8000)
    assert (high - low) / 2 == pytest.approx(z * 0.025, rel=0.06)


def test_bootstrap_draws_prompts_not_answers():
    """Four equal answers to a prompt are one observation: the interval must not shrink."""
    row = torch.randn(50, generator=make_generator(2))
    assert bootstrap_interval(row[:, None].expand(50, 4)) == pytest.approx(bootstrap_interval(row))


def test_win_rate_counts_ties_as_half():
    mine, theirs = torch.tensor([1.0, 0.0, 0.5, 0.5]), torch.tensor([0.0, 1.0, 0.5, 0.25])
    assert win_rate(mine, theirs) == 0.625
    assert win_rate(theirs, mine) == 0.375


def test_kappa_by_hand():
    first, second = "aaaabbbb", "aaabbbba"
    assert cohen_kappa(first, second) == pytest.approx((0.75 - 0.5) / 0.5)
    assert cohen_kappa("abab", "abab") == 1.0
    assert math.isnan(cohen_kappa("aaa", "aaa"))
    with pytest.raises(ValueError, match="two labels for each item"):
        cohen_kappa("a", "ab")


def test_blind_labellers_agree_by_chance_only():
    draws = torch.randint(3, (2, 5000), generator=make_generator(3)).tolist()
    assert abs(cohen_kappa(*draws)) < 0.03
