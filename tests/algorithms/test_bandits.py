"""Bandits: the rules by hand, regret, and which rule regrets less."""

import numpy as np
import pytest

from anatomy.algorithms import bandits
from anatomy.algorithms.bandits import BernoulliBandit


def rng(seed=0):
    return np.random.default_rng(seed)


def test_regret_by_hand():
    bandit = BernoulliBandit((0.2, 0.7, 0.6))
    np.testing.assert_allclose(bandit.regret([0, 1, 2, 0]), [0.5, 0.5, 0.6, 1.1])
    np.testing.assert_allclose(bandit.regret([[1, 1], [0, 0]]), [[0, 0], [0.5, 1.0]])


def test_arms_pay_as_often_as_they_say():
    paid = BernoulliBandit((0.2, 0.7)).pull(np.tile([0, 1], 20_000), generator=rng())
    assert set(np.unique(paid)) == {0.0, 1.0}
    assert np.abs(paid.reshape(-1, 2).mean(axis=0) - [0.2, 0.7]).max() < 4 * 0.5 / np.sqrt(20_000)


@pytest.mark.parametrize("means", [(), (0.5,), (0.5, 1.2), (-0.1, 0.5)])
def test_what_is_no_bandit_is_refused(means):
    with pytest.raises(ValueError, match="two or more probabilities"):
        BernoulliBandit(means)


def test_untried_arms_go_first():
    counts, sums = np.array([[3.0, 0.0, 2.0]] * 50), np.array([[3.0, 0.0, 2.0]] * 50)
    assert (bandits.ucb1(counts, sums, generator=rng()) == 1).all()
    assert (bandits.epsilon_greedy(counts, sums, epsilon=0.5, generator=rng()) == 1).all()


def test_ucb_by_hand():
    # t = 20: means 0.5 and 0.6, bounds √(2 ln 20 / n): 0.5 + 1.2239 at n = 4, 0.6 + 0.6120 at 16
    counts, sums = np.array([4.0, 16.0]), np.array([2.0, 9.6])
    assert bandits.ucb1(counts, sums, generator=rng()) == 0
    # with as many tries of each, the better mean wins
    assert bandits.ucb1(np.array([10.0, 10.0]), np.array([5.0, 6.0]), generator=rng()) == 1


def test_epsilon_is_the_share_of_tries_at_random():
    counts, sums = np.full((30_000, 4), 10.0), np.tile([2.0, 9.0, 3.0, 1.0], (30_000, 1))
    arms = bandits.epsilon_greedy(counts, sums, epsilon=0.2, generator=rng())
    shares = np.bincount(arms, minlength=4) / len(arms)
    assert np.abs(shares - [0.05, 0.85, 0.05, 0.05]).max() < 4 * 0.5 / np.sqrt(len(arms))
    assert (bandits.epsilon_greedy(counts, sums, epsilon=0.0, generator=rng()) == 1).all()


def test_thompson_chooses_an_arm_as_often_as_it_is_believed_best():
    # Beta(2, 1) against Beta(1, 2): P(first > second) = 5/6
    counts, sums = np.ones((30_000, 2)), np.tile([1.0, 0.0], (30_000, 1))
    share = (bandits.thompson(counts, sums, generator=rng()) == 0).mean()
    assert share == pytest.approx(5 / 6, abs=4 * 0.5 / np.sqrt(30_000))


def play(choose, bandit, *, steps, runs, seed):
    generator = rng(seed)
    counts, sums = np.zeros((2, runs, bandit.arms))
    row, arms = np.arange(runs), np.empty((runs, steps), dtype=int)
    for t in range(steps):
        arms[:, t] = choose(counts, sums, generator=generator)
        paid = bandit.pull(arms[:, t], generator=generator)
        counts[row, arms[:, t]] += 1
        sums[row, arms[:, t]] += paid
    return bandit.regret(arms)[:, -1]


@pytest.mark.learning
def test_ucb_and_thompson_regret_less_than_epsilon_greedy():
    """On a fixed bandit, 60 runs each, by more than four standard errors."""
    bandit, size = BernoulliBandit((0.1, 0.3, 0.5, 0.9)), {"steps": 1_500, "runs": 60, "seed": 0}

    def greedy(counts, sums, *, generator):
        return bandits.epsilon_greedy(counts, sums, epsilon=0.2, generator=generator)

    base = play(greedy, bandit, **size)
    for rule in (bandits.ucb1, bandits.thompson):
        regret = play(rule, bandit, **size)
        error = np.sqrt(base.var() / len(base) + regret.var() / len(regret))
        assert regret.mean() + 4 * error < base.mean()
