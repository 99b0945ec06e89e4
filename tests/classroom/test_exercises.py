"""Every exercise: the reference passes, the stub and every listed wrong answer fail."""

import pytest
import torch

from anatomy.algorithms.dynamic_programming import bellman_optimality
from anatomy.classroom import EXERCISES, chapter_02, chapter_05, check
from anatomy.classroom.chapter_02.prediction import td0_episode
from anatomy.classroom.chapter_05.advantages import random_record
from anatomy.classroom.exercise import Exercise
from anatomy.estimators import gae

FUNCTIONS = [e for e in EXERCISES.values() if isinstance(e, Exercise)]
WRONG = [
    pytest.param(e, wrong, id=f"{e.id}-{wrong.mistake[:40]}")
    for e in FUNCTIONS
    for wrong in e.wrong_answers
]
SEEDS = range(3)


def stub(*args, **kwargs):
    raise NotImplementedError


def test_chapter_5_has_six_exercises_worth_20_points():
    assert {e.id for e in chapter_05.EXERCISES} == {
        "ppo.gae",
        "ppo.exponent",  # the second part of the first
        "ppo.clip",
        "ppo.kl_controller",
        "ppo.ratios",
        "ppo.token_rewards",
        "ppo.mutants",
    }
    assert sum(e.points for e in chapter_05.EXERCISES) == 20


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("exercise", EXERCISES.values(), ids=lambda e: e.id)
def test_the_reference_passes_every_case(exercise, seed):
    report = check(exercise.id, exercise.reference, seed=seed)
    assert report, repr(report)
    assert report.points == report.out_of == exercise.points
    assert all(verdict.passed for verdict in report.verdicts)


@pytest.mark.parametrize("exercise", EXERCISES.values(), ids=lambda e: e.id)
def test_a_stub_is_reported_as_not_written(exercise):
    report = check(exercise.id, stub)
    assert not report
    assert not report.written
    assert report.points == 0
    assert "not written yet" in repr(report)
    assert "is written" in report.waiting


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("exercise", "wrong"), WRONG)
def test_a_listed_wrong_answer_fails_and_is_named(exercise, wrong, seed):
    report = check(exercise.id, wrong.function, seed=seed)
    assert not report
    assert report.points == 0
    assert report.written
    assert report.diagnosis == wrong.mistake
    failed = [verdict for verdict in report.verdicts if not verdict.passed]
    assert failed
    assert all(verdict.message for verdict in failed)


@pytest.mark.parametrize("exercise", FUNCTIONS, ids=lambda e: e.id)
def test_at_least_four_wrong_answers_are_listed(exercise):
    assert len(exercise.wrong_answers) >= 4


@pytest.mark.parametrize("exercise", FUNCTIONS, ids=lambda e: e.id)
def test_an_answer_of_zeros_fails_without_a_diagnosis_of_its_own(exercise):
    def zeros(*args, **kwargs):
        answer = exercise.reference(*args, **kwargs)
        if isinstance(answer, dict):
            return dict.fromkeys(answer, 0.0)
        return answer * 0

    assert not check(exercise.id, zeros)


def test_two_mistakes_at_once_are_not_taken_for_one_of_them():
    def both(rewards, values, last_values, terminated, truncated, *, gamma, gae_lambda):
        ends = terminated | truncated  # truncation as termination, and λ forgotten
        return gae(rewards, values, last_values, ends, truncated, gamma=gamma, gae_lambda=1.0)

    report = check("ppo.gae", both)
    assert not report
    assert report.diagnosis == ""


def test_random_records_hold_ends_of_both_kinds_and_never_both_at_once():
    for seed in SEEDS:
        generator = torch.Generator().manual_seed(seed + 7000)  # the last case of ppo.gae
        _, _, _, terminated, truncated = random_record(generator, ends=True).args
        assert terminated.any()
        assert truncated.any()
        assert not (terminated & truncated).any()


def test_random_cases_change_with_the_seed_and_stay_for_the_same_seed():
    seen = []

    def watching(*args, **kwargs):
        seen.append(args[0])
        return gae(*args, **kwargs)

    for seed in (0, 0, 1):
        check("ppo.gae", watching, seed=seed)
    first, again, other = seen[7], seen[15], seen[23]
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_an_unknown_exercise_is_refused_with_the_known_ones():
    with pytest.raises(KeyError, match=r"ppo\.gae"):
        check("ppo.gaee", gae)


def test_chapter_2_has_six_exercises_worth_20_points():
    assert {e.id for e in chapter_02.EXERCISES} == {
        "rl.evaluation",
        "rl.sweep",
        "rl.rates",  # the second part of the second
        "rl.token_step",
        "rl.td0",
        "rl.bias_variance",  # the second part of the fourth
        "rl.truncation",
        "rl.shaping",
    }
    assert sum(e.points for e in chapter_02.EXERCISES) == 20


def test_an_answer_in_numpy_is_compared_as_a_tensor_is():
    def off_at_one_place(mdp, values, *, gamma):
        answer = bellman_optimality(mdp, values, gamma=gamma)
        answer[0] += 1
        return answer

    said = repr(check("rl.sweep", off_at_one_place))
    assert "Expected [2, 5, 0], got [3, 5, 0]." in said
    said = repr(check("rl.sweep", lambda mdp, values, *, gamma: values.tolist()))
    assert "should return a NumPy array of numbers, not a list" in said
    said = repr(check("rl.sweep", lambda mdp, values, *, gamma: values[::-1][:1]))
    assert "Expected the shape (3,), got (1,)" in said

    def in_place(values, states, rewards, *, step_size, gamma):
        values[:] = td0_episode(values, states, rewards, step_size=step_size, gamma=gamma)
        return values

    assert "changes its inputs in place" in repr(check("rl.td0", in_place))
