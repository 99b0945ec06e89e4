"""Chapter 5's checks: other right answers pass and near misses do not."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from anatomy.classroom import check
from anatomy.classroom.mutation import Implementation
from anatomy.losses import adapt_kl_coef

SEEDS = range(3)


def advantages(
    rewards: Tensor,
    values: Tensor,
    last_values: Tensor,
    terminated: Tensor,
    truncated: Tensor,
    *,
    gamma: float,
    gae_lambda: float,
    ended: Callable[[Tensor, Tensor], Tensor] = lambda terminated, truncated: terminated,
    stops: Callable[[Tensor, Tensor], Tensor] = torch.logical_or,
    after: Callable[[Tensor, Tensor, Tensor], Tensor] = lambda next_values, *_: next_values,
) -> Tensor:
    """Plain loops, with one place for each mistake."""
    following = torch.cat([values[:, 1:], last_values[:, None]], dim=1)
    following = after(following, values, truncated)
    worthless, cut = ended(terminated, truncated), stops(terminated, truncated)
    found = torch.zeros_like(rewards)
    for row in range(rewards.shape[0]):
        carried = torch.tensor(0.0)
        for t in reversed(range(rewards.shape[1])):
            future = 0.0 if worthless[row, t] else gamma * following[row, t]
            rest = 0.0 if cut[row, t] else gamma * gae_lambda * carried
            carried = rewards[row, t] + future - values[row, t] + rest
            found[row, t] = carried
    return found


def own_value_at_a_truncated_edge(following: Tensor, values: Tensor, truncated: Tensor) -> Tensor:
    changed = following.clone()
    changed[:, -1] = torch.where(truncated[:, -1], values[:, -1], following[:, -1])
    return changed


def nothing_at_a_truncated_edge(following: Tensor, values: Tensor, truncated: Tensor) -> Tensor:
    changed = following.clone()
    changed[:, -1] = torch.where(truncated[:, -1], 0.0, following[:, -1])
    return changed


NEAR_GAE = {
    "own value at a truncated edge": {"after": own_value_at_a_truncated_edge},
    "nothing at a truncated edge": {"after": nothing_at_a_truncated_edge},
    "both masks: as a truncation": {"ended": lambda terminated, truncated: terminated & ~truncated},
    "both masks: as no end": {
        "ended": lambda terminated, truncated: terminated & ~truncated,
        "stops": torch.logical_xor,
    },
    "both masks: the sum goes on": {"stops": torch.logical_xor},
}


@pytest.mark.parametrize("seed", SEEDS)
def test_gae_by_plain_loops_passes(seed):
    assert check("ppo.gae", advantages, seed=seed)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("changes", NEAR_GAE.values(), ids=NEAR_GAE)
def test_gae_that_errs_at_the_edge_or_where_both_masks_are_true_fails(changes, seed):
    def near(*record, **constants):
        return advantages(*record, **constants, **changes)

    assert not check("ppo.gae", near, seed=seed)


def test_an_exponent_made_for_the_small_cases_fails():
    assert check("ppo.exponent", lambda T, t: len(range(t, T - 1)))
    assert not check("ppo.exponent", lambda T, t: 4 - t if T == 5 else T - 1)


def controller(
    kl_coef: float, kl: float, *, target: float, low: float = 1 / 1.5, high: float = 1.5
) -> float:
    if kl > high * target:
        return kl_coef + kl_coef
    return kl_coef / 2 if kl < low * target else kl_coef


def including_the_edge(kl_coef, kl, *, target):
    return kl_coef / 2 if kl <= target / 1.5 else adapt_kl_coef(kl_coef, kl, target=target)


def quartering(kl_coef, kl, *, target):
    return kl_coef / 4 if kl < target / 10 else adapt_kl_coef(kl_coef, kl, target=target)


def idle_at_zero(kl_coef, kl, *, target):
    return adapt_kl_coef(kl_coef, kl, target=target) if kl > 0 else kl_coef


def with_limits(low, high):
    def limited(kl_coef, kl, *, target):
        return min(high, max(low, adapt_kl_coef(kl_coef, kl, target=target)))

    return limited


NEAR_CONTROLLERS = {
    "includes the lower edge": including_the_edge,
    "quarters a tiny KL": quartering,
    "idle at KL 0": idle_at_zero,
    "a floor": with_limits(0.1, 1e9),
    "a ceiling": with_limits(0.0, 4.0),
    "lower threshold 0.65": lambda *a, target: controller(*a, target=target, low=0.65),
    "upper threshold 1.6": lambda *a, target: controller(*a, target=target, high=1.6),
}


def test_the_controller_in_other_words_passes():
    assert check("ppo.kl_controller", controller)


@pytest.mark.parametrize("near", NEAR_CONTROLLERS.values(), ids=NEAR_CONTROLLERS)
def test_a_controller_that_nearly_follows_the_rule_fails(near):
    assert not check("ppo.kl_controller", near)


def test_the_lab_demands_the_factor_and_the_deviation_that_its_page_states():
    one = torch.ones(1, 1)
    impl = Implementation()
    half_of_the_larger = impl.clipped_value_loss(one, 0 * one, one, clip_range=0.2)
    assert half_of_the_larger.item() == pytest.approx(0.5 * 0.8**2)
    row = torch.tensor([[1.0, 3.0, 8.0]])
    whitened = impl.whiten(row, torch.tensor([[True, True, False]]))
    assert whitened.tolist() == [[pytest.approx(-1), pytest.approx(1), 0]]  # divided by the count
