"""Returns, TD errors, GAE, KL estimators: hand-computed numbers, identities, exact expectations."""

from __future__ import annotations

import math

import pytest
import torch

from anatomy.estimators import (
    discounted_returns,
    effective_sample_share,
    explained_variance,
    gae,
    k1,
    k2,
    k3,
    n_step_advantages,
    td_errors,
)

SEEDS = range(25)


def row(*numbers: float) -> torch.Tensor:
    return torch.tensor([numbers], dtype=torch.float64)


def flags(*bits: int) -> torch.Tensor:
    return torch.tensor([bits], dtype=torch.bool)


# --- discounted returns


def test_discounted_returns_by_hand():
    """G_t = r_t + γ G_{t+1}: 1 + ½·(2 + ½·4) = 3, and an end cuts the sum after its own reward."""
    rewards = row(1, 2, 4)
    returns = discounted_returns(rewards, flags(0, 0, 0), gamma=0.5)
    assert torch.equal(returns, row(3, 4, 4))
    assert torch.equal(discounted_returns(rewards, flags(0, 1, 0), gamma=0.5), row(2, 2, 4))


@pytest.mark.parametrize("seed", SEEDS)
def test_discounted_returns_equal_the_definition_as_a_double_sum(experience, seed):
    e = experience(seed)
    ends = e.terminated | e.truncated
    batch, steps = e.rewards.shape
    expected = torch.zeros_like(e.rewards)
    for b in range(batch):
        for t in range(steps):
            for k in range(t, steps):
                expected[b, t] += 0.9 ** (k - t) * e.rewards[b, k]
                if ends[b, k]:
                    break
    torch.testing.assert_close(discounted_returns(e.rewards, ends, gamma=0.9), expected)


# --- TD errors


def test_td_errors_by_hand():
    """δ = r + γ V' − V: 1 + ½·1 − ½ = 1; 2 + ½·1.5 − 1 = 1.75; 3 + ½·2 − 1.5 = 2.5."""
    rewards, values, last = row(1, 2, 3), row(0.5, 1, 1.5), torch.tensor([2.0], dtype=torch.float64)
    assert torch.equal(
        td_errors(rewards, values, last, flags(0, 0, 0), gamma=0.5), row(1, 1.75, 2.5)
    )
    assert torch.equal(
        td_errors(rewards, values, last, flags(0, 1, 1), gamma=0.5), row(1, 1.0, 1.5)
    )


def test_td_errors_vanish_for_the_true_value_function():
    """Bellman's equation: V_t = r_t + γ V_{t+1} is δ = 0."""
    rewards = row(0.3, -1.7, 0.2, 5.0)
    values = discounted_returns(rewards, flags(0, 0, 0, 1), gamma=0.8)
    deltas = td_errors(
        rewards,
        values,
        torch.tensor([99.0], dtype=torch.float64),
        flags(0, 0, 0, 1),
        gamma=0.8,
    )
    torch.testing.assert_close(deltas, torch.zeros_like(deltas))


# --- GAE

GAE_CASE = {
    "rewards": row(1, 2, 3),
    "values": row(0.5, 1, 1.5),
    "last_values": torch.tensor([2.0], dtype=torch.float64),
}


@pytest.mark.parametrize(
    ("terminated", "truncated", "expected"),
    [
        # δ = (1, 1.75, 2.5), γλ = ¼: 2.5; 1.75 + 2.5/4; 1 + 2.375/4
        (flags(0, 0, 0), flags(0, 0, 0), row(1.59375, 2.375, 2.5)),
        # terminated at t = 1: δ_1 = 2 − 1 = 1, and nothing flows back over the end
        (flags(0, 1, 0), flags(0, 0, 0), row(1.25, 1.0, 2.5)),
        # truncated at t = 1: δ_1 keeps its bootstrap, 1.75
        (flags(0, 0, 0), flags(0, 1, 0), row(1.4375, 1.75, 2.5)),
        # both at once: the task ended
        (flags(0, 1, 0), flags(0, 1, 0), row(1.25, 1.0, 2.5)),
        # terminated at the edge: last_values does not matter
        (flags(0, 0, 1), flags(0, 0, 0), row(1.53125, 2.125, 1.5)),
    ],
)
def test_gae_by_hand(terminated, truncated, expected):
    advantages = gae(
        **GAE_CASE, terminated=terminated, truncated=truncated, gamma=0.5, gae_lambda=0.5
    )
    assert torch.equal(advantages, expected)


@pytest.mark.parametrize("seed", SEEDS)
def test_gae_equals_its_definition_as_a_double_sum(experience, seed):
    """Â_t = Σ_k (γλ)^k δ_{t+k}, stopping after the first end. Schulman et al. (2016), eq. 16."""
    e, gamma, lam = experience(seed), 0.97, 0.8
    deltas = td_errors(e.rewards, e.values, e.last_values, e.terminated, gamma=gamma)
    ends = e.terminated | e.truncated
    expected = torch.zeros_like(deltas)
    batch, steps = deltas.shape
    for b in range(batch):
        for t in range(steps):
            for k in range(t, steps):
                expected[b, t] += (gamma * lam) ** (k - t) * deltas[b, k]
                if ends[b, k]:
                    break
    torch.testing.assert_close(gae(*e, gamma=gamma, gae_lambda=lam), expected)


@pytest.mark.parametrize("seed", SEEDS)
def test_gae_at_lambda_0_is_the_td_error(experience, seed):
    e = experience(seed)
    deltas = td_errors(e.rewards, e.values, e.last_values, e.terminated, gamma=0.9)
    assert torch.equal(gae(*e, gamma=0.9, gae_lambda=0.0), deltas)


@pytest.mark.parametrize("seed", SEEDS)
def test_gae_at_lambda_1_is_return_minus_value(experience, seed):
    """The unseen future (a truncation or the edge) enters as γ V of what followed."""
    e, gamma = experience(seed), 0.9
    following = torch.cat([e.values[:, 1:], e.last_values[:, None]], dim=1)
    edge = torch.zeros_like(e.truncated)
    edge[:, -1] = True
    unseen = (e.truncated | edge) & ~e.terminated
    rewards = e.rewards + torch.where(unseen, gamma * following, 0.0)
    returns = discounted_returns(rewards, e.terminated | e.truncated, gamma=gamma)
    torch.testing.assert_close(gae(*e, gamma=gamma, gae_lambda=1.0), returns - e.values)


@pytest.mark.parametrize("seed", SEEDS)
def test_gae_is_the_exponential_average_of_the_n_step_advantages(experience, seed):
    """Â = (1 − λ) Σ_n λ^{n−1} Â^(n); beyond n = T all Â^(n) are equal."""
    e, gamma, lam = experience(seed), 0.95, 0.7
    steps = e.rewards.shape[1]
    total = lam ** (steps - 1) * n_step_advantages(*e, gamma=gamma, n=steps)
    for n in range(1, steps):
        total += (1 - lam) * lam ** (n - 1) * n_step_advantages(*e, gamma=gamma, n=n)
    torch.testing.assert_close(gae(*e, gamma=gamma, gae_lambda=lam), total)


@pytest.mark.parametrize("seed", SEEDS)
def test_n_step_advantages_equal_the_equation_in_rewards_and_values(experience, seed):
    """r_t + … + γ^{n−1} r_{t+n−1} + γ^n V(s_{t+n}) − V(s_t), fewer terms before an end."""
    e, gamma, n = experience(seed), 0.9, 1 + seed % 5
    following = torch.cat([e.values[:, 1:], e.last_values[:, None]], dim=1)
    batch, steps = e.rewards.shape
    expected = -e.values.clone()
    for b in range(batch):
        for t in range(steps):
            for k in range(n):
                expected[b, t] += gamma**k * e.rewards[b, t + k]
                ends = e.terminated[b, t + k] or e.truncated[b, t + k]
                if ends or k == n - 1 or t + k == steps - 1:
                    if not e.terminated[b, t + k]:
                        expected[b, t] += gamma ** (k + 1) * following[b, t + k]
                    break
    torch.testing.assert_close(n_step_advantages(*e, gamma=gamma, n=n), expected)


def test_n_step_of_no_steps_is_an_error(experience):
    with pytest.raises(ValueError, match="at least 1, got 0"):
        n_step_advantages(*experience(0), gamma=0.9, n=0)


def test_n_beyond_the_record_changes_nothing(experience):
    e = experience(1)
    steps = e.rewards.shape[1]
    far = n_step_advantages(*e, gamma=0.9, n=10**6)
    assert torch.equal(far, n_step_advantages(*e, gamma=0.9, n=steps))


@pytest.mark.parametrize("seed", SEEDS)
def test_what_lies_beyond_an_end_never_reaches_back(experience, seed):
    """Padding behind a response may hold any finite number."""
    e = experience(seed, ends=0.0)
    end = seed % 8
    terminated = e.terminated.clone()
    terminated[:, end] = True
    clean = e._replace(terminated=terminated)
    beyond = torch.arange(e.rewards.shape[1]) > end
    dirty = clean._replace(
        rewards=torch.where(beyond, 1e30, clean.rewards),
        values=torch.where(beyond, -1e30, clean.values),
        last_values=torch.full_like(clean.last_values, 1e30),
    )
    for estimator in (
        lambda x: gae(*x, gamma=0.9, gae_lambda=0.8),
        lambda x: n_step_advantages(*x, gamma=0.9, n=4),
        lambda x: discounted_returns(x.rewards, x.terminated | x.truncated, gamma=0.9),
        lambda x: td_errors(*x[:4], gamma=0.9),
    ):
        seen = slice(0, end + 1)
        assert torch.equal(estimator(dirty)[:, seen], estimator(clean)[:, seen])


def test_rows_do_not_mix(experience):
    e = experience(3, batch=4)
    together = gae(*e, gamma=0.9, gae_lambda=0.8)
    for b in range(4):
        alone = gae(*(x[b : b + 1] for x in e), gamma=0.9, gae_lambda=0.8)
        torch.testing.assert_close(together[b : b + 1], alone)


def test_estimators_do_not_write_into_their_arguments(experience):
    e = experience(5)
    copies = [x.clone() for x in e]
    gae(*e, gamma=0.9, gae_lambda=0.8)
    n_step_advantages(*e, gamma=0.9, n=3)
    discounted_returns(e.rewards, e.truncated, gamma=0.9)
    assert all(torch.equal(x, copy) for x, copy in zip(e, copies, strict=True))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_dtype_of_the_rewards_is_kept(experience, dtype):
    e = experience(2)
    e = e._replace(
        rewards=e.rewards.to(dtype), values=e.values.to(dtype), last_values=e.last_values.to(dtype)
    )
    assert gae(*e, gamma=0.9, gae_lambda=0.8).dtype == dtype


@pytest.mark.parametrize("wrong", ["values", "terminated", "truncated", "last_values", "rewards"])
def test_wrong_shapes_are_named(experience, wrong):
    e = experience(0)
    bad = e._replace(**{wrong: getattr(e, wrong)[..., None]})
    with pytest.raises(ValueError, match=rf"shapes must be equal: .*{wrong} \("):
        gae(*bad, gamma=0.9, gae_lambda=0.8)


def test_mixed_devices_are_named(experience):
    e = experience(0)
    with pytest.raises(ValueError, match="values on meta"):
        gae(*e._replace(values=e.values.to("meta")), gamma=0.9, gae_lambda=0.8)


# --- KL estimators

P = torch.tensor([0.5, 0.2, 0.15, 0.1, 0.05], dtype=torch.float64)
Q = torch.tensor([0.1, 0.1, 0.2, 0.2, 0.4], dtype=torch.float64)
KL = (P * (P / Q).log()).sum().item()


def expectation(estimator) -> float:
    """E_{x~p} of an estimator, exactly, by enumeration."""
    return (P * estimator(P.log(), Q.log())).sum().item()


def test_k1_and_k3_are_unbiased():
    assert expectation(k1) == pytest.approx(KL, rel=1e-12)
    assert expectation(k3) == pytest.approx(KL, rel=1e-12)


def test_k2_is_biased_but_close_for_close_distributions():
    assert abs(expectation(k2) - KL) > 0.05
    close = P + 1e-3 * (Q - P)
    exact = (P * (P / close).log()).sum()
    estimate = (P * k2(P.log(), close.log())).sum()
    assert (estimate / exact).item() == pytest.approx(1, rel=1e-2)


def test_the_direction_is_kl_from_the_sampled_distribution():
    """KL[p‖q] ≠ KL[q‖p]: swapping the arguments estimates something else."""
    reverse = (Q * (Q / P).log()).sum().item()
    assert abs(reverse - KL) > 0.05
    assert (Q * k3(Q.log(), P.log())).sum().item() == pytest.approx(reverse, rel=1e-12)


def test_k3_has_less_variance_than_k1():
    def variance(estimator) -> float:
        samples = estimator(P.log(), Q.log())
        return (P * samples.square()).sum().item() - (P * samples).sum().item() ** 2

    assert variance(k3) < variance(k1)


@pytest.mark.parametrize("seed", range(10))
def test_only_k1_can_be_negative(seed):
    g = torch.Generator().manual_seed(seed)
    a, b = 20 * torch.randn(2, 500, generator=g)
    assert (k1(a, b) < 0).any()
    assert (k2(a, b) >= 0).all()
    assert (k3(a, b) >= 0).all()


def test_hand_computed_kl_estimates():
    """p = ½, q = ¼: k1 = log 2, k2 = ½ log² 2, k3 = ½ − 1 + log 2."""
    p, q = torch.tensor(0.5).double().log(), torch.tensor(0.25).double().log()
    assert k1(p, q).item() == pytest.approx(math.log(2))
    assert k2(p, q).item() == pytest.approx(0.5 * math.log(2) ** 2)
    assert k3(p, q).item() == pytest.approx(math.log(2) - 0.5)


def test_k3_keeps_its_digits_where_the_policies_almost_agree():
    """exp(x) − 1 − x in float32 would be noise at x = 1e-3, where the truth is x²/2."""
    x = torch.tensor(1e-3)
    assert k3(torch.tensor(0.0), x).item() == pytest.approx(5.0017e-7, rel=1e-3)
    assert k3(x, x).item() == 0.0


def test_k3_far_apart():
    assert k3(torch.tensor(0.0), torch.tensor(-1e4)).item() == pytest.approx(1e4 - 1)
    assert k3(torch.tensor(-1e4), torch.tensor(0.0)).item() == math.inf  # not NaN, not negative


# --- explained variance and effective sample size


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((1, 2, 3), 1.0),
        ((6, 7, 8), 1.0),  # a constant offset does not count
        ((2, 2, 2), 0.0),
        ((-1, -2, -3), -3.0),  # Var[2G] / Var[G] = 4
        ((1, 2, 2), 2 / 3),  # errors 0, 0, 1: Var 2/9 of 2/3
    ],
)
def test_explained_variance_by_hand(values, expected):
    returns, mask = row(1, 2, 3, 77), flags(1, 1, 1, 0)
    result = explained_variance(row(*values, -5), returns, mask)
    assert result.item() == pytest.approx(expected)


@pytest.mark.parametrize("constant", [0.0, 0.1, 7.7, -1e5 / 3])
def test_explained_variance_of_equal_returns_is_nan(constant):
    """There is nothing to explain; a rounding error must not become −10¹⁶."""
    returns = torch.full((4, 16), constant)
    values = torch.linspace(-1, 1, 64).reshape(4, 16)
    assert explained_variance(values, returns, torch.ones(4, 16, dtype=torch.bool)).isnan()


def test_effective_sample_share_by_hand():
    """(Σw)² / (N Σw²): weights 1 and 3 give 16 / 20."""
    assert effective_sample_share(row(0, math.log(3))).item() == pytest.approx(0.8)
    assert effective_sample_share(torch.zeros(7)).item() == pytest.approx(1.0)
    assert effective_sample_share(row(500, 0, 0, 0, -500)).item() == pytest.approx(1 / 5)
    shares = effective_sample_share(torch.randn(3, 4, 50))
    assert shares.shape == (3, 4)
    assert ((shares >= 1 / 50) & (shares <= 1 + 1e-6)).all()


def test_effective_sample_share_does_not_depend_on_the_scale():
    weights = torch.tensor([0.3, -1.0, 2.0])
    torch.testing.assert_close(
        effective_sample_share(weights + 1000), effective_sample_share(weights)
    )


def test_what_is_no_float_tensor_of_one_shape_is_refused_in_a_sentence():
    ends = torch.zeros(1, 3, dtype=torch.bool)
    with pytest.raises(TypeError, match="rewards must be floating point"):
        discounted_returns(torch.tensor([[1, 1, 1]]), ends, gamma=0.9)
    with pytest.raises(TypeError, match="rewards must be a tensor, got list"):
        discounted_returns([[1.0, 1.0, 1.0]], ends, gamma=0.9)
    for estimator in (k1, k2, k3):
        with pytest.raises(ValueError, match="shapes must be equal"):
            estimator(torch.zeros(3, 1), torch.zeros(3))
