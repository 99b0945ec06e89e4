"""The language of three tokens: its step, its score, its table, and gymnasium's own check."""

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from anatomy.algorithms.dynamic_programming import evaluate_exactly, optimal_values, uniform
from anatomy.envs.token_mdp import (
    END,
    GOOD,
    VERY,
    TokenMDP,
    append_token,
    language_mdp,
    praise,
)


@pytest.mark.filterwarnings("error")
def test_gymnasiums_own_check():
    check_env(gymnasium.make("anatomy/TokenMDP-v0", render_mode="ansi").unwrapped)


@pytest.mark.parametrize(
    ("text", "worth"),
    [
        ((END,), 0),
        ((GOOD, END), 1),
        ((VERY, GOOD, END), 2),
        ((VERY, VERY, VERY, GOOD, END), 4),
        ((VERY, END), -1),
        ((GOOD, GOOD, END), -1),
        ((GOOD, VERY, END), -1),
        ((VERY, VERY, GOOD), -1),  # not ended
    ],
)
def test_the_judge(text, worth):
    assert praise(text) == worth


def test_a_step_appends_and_pays_only_at_the_end():
    rules = {"end_token": END, "max_length": 3, "score": praise}
    assert append_token((), VERY, **rules) == ((VERY,), 0.0, False)
    assert append_token((VERY,), GOOD, **rules) == ((VERY, GOOD), 0.0, False)
    assert append_token((VERY, GOOD), END, **rules) == ((VERY, GOOD, END), 2.0, True)
    assert append_token((VERY, GOOD), VERY, **rules) == ((VERY, GOOD, VERY), -1.0, True)
    assert append_token((), END, **rules) == ((END,), 0.0, True)


def test_the_table_counts_every_text_once():
    mdp, prefixes = language_mdp(max_length=3)
    # open: 1 + 2 + 4; ended: 1 + 2 + 4; cut at three words: 8
    assert len(prefixes) == len(set(prefixes)) == mdp.state_count == 22
    assert mdp.terminal.sum() == 15
    assert mdp.states[:4] == ("(empty)", "very", "good", ".")
    assert set(np.unique(mdp.transition)) == {0.0, 1.0}  # concatenation is certain


def test_values_by_hand():
    mdp, prefixes = language_mdp(max_length=3)
    number = {prefix: state for state, prefix in enumerate(prefixes)}
    even = evaluate_exactly(mdp, uniform(mdp), gamma=1.0)
    assert even[number[VERY, GOOD]] == pytest.approx((2 - 1 - 1) / 3)
    assert even[number[(VERY,)]] == pytest.approx((-1 + 0 - 1) / 3)
    assert even[number[(GOOD,)]] == pytest.approx((-1 - 1 + 1) / 3)
    assert even[0] == pytest.approx((-2 / 3 - 1 / 3 + 0) / 3)
    assert optimal_values(mdp, gamma=0.9)[0] == pytest.approx(2 * 0.9**2)


def test_walking_and_the_table_agree():
    env = TokenMDP(max_length=4)
    rng = np.random.default_rng(0)
    ends = 0
    for episode in range(60):
        state, _ = env.reset(seed=episode)
        terminated = False
        while not terminated:
            action = int(rng.integers(3))
            following, reward, terminated, truncated, _ = env.step(action)
            assert env.mdp.transition[state, action, following] == 1
            assert reward == env.mdp.reward[state, action]
            assert terminated == env.mdp.terminal[following]
            assert not truncated
            state = following
        ends += reward > 0
    assert ends > 0


def test_the_text_is_rendered():
    env = TokenMDP(render_mode="ansi")
    env.reset()
    assert env.render() == "(empty)"
    env.step(VERY)
    env.step(GOOD)
    assert env.render() == "very good"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tokens": (".",)}, "a word, an end token"),
        ({"max_length": 0}, "at least one token"),
        ({"max_length": 12}, "a table is the wrong tool"),
    ],
)
def test_a_language_that_is_no_table_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        language_mdp(**options)
