"""Learning from experience: each target by hand, the learners against known optima, the model."""

import numpy as np
import pytest

from anatomy.algorithms.dynamic_programming import (
    action_values,
    evaluate_exactly,
    greedy,
    optimal_values,
    uniform,
)
from anatomy.algorithms.temporal_difference import (
    TabularModel,
    draw_actions,
    epsilon_greedy,
    expected_sarsa_target,
    first_visit_returns,
    move,
    q_learning_target,
    sarsa_target,
    td_target,
)
from anatomy.envs.mdp import random_mdp, random_walk

Q_NEXT = np.array([1.0, 4.0, 2.0])


def test_targets_by_hand():
    assert td_target(0.5, 4.0, False, gamma=0.9) == pytest.approx(4.1)
    assert td_target(0.5, 4.0, True, gamma=0.9) == pytest.approx(0.5)
    assert sarsa_target(0.5, Q_NEXT[2], False, gamma=0.9) == pytest.approx(2.3)
    assert q_learning_target(0.5, Q_NEXT, False, gamma=0.9) == pytest.approx(4.1)
    assert q_learning_target(0.5, Q_NEXT, True, gamma=0.9) == pytest.approx(0.5)
    policy = np.array([0.5, 0.25, 0.25])  # mean 0.5 + 1 + 0.5 = 2
    assert expected_sarsa_target(0.5, Q_NEXT, policy, False, gamma=0.9) == pytest.approx(2.3)
    assert expected_sarsa_target(0.5, Q_NEXT, policy, True, gamma=0.9) == pytest.approx(0.5)
    assert move(2.0, 4.0, step_size=0.25) == pytest.approx(2.5)


def test_a_row_of_learners_is_each_learner():
    rng = np.random.default_rng(0)
    rewards, q_next, ends = rng.normal(size=5), rng.normal(size=(5, 3)), rng.random(5) < 0.5
    together = q_learning_target(rewards, q_next, ends, gamma=0.8)
    alone = [
        q_learning_target(r, q, e, gamma=0.8) for r, q, e in zip(rewards, q_next, ends, strict=True)
    ]
    np.testing.assert_allclose(together, alone)


def test_a_value_that_is_not_a_number_does_not_matter_after_the_end():
    assert td_target(1.0, np.nan, True, gamma=0.9) == 1.0


def test_first_visits_by_hand():
    # 7 → 8 → 7 → end with rewards 1, 2, 4 and γ = ½: G = 1 + 1 + 1, 2 + 2, 4
    assert first_visit_returns([7, 8, 7], [1, 2, 4], gamma=0.5) == {7: 3.0, 8: 4.0}
    with pytest.raises(ValueError, match="one of each per step"):
        first_visit_returns([1, 2], [1.0], gamma=1.0)


def test_epsilon_greedy_by_hand():
    values = np.array([[1.0, 3.0, 2.0, 0.0], [5.0, 5.0, 0.0, 0.0]])
    found = epsilon_greedy(values, epsilon=0.2)
    np.testing.assert_allclose(found, [[0.05, 0.85, 0.05, 0.05], [0.45, 0.45, 0.05, 0.05]])
    with pytest.raises(ValueError, match="epsilon is a probability"):
        epsilon_greedy(values, epsilon=1.2)


def test_draws_follow_their_probabilities():
    rows = np.tile([0.1, 0.6, 0.0, 0.3], (20_000, 1))
    actions = draw_actions(rows, generator=np.random.default_rng(0))
    shares = np.bincount(actions, minlength=4) / 20_000
    assert np.abs(shares - rows[0]).max() < 4 * np.sqrt(0.25 / 20_000)
    assert shares[2] == 0


# --- learning


def learn(mdp, target_of, *, gamma, steps, epsilon, learners=20, seed=0):
    """`learners` copies side by side, step sizes 1/(1 + visits)^0.7, restarted at ends."""
    rng = np.random.default_rng(seed)
    q = np.zeros((learners, mdp.state_count, mdp.action_count))
    visits = np.zeros_like(q)
    row = np.arange(learners)
    states = mdp.first_states(learners, generator=rng)
    actions = draw_actions(epsilon_greedy(q[row, states], epsilon=epsilon), generator=rng)
    for _ in range(steps):
        rewards, following, ended = mdp.sample(states, actions, generator=rng)
        policy = epsilon_greedy(q[row, following], epsilon=epsilon)
        next_actions = draw_actions(policy, generator=rng)
        target = target_of(rewards, q[row, following], next_actions, policy, ended, gamma)
        visits[row, states, actions] += 1
        step_size = 1 / (1 + visits[row, states, actions]) ** 0.7
        q[row, states, actions] = move(q[row, states, actions], target, step_size=step_size)
        if ended.any():
            following = np.where(ended, mdp.first_states(learners, generator=rng), following)
            again = draw_actions(epsilon_greedy(q[row, following], epsilon=epsilon), generator=rng)
            next_actions = np.where(ended, again, next_actions)
        states, actions = following, next_actions
    return q


@pytest.mark.learning
def test_q_learning_finds_the_optimum_while_acting_at_random():
    mdp, gamma = random_mdp(5, 2, generator=np.random.default_rng(4)), 0.8
    exact = action_values(mdp, optimal_values(mdp, gamma=gamma), gamma=gamma)

    def target(rewards, q_next, next_actions, policy, ended, gamma):
        return q_learning_target(rewards, q_next, ended, gamma=gamma)

    found = learn(mdp, target, gamma=gamma, steps=6_000, epsilon=1.0)
    assert np.abs(found.mean(axis=0) - exact)[:-1].max() < 0.1
    assert np.abs(found - exact)[:, :-1].max() < 0.4


@pytest.mark.learning
@pytest.mark.parametrize("kind", ["sarsa", "expected sarsa"])
def test_sarsa_finds_the_values_of_the_policy_that_acts(kind):
    mdp, gamma = random_mdp(5, 2, generator=np.random.default_rng(4)), 0.8
    exact = action_values(mdp, evaluate_exactly(mdp, uniform(mdp), gamma=gamma), gamma=gamma)

    def target(rewards, q_next, next_actions, policy, ended, gamma):
        if kind == "expected sarsa":
            return expected_sarsa_target(rewards, q_next, policy, ended, gamma=gamma)
        taken = np.take_along_axis(q_next, next_actions[:, None], axis=1)[:, 0]
        return sarsa_target(rewards, taken, ended, gamma=gamma)

    found = learn(mdp, target, gamma=gamma, steps=6_000, epsilon=1.0)
    assert np.abs(found.mean(axis=0) - exact)[:-1].max() < 0.1


@pytest.mark.learning
def test_sarsa_with_little_exploration_learns_the_walks_optimum():
    walk = random_walk(4)

    def target(rewards, q_next, next_actions, policy, ended, gamma):
        taken = np.take_along_axis(q_next, next_actions[:, None], axis=1)[:, 0]
        return sarsa_target(rewards, taken, ended, gamma=gamma)

    found = learn(walk, target, gamma=0.9, steps=4_000, epsilon=0.1)
    assert (found[:, 1:-1].argmax(axis=2) == 1).all()


# --- the model


def test_counts_become_a_model_by_hand():
    model = TabularModel(3, 2)
    model.observe(0, 1, 1.0, 1, False)
    model.observe(0, 1, 0.0, 2, True)
    model.observe(0, 1, 0.0, 2, True)
    model.observe(0, 1, 3.0, 1, False)
    mdp = model.as_mdp()
    assert mdp.transition[0, 1].tolist() == [0, 0.5, 0.5]
    assert mdp.reward[0, 1] == 1.0
    assert mdp.terminal.tolist() == [False, False, True]
    assert mdp.transition[1, 0].tolist() == [0, 1, 0]  # never seen: stay, no pay
    assert mdp.reward[1].tolist() == [0, 0]


def test_imagination_repeats_what_happened_and_nothing_else():
    model = TabularModel(3, 2)
    with pytest.raises(ValueError, match="an empty model imagines nothing"):
        model.recall(generator=np.random.default_rng(0))
    happened = {(0, 1, 1.0, 1, False), (0, 1, 0.0, 2, True), (1, 0, -1.0, 0, False)}
    for step in sorted(happened):
        model.observe(*step)
    rng = np.random.default_rng(0)
    imagined = [model.recall(generator=rng) for _ in range(400)]
    assert set(imagined) == happened
    # (1, 0) is one of two seen pairs: half of the time, although it is a third of the steps
    share = sum(step[0] == 1 for step in imagined) / 400
    assert abs(share - 0.5) < 4 * 0.5 / 20


def test_enough_experience_makes_the_right_plan():
    mdp = random_mdp(6, 2, generator=np.random.default_rng(2))
    model = TabularModel.believing(mdp, draws=400, generator=np.random.default_rng(0))
    learned = model.as_mdp(start=mdp.start)
    assert np.abs(learned.transition - mdp.transition).max() < 0.1
    np.testing.assert_allclose(learned.reward, mdp.reward, atol=1e-12)
    plan = greedy(action_values(learned, optimal_values(learned, gamma=0.9), gamma=0.9))
    reached = evaluate_exactly(mdp, plan, gamma=0.9)
    assert (optimal_values(mdp, gamma=0.9) - reached)[:-1].max() < 0.1
