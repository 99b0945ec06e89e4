"""Planning: known optima, the linear solve, the contraction, improvement, shaping."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from anatomy.algorithms.dynamic_programming import (
    action_values,
    bellman_expectation,
    bellman_optimality,
    evaluate_exactly,
    greedy,
    optimal_values,
    policy_iteration,
    shaped,
    uniform,
    value_iteration,
)
from anatomy.envs.gridworld import Gridworld
from anatomy.envs.mdp import MDP, random_mdp, random_walk

SEEDS = range(8)


def drawn(seed):
    rng = np.random.default_rng(seed)
    mdp = random_mdp(7, 3, generator=rng)
    return mdp, rng.dirichlet(np.ones(3), size=7), rng


# Two states and an end. Staying in 0 pays 1; leaving pays 0 and leads to 1, which pays 5 and ends.
STAY_OR_GO = MDP(
    transition=[
        [[1, 0, 0], [0, 1, 0]],
        [[0, 0, 1], [0, 0, 1]],
        [[0, 0, 1], [0, 0, 1]],
    ],
    reward=[[1, 0], [5, 5], [0, 0]],
    terminal=[False, False, True],
    actions=("stay", "go"),
)


def test_backups_by_hand():
    values = np.array([2.0, 3.0, 99.0])  # what a terminal state is said to be worth must not count
    q = action_values(STAY_OR_GO, values, gamma=0.5)
    assert q.tolist() == [[2.0, 1.5], [5.0, 5.0], [0.0, 0.0]]
    policy = np.array([[0.25, 0.75], [0.5, 0.5], [1.0, 0.0]])
    assert bellman_expectation(STAY_OR_GO, policy, values, gamma=0.5).tolist() == [1.625, 5.0, 0.0]
    assert bellman_optimality(STAY_OR_GO, values, gamma=0.5).tolist() == [2.0, 5.0, 0.0]
    assert greedy(q).tolist() == [[1.0, 0.0], [0.5, 0.5], [0.5, 0.5]]


@pytest.mark.parametrize(("gamma", "best", "action"), [(0.5, 2.5, 1), (0.9, 10.0, 0)])
def test_the_discount_decides_between_staying_and_going(gamma, best, action):
    # stay forever: 1/(1−γ); go at once: 5γ
    values = optimal_values(STAY_OR_GO, gamma=gamma)
    assert values[0] == pytest.approx(best)
    assert greedy(action_values(STAY_OR_GO, values, gamma=gamma))[0, action] == 1


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("gamma", [0.3, 0.9, 0.99])
def test_repeated_backups_reach_the_linear_solve(seed, gamma):
    mdp, policy, _ = drawn(seed)
    exact = evaluate_exactly(mdp, policy, gamma=gamma)
    np.testing.assert_allclose(
        bellman_expectation(mdp, policy, exact, gamma=gamma), exact, atol=1e-10
    )
    values = np.zeros(7)
    for _ in range(int(np.log(1e-10) / np.log(gamma)) + 20):
        values = bellman_expectation(mdp, policy, values, gamma=gamma)
    np.testing.assert_allclose(values, exact, atol=1e-8)


@pytest.mark.parametrize("seed", SEEDS)
def test_both_operators_are_contractions(seed):
    mdp, policy, rng = drawn(seed)
    for _ in range(20):
        gamma = rng.random()
        one, other = rng.normal(size=(2, 7)) * 10
        apart = gamma * np.abs(one - other).max() + 1e-12
        for backup in (
            lambda v, g=gamma: bellman_optimality(mdp, v, gamma=g),
            lambda v, g=gamma: bellman_expectation(mdp, policy, v, gamma=g),
        ):
            assert np.abs(backup(one) - backup(other)).max() <= apart


def test_the_rate_is_reached_where_nothing_is_mixed():
    """On one state that pays forever, each sweep shrinks the error by exactly γ."""
    mdp = MDP(transition=[[[1.0]]], reward=[[1.0]], terminal=[False])
    errors = [10 - values[0] for values in value_iteration(mdp, gamma=0.9, tolerance=1e-6)]
    ratios = np.array(errors[1:20]) / np.array(errors[:19])
    np.testing.assert_allclose(ratios, 0.9, atol=1e-9)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("gamma", [0.5, 0.95])
def test_value_and_policy_iteration_agree_and_stop_in_time(seed, gamma):
    mdp, _, _ = drawn(seed)
    *sweeps, last = value_iteration(mdp, gamma=gamma, tolerance=1e-9)
    *_, (_, values) = policy_iteration(mdp, gamma=gamma)
    np.testing.assert_allclose(last, values, atol=1e-8)
    errors = [np.abs(v - values).max() for v in (*sweeps, last)]
    assert errors[-1] <= 1e-9 + 1e-12
    assert all(b <= gamma * a + 1e-12 for a, b in pairwise(errors))


@pytest.mark.parametrize("seed", SEEDS)
def test_policy_improvement_never_lowers_a_value(seed):
    mdp, policy, _ = drawn(seed)
    rounds = [values for _, values in policy_iteration(mdp, gamma=0.9, policy=policy)]
    assert 2 <= len(rounds) <= 10
    for before, after in pairwise(rounds):
        assert (after >= before - 1e-12).all()


def test_the_walks_optimum_is_found():
    walk = random_walk(9)
    *_, values = value_iteration(walk, gamma=0.8)
    np.testing.assert_allclose(values[1:-1], 0.8 ** np.arange(8, -1, -1), atol=1e-9)
    policy = greedy(action_values(walk, values, gamma=0.8))
    assert policy[1:-1, 1].tolist() == [1.0] * 9


def test_policy_iteration_takes_another_evaluation():
    calls = []

    def counting(mdp, policy, *, gamma):
        calls.append(gamma)
        return evaluate_exactly(mdp, policy, gamma=gamma)

    list(policy_iteration(random_walk(3), gamma=0.7, evaluate=counting))
    assert len(calls) >= 2
    assert set(calls) == {0.7}


def test_a_policy_that_never_ends_has_no_value_without_discount():
    left_right = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 0.0], [0.5, 0.5]])
    with pytest.raises(ValueError, match="may never end"):
        evaluate_exactly(random_walk(3), left_right, gamma=1.0)
    assert np.isfinite(evaluate_exactly(random_walk(3), left_right, gamma=0.99)).all()


# --- shaping


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("gamma", [0.6, 0.95])
def test_shaping_moves_every_policys_values_by_the_potential(seed, gamma):
    mdp, policy, rng = drawn(seed)
    potential = rng.normal(size=7) * 5
    other = shaped(mdp, potential, gamma=gamma)
    counted = np.where(mdp.terminal, 0, potential)
    np.testing.assert_allclose(
        evaluate_exactly(other, policy, gamma=gamma),
        evaluate_exactly(mdp, policy, gamma=gamma) - counted,
        atol=1e-9,
    )
    before, after = optimal_values(mdp, gamma=gamma), optimal_values(other, gamma=gamma)
    np.testing.assert_array_equal(
        greedy(action_values(mdp, before, gamma=gamma))[:-1],
        greedy(action_values(other, after, gamma=gamma))[:-1],
    )


def test_a_bonus_that_is_no_potential_changes_the_best_policy():
    bonus = STAY_OR_GO.reward + np.array([[2.0, 0], [0, 0], [0, 0]])  # paid for staying, each time
    other = replace(STAY_OR_GO, reward=bonus)
    assert greedy(action_values(other, optimal_values(other, gamma=0.5), gamma=0.5))[0, 0] == 1
    assert (
        greedy(action_values(STAY_OR_GO, optimal_values(STAY_OR_GO, gamma=0.5), gamma=0.5))[0, 1]
        == 1
    )


def test_a_potential_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"potential must be \(S,\) = \(3,\), got \(2,\)"):
        shaped(STAY_OR_GO, np.zeros(2), gamma=0.9)


def test_the_house_sends_the_patient_far_and_the_hasty_near():
    """The figure of the chapter: γ decides which goal is worth the walk."""
    house = Gridworld("house", slip=0.0)
    start = house.first
    hasty = optimal_values(house.mdp, gamma=0.7)
    patient = optimal_values(house.mdp, gamma=0.9)
    assert hasty[start] == pytest.approx(0.3 * 0.7)
    assert patient[start] == pytest.approx(0.9**6)
    assert uniform(house.mdp).sum(axis=1).tolist() == [1.0] * house.mdp.state_count
