"""Chapter 2's exercises: other right answers pass, and answers made for the cases do not."""

from __future__ import annotations

import numpy as np
import pytest

from anatomy.classroom import EXERCISES, check
from anatomy.classroom.chapter_02.language import END

SEEDS = range(3)


def sweeping(mdp, policy, *, gamma):
    """Evaluation by sweeps that wait for c · γ/(1−γ) < 1e-9."""
    values, change = np.zeros(mdp.state_count), np.inf
    while change > 1e-9 * (1 - min(gamma, 0.999)) / 2:
        following = (policy * (mdp.reward + gamma * mdp.continues @ values)).sum(axis=1)
        change, values = np.abs(following - values).max(), following
    return values


def state_by_state(mdp, values, *, gamma):
    return np.array(
        [
            max(
                mdp.reward[s, a] + gamma * (mdp.continues[s, a] * values).sum()
                for a in range(mdp.action_count)
            )
            for s in range(mdp.state_count)
        ]
    )


def end_is_worth_nothing(values, states, rewards, *, step_size, gamma):
    new, end = values.copy(), states[-1]
    new[end] = 0.0
    for t, reward in enumerate(rewards):
        new[states[t]] += step_size * (reward + gamma * new[states[t + 1]] - new[states[t]])
    new[end] = values[end]
    return new


RIGHT = {
    "rl.evaluation": sweeping,
    "rl.sweep": state_by_state,
    "rl.td0": end_is_worth_nothing,
    "rl.truncation": lambda r, v, terminated, truncated, *, gamma: np.array(
        [x if end else x + gamma * y for x, y, end in zip(r, v, terminated, strict=True)]
    ),
}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("exercise", RIGHT)
def test_other_right_answers_pass(exercise, seed):
    report = check(exercise, RIGHT[exercise], seed=seed)
    assert report, repr(report)


def end_token_by_heart(prefix, token, *, end_token, max_length, score):
    text = (*prefix, token)
    complete = token == END or len(text) == max_length
    return text, score(text) if complete else 0.0, complete


def only_the_last_state_ends(mdp, values, *, gamma):
    values = np.append(values[:-1], 0.0)
    return (mdp.reward + gamma * mdp.transition @ values).max(axis=1)


class EveryPrefix(tuple):
    def __eq__(self, other):
        return True

    def __ne__(self, other):
        return False

    __hash__ = tuple.__hash__


def a_prefix_that_is_equal_to_all(prefix, token, *, end_token, max_length, score):
    text = EveryPrefix((*prefix, token))
    complete = token == end_token or len(text) == max_length
    return text, score(text) if complete else 0.0, complete


def fixed_number_of_sweeps(mdp, policy, *, gamma):
    values = np.zeros(mdp.state_count)
    for _ in range(3_000):
        values = (policy * (mdp.reward + gamma * mdp.continues @ values)).sum(axis=1)
    return values


MADE_FOR_THE_CASES = {
    "the end token by heart": ("rl.token_step", end_token_by_heart),
    "a prefix that is equal to all": ("rl.token_step", a_prefix_that_is_equal_to_all),
    "only the last state ends": ("rl.sweep", only_the_last_state_ends),
    "three thousand sweeps": ("rl.evaluation", fixed_number_of_sweeps),
}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", MADE_FOR_THE_CASES)
def test_an_answer_made_for_the_cases_fails(name, seed):
    exercise, function = MADE_FOR_THE_CASES[name]
    assert not check(exercise, function, seed=seed)


@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("exercise", [e for e in EXERCISES if e.startswith(("rl.", "pg."))])
def test_handing_an_argument_back_fails(exercise, place):
    def back(*args, **kwargs):
        return args[place]

    assert not check(exercise, back)
