"""The environment model as a table: what it refuses and samples, a walk with a known answer."""

import numpy as np
import pytest

from anatomy.algorithms.dynamic_programming import evaluate_exactly, optimal_values, uniform
from anatomy.envs.mdp import MDP, random_mdp, random_walk

TWO = {  # state 0 goes on to 1 with probability 0.25, state 1 is the end
    "transition": [[[0.75, 0.25]], [[0.0, 1.0]]],
    "reward": [[2.0], [0.0]],
    "terminal": [False, True],
}


def test_a_table_by_hand():
    mdp = MDP(**TWO)
    assert (mdp.state_count, mdp.action_count) == (2, 1)
    assert mdp.start.tolist() == [1.0, 0.0]
    assert mdp.states == ("0", "1")
    assert mdp.continues.tolist() == [[[0.75, 0.0]], [[0.0, 0.0]]]
    # V = 2 + 0.75 γ V: 8 at γ = 1
    assert evaluate_exactly(mdp, uniform(mdp), gamma=1.0).tolist() == pytest.approx([8.0, 0.0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"transition": [[[0.75, 0.15]], [[0, 1]]]}, r"P\(·\|0, 0\).*sums to 0\.9"),
        ({"transition": [[[1.25, -0.25]], [[0, 1]]]}, r"P\(·\|0, 0\) must be probabilities"),
        ({"transition": [[[np.nan, 0.25]], [[0, 1]]]}, r"P\(·\|0, 0\)"),
        ({"transition": [[0.5, 0.5]]}, r"transition must be \(S, A, S\)"),
        ({"reward": [2.0, 0.0]}, r"reward must be \(S, A\) = \(2, 1\), got \(2,\)"),
        ({"reward": [[np.inf], [0.0]]}, "reward must be finite"),
        ({"terminal": [True]}, r"terminal must be \(S,\)"),
        ({"terminal": [True, False]}, "terminal state 0 must stay and pay nothing"),
        ({"reward": [[2.0], [1.0]]}, "terminal state 1 must stay and pay nothing"),
        ({"start": [0.5, 0.4]}, "start must be probabilities"),
        ({"start": [1.0]}, r"start must be \(S,\)"),
        ({"states": ("one",)}, "states must name 2, and names 1"),
    ],
)
def test_a_wrong_table_is_refused_in_one_sentence(change, message):
    with pytest.raises(ValueError, match=message) as caught:
        MDP(**(TWO | change))
    assert "\n" not in str(caught.value)


def test_nobody_can_write_into_it_and_it_keeps_its_own_copy():
    given = np.array(TWO["reward"])
    mdp = MDP(**(TWO | {"reward": given}))
    given[0, 0] = 99.0
    assert mdp.reward[0, 0] == 2.0
    with pytest.raises(ValueError, match="read-only"):
        mdp.reward[0, 0] = 1.0
    with pytest.raises(AttributeError):
        mdp.reward = given


def test_samples_follow_the_table():
    mdp = random_mdp(4, 2, generator=np.random.default_rng(1))
    states = np.full(40_000, 1)
    rewards, following, ended = mdp.sample(
        states, np.ones_like(states), generator=np.random.default_rng(0)
    )
    shares = np.bincount(following, minlength=4) / len(following)
    error = 4 * np.sqrt(0.25 / len(following))  # four standard errors of the widest share
    assert np.abs(shares - mdp.transition[1, 1]).max() < error
    assert (rewards == mdp.reward[1, 1]).all()
    assert (ended == (following == 3)).all()
    reward, state, end = mdp.sample(0, 1, generator=np.random.default_rng(0))
    assert np.shape(reward) == np.shape(state) == np.shape(end) == ()


def test_the_walks_values_are_known():
    walk = random_walk(5)
    fair = evaluate_exactly(walk, uniform(walk), gamma=1.0)
    np.testing.assert_allclose(fair, [0, 1 / 6, 2 / 6, 3 / 6, 4 / 6, 5 / 6, 0], atol=1e-12)
    best = optimal_values(walk, gamma=0.9)
    np.testing.assert_allclose(best[1:-1], 0.9 ** np.arange(4, -1, -1), atol=1e-12)
    assert walk.start.tolist() == [0, 0, 0, 1, 0, 0, 0]
    with pytest.raises(ValueError, match="at least one place"):
        random_walk(0)
