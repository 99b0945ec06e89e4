"""Losses: hand-computed numbers, the two dead regions of the clip, and exact gradients."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch

from anatomy.losses import (
    adapt_kl_coef,
    clipped_surrogate,
    clipped_value_loss,
    kl_penalised_surrogate,
    policy_gradient_loss,
    surrogate,
    value_loss,
)

CLIP = 0.2
POLICY_LOSSES = {
    "policy_gradient": policy_gradient_loss,
    "surrogate": surrogate,
    "clipped": partial(clipped_surrogate, clip_range=CLIP),
    "kl_penalised": partial(kl_penalised_surrogate, kl_coef=0.7),
}


def double(*numbers: float) -> torch.Tensor:
    return torch.tensor([numbers], dtype=torch.float64)


def at_ratio(loss, ratio: float, advantage: float) -> tuple[float, float]:
    """The loss of one step at a given ρ and Â, and its derivative by log π_θ."""
    old = double(-1.3)
    logprobs = (old + math.log(ratio)).requires_grad_()
    value = loss(logprobs, old, double(advantage))
    (gradient,) = torch.autograd.grad(value.sum(), logprobs)
    return value.item(), gradient.item()


# --- numbers


@pytest.mark.parametrize("advantage", [0.3, -0.3, 0.999, -0.001, 2.5, -2.5, 0.0])
def test_the_advantage_enters_once(advantage):
    """A loss with Â² would pass for Â = 1 and Â = 0; fractions of both signs show it."""
    assert at_ratio(surrogate, 1.1, advantage)[0] == pytest.approx(-1.1 * advantage)
    assert at_ratio(POLICY_LOSSES["clipped"], 1.1, advantage)[0] == pytest.approx(-1.1 * advantage)
    expected = (1.3 - math.log(1.1)) * advantage
    assert at_ratio(policy_gradient_loss, 1.1, advantage)[0] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("ratio", "advantage", "loss", "slope"),
    [
        # ρ        Â      −min(ρÂ, clip(ρ)Â)   d/dlog π = −ρÂ, or 0 where clipped
        (1.0, 0.5, -0.5, -0.5),
        (1.1, 0.5, -0.55, -0.55),
        (0.7, 0.5, -0.35, -0.35),  # worse than before: counted in full
        (1.5, 0.5, -0.6, 0.0),  # better by more than ε: dead
        (1.0, -0.5, 0.5, 0.5),
        (0.9, -0.5, 0.45, 0.45),
        (1.5, -0.5, 0.75, 0.75),  # worse: counted in full
        (0.7, -0.5, 0.4, 0.0),  # better by more than ε: dead
    ],
)
def test_clipped_surrogate_in_its_regions(ratio, advantage, loss, slope):
    found = at_ratio(POLICY_LOSSES["clipped"], ratio, advantage)
    assert found == (pytest.approx(loss), pytest.approx(slope))


def test_the_gradient_is_zero_in_exactly_the_two_clipped_regions():
    for advantage in (-2.0, -0.3, 0.3, 2.0):
        for ratio in (0.05, 0.5, 0.79, 0.81, 0.99, 1.01, 1.19, 1.21, 2.0, 20.0):
            dead = ratio > 1 + CLIP if advantage > 0 else ratio < 1 - CLIP
            slope = at_ratio(POLICY_LOSSES["clipped"], ratio, advantage)[1]
            expected = 0.0 if dead else -ratio * advantage
            assert slope == pytest.approx(expected), (ratio, advantage)


def test_the_clipped_surrogate_is_a_pessimistic_bound():
    """−L^CLIP ≥ −L^CPI everywhere: the clipped objective never promises more."""
    g = torch.Generator().manual_seed(0)
    logprobs, old, advantages = torch.randn(3, 1000, 1, generator=g)
    plain = surrogate(logprobs, old, advantages)
    assert (POLICY_LOSSES["clipped"](logprobs, old, advantages) >= plain).all()


def test_kl_penalised_surrogate_by_hand():
    """−ρÂ + λ(ρ − 1 − log ρ) at ρ = 2, Â = ½, λ = 0.7: −1 + 0.7·(1 − log 2)."""
    found = at_ratio(POLICY_LOSSES["kl_penalised"], 2.0, 0.5)[0]
    assert found == pytest.approx(-1 + 0.7 * (1 - math.log(2)))
    assert at_ratio(POLICY_LOSSES["kl_penalised"], 1.0, 0.5)[0] == pytest.approx(-0.5)


@pytest.mark.parametrize(
    ("kl", "expected"),
    [
        (0.0, 0.5),
        (0.0066, 0.5),
        (0.0067, 1.0),
        (0.01, 1.0),
        (0.015, 1.0),
        (0.0151, 2.0),
        (9.0, 2.0),
    ],
)
def test_adapting_the_kl_coefficient(kl, expected):
    """Halved below d/1.5, doubled above 1.5 d, for a target d = 0.01."""
    assert adapt_kl_coef(1.0, kl, target=0.01) == expected


def test_value_losses_by_hand():
    """Old value 1, ε = ½; returns 3, 1.2, 1.2, −1."""
    values = double(2.0, 2.0, 1.4, 0.2)
    old, returns = double(1.0, 1.0, 1.0, 1.0), double(3.0, 1.2, 1.2, -1.0)
    torch.testing.assert_close(value_loss(values, old, returns), double(0.5, 0.32, 0.02, 0.72))
    # clipped to 1.5, 1.5, 1.4, 0.5: ½·1.5² > ½·1²; ½·0.8² > ½·0.3²; equal; ½·1.5² > ½·1.2²
    torch.testing.assert_close(
        clipped_value_loss(values, old, returns, clip_range=0.5), double(1.125, 0.32, 0.02, 1.125)
    )


# --- gradients


@pytest.mark.parametrize("name", POLICY_LOSSES)
def test_policy_losses_agree_with_finite_differences(name):
    g = torch.Generator().manual_seed(1)
    old, advantages = torch.randn(2, 4, 5, generator=g, dtype=torch.float64)
    logprobs = old + 0.5 * torch.randn(4, 5, generator=g, dtype=torch.float64)
    logprobs.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: POLICY_LOSSES[name](x, old, advantages), logprobs)


@pytest.mark.parametrize("loss", [value_loss, partial(clipped_value_loss, clip_range=0.3)])
def test_value_losses_agree_with_finite_differences(loss):
    g = torch.Generator().manual_seed(2)
    values, old, returns = torch.randn(3, 4, 5, generator=g, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: loss(x, old, returns), values.requires_grad_())


@pytest.mark.parametrize("name", ["surrogate", "clipped", "kl_penalised"])
@pytest.mark.parametrize("advantage", [0.3, -0.7])
def test_at_ratio_1_every_surrogate_has_the_policy_gradient(name, advantage):
    assert at_ratio(POLICY_LOSSES[name], 1.0, advantage)[1] == pytest.approx(
        at_ratio(policy_gradient_loss, 1.0, advantage)[1]
    )


def categorical(seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Logits θ with a gradient, log π_old and an advantage for each of 5 actions."""
    g = torch.Generator().manual_seed(seed)
    logits, old, advantages = torch.randn(3, 5, generator=g, dtype=torch.float64)
    return logits.requires_grad_(), old.log_softmax(-1), advantages


@pytest.mark.parametrize("seed", range(5))
def test_the_kl_term_has_the_gradient_of_the_exact_kl_in_expectation(seed):
    """∇ E_{a~π_old}[k3] = ∇ KL[π_old‖π_θ], by enumeration."""
    logits, old, _ = categorical(seed)
    logprobs = logits.log_softmax(-1)
    penalty = kl_penalised_surrogate(logprobs, old, torch.zeros_like(old), kl_coef=1.0)
    exact = (old.exp() * (old - logprobs)).sum()
    expected_penalty = (old.exp() * penalty).sum()
    torch.testing.assert_close(expected_penalty, exact)
    (found,) = torch.autograd.grad(expected_penalty, logits, retain_graph=True)
    (wanted,) = torch.autograd.grad(exact, logits)
    torch.testing.assert_close(found, wanted)
    assert found.norm() > 0.01


@pytest.mark.parametrize("seed", range(5))
def test_the_surrogate_is_unbiased_under_another_policy(seed):
    """E_{π_old}[ρ Â] = E_{π_θ}[Â]: importance sampling, by enumeration, value and gradient."""
    logits, old, advantages = categorical(seed)
    logprobs = logits.log_softmax(-1)
    weighted = -(old.exp() * surrogate(logprobs, old, advantages)).sum()
    on_policy = (logprobs.exp() * advantages).sum()
    torch.testing.assert_close(weighted, on_policy)
    (found,) = torch.autograd.grad(weighted, logits, retain_graph=True)
    (wanted,) = torch.autograd.grad(on_policy, logits, retain_graph=True)
    torch.testing.assert_close(found, wanted)
    # and on fresh data the policy gradient is the same vector
    fresh = logprobs.detach()
    loss = (fresh.exp() * policy_gradient_loss(logprobs, fresh, advantages)).sum()
    (policy_gradient,) = torch.autograd.grad(-loss, logits)
    torch.testing.assert_close(policy_gradient, wanted)


# --- extremes and bad input


@pytest.mark.parametrize("name", POLICY_LOSSES)
@pytest.mark.parametrize("difference", [-1e4, -80.0, 0.0, 80.0])
@pytest.mark.parametrize("advantage", [-1e-3, 0.0, 1e-3])
def test_extreme_ratios_give_finite_losses_and_gradients(name, difference, advantage):
    old = torch.tensor([[-5.0]])
    logprobs = (old + difference).requires_grad_()
    loss = POLICY_LOSSES[name](logprobs, old, torch.tensor([[advantage]]))
    (gradient,) = torch.autograd.grad(loss.sum(), logprobs)
    assert torch.isfinite(loss).all()
    assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("name", POLICY_LOSSES)
def test_nan_is_passed_on_for_the_update_to_report(name):
    good, bad = torch.zeros(1, 2), torch.tensor([[0.0, math.nan]])
    assert POLICY_LOSSES[name](bad, good, good + 1)[0, 1].isnan()
    assert POLICY_LOSSES[name](good, good, bad)[0, 1].isnan()


@pytest.mark.parametrize("name", POLICY_LOSSES)
def test_policy_losses_refuse_shapes_that_would_broadcast(name):
    with pytest.raises(ValueError, match=r"logprobs \(4, 3\).* advantages \(4, 1\)"):
        POLICY_LOSSES[name](torch.zeros(4, 3), torch.zeros(4, 3), torch.zeros(4, 1))


def test_value_losses_refuse_shapes_that_would_broadcast():
    """A critic's (B, T, 1) against returns (B, T): the silent mean over everything."""
    values, targets = torch.zeros(4, 3, 1), torch.zeros(4, 3)
    with pytest.raises(ValueError, match=r"values \(4, 3, 1\), returns \(4, 3\)"):
        value_loss(values, targets, targets)
    with pytest.raises(ValueError, match=r"values \(4, 3, 1\), old_values \(4, 3\)"):
        clipped_value_loss(values, targets, targets, clip_range=0.2)


def test_mixed_devices_are_refused():
    here = torch.zeros(2, 2)
    with pytest.raises(ValueError, match="advantages on meta"):
        surrogate(here, here, here.to("meta"))
