"""Masked statistics: only the elements that count, whatever the padding holds."""

from __future__ import annotations

import math

import pytest
import torch

from anatomy.masking import length_mask, masked_mean, masked_variance, whiten

NASTY = [0.0, 1e30, -math.inf, math.inf, math.nan]

VALUES = torch.tensor([[1.0, 2.0, 9.0], [6.0, 9.0, 9.0]])
MASK = torch.tensor([[True, True, False], [True, False, False]])


def test_hand_computed_mean_and_variance():
    assert masked_mean(VALUES, MASK).item() == 3.0  # (1 + 2 + 6) / 3
    assert masked_variance(VALUES, MASK).item() == pytest.approx(14 / 3)  # (4 + 1 + 9) / 3


def test_hand_computed_whitening():
    std = math.sqrt(14 / 3)
    expected = torch.tensor([[-2 / std, -1 / std, 0.0], [3 / std, 0.0, 0.0]])
    torch.testing.assert_close(whiten(VALUES, MASK), expected)
    kept = torch.where(MASK, expected + 3.0, 0.0)
    torch.testing.assert_close(whiten(VALUES, MASK, shift_mean=False), kept)


@pytest.mark.parametrize("seed", range(20))
def test_agreement_with_numpy_style_selection(seed):
    g = torch.Generator().manual_seed(seed)
    values = torch.randn(4, 7, generator=g, dtype=torch.float64) * 10**seed**0.5
    mask = torch.rand(4, 7, generator=g) < 0.5
    chosen = values[mask]
    torch.testing.assert_close(masked_mean(values, mask), chosen.mean())
    torch.testing.assert_close(masked_variance(values, mask), chosen.var(unbiased=False))
    white = whiten(values, mask)[mask]
    assert white.mean().item() == pytest.approx(0, abs=1e-9)
    assert white.std(unbiased=False).item() == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("padding", NASTY)
def test_padding_never_matters(padding):
    padded = torch.where(MASK, VALUES, padding)
    for statistic in (masked_mean, masked_variance, whiten):
        assert torch.equal(statistic(padded, MASK), statistic(VALUES, MASK)), statistic.__name__


def test_padding_gets_no_gradient():
    values = VALUES.clone().requires_grad_()
    masked_mean(values.square(), MASK).backward()
    torch.testing.assert_close(values.grad, torch.where(MASK, 2 * VALUES / 3, 0.0))


def test_extreme_values_stay_finite():
    values = torch.tensor([[1e15, -1e15, 1e-30, 0.0]])
    mask = torch.ones(1, 4, dtype=torch.bool)
    assert torch.isfinite(whiten(values, mask)).all()


@pytest.mark.parametrize("constant", [0.0, 1.0, -3.5, 0.1, 7.7, 1e6 / 7, 1e-12])
@pytest.mark.parametrize("count", [1, 7, 1000, 4096])
def test_equal_values_have_no_variance_and_whiten_to_zero(constant, count):
    """The mean of equal floats is rounded; divided by a std of that size it would become ±1."""
    values, mask = torch.full((1, count), constant), torch.ones(1, count, dtype=torch.bool)
    assert masked_variance(values, mask).item() == 0.0
    assert torch.equal(whiten(values, mask), torch.zeros(1, count))
    torch.testing.assert_close(whiten(values, mask, shift_mean=False), values)


def test_values_far_from_zero_are_still_whitened():
    values = 1000 + torch.tensor([[-1.0, 1.0, -1.0, 1.0]])
    white = whiten(values, torch.ones(1, 4, dtype=torch.bool))
    torch.testing.assert_close(white, torch.tensor([[-1.0, 1.0, -1.0, 1.0]]))


def test_nan_among_the_counted_values_is_not_hidden():
    values = torch.tensor([[1.0, math.nan, 2.0]])
    mask = torch.ones(1, 3, dtype=torch.bool)
    assert masked_mean(values, mask).isnan()
    assert masked_variance(values, mask).isnan()
    assert whiten(values, mask).isnan().all()


def test_an_all_false_mask_is_an_error_not_a_zero():
    for statistic in (masked_mean, masked_variance, whiten):
        with pytest.raises(ValueError, match="the mask selects no element"):
            statistic(VALUES, torch.zeros(2, 3, dtype=torch.bool))


def test_a_mask_of_another_shape_is_an_error_not_a_broadcast():
    with pytest.raises(ValueError, match=r"values \(2, 3\), mask \(2, 1\)"):
        masked_mean(VALUES, torch.ones(2, 1, dtype=torch.bool))


def test_masks_from_lengths():
    expected = torch.tensor([[False, False, False], [True, True, False], [True, True, True]])
    assert torch.equal(length_mask(torch.tensor([0, 2, 3]), 3), expected)
    assert length_mask(torch.tensor([], dtype=torch.int64), 3).shape == (0, 3)
    for wrong in (-1, 4):
        with pytest.raises(ValueError, match=r"lengths must lie in 0…3"):
            length_mask(torch.tensor([1, wrong]), 3)
