"""Chapter 3's exercises: hand-computed answers, and known mistakes."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch

from anatomy.algorithms.dynamic_programming import policy_iteration, shaped
from anatomy.classroom.chapter_03 import EXERCISES as LISTED
from anatomy.classroom.chapter_03.best_of_n import best_of_n_kl, chosen
from anatomy.classroom.chapter_03.degeneracy import (
    deviates,
    differ,
    places_unexplained,
    two_rewards,
    without_reward,
)
from anatomy.classroom.chapter_03.noise import noisy_loss
from anatomy.classroom.chapter_03.planted import fit_rewards, planted
from anatomy.classroom.chapter_03.rankings import Reader, pairwise, ranked_loss
from anatomy.envs.gridworld import Gridworld
from anatomy.envs.mdp import random_mdp, random_walk
from anatomy.rlhf.best_of_n import kl_bound
from anatomy.rlhf.preferences import bradley_terry_loss

EXERCISES = {exercise.id: exercise for exercise in LISTED}
SEEDS = range(3)
WRONG = [
    pytest.param(e, wrong, id=f"{e.id}-{wrong.mistake[:40]}")
    for e in EXERCISES.values()
    for wrong in e.wrong_answers
]
every_exercise = pytest.mark.parametrize("exercise", EXERCISES.values(), ids=EXERCISES)


def examine(exercise: str, function, seed: int = 0):
    return EXERCISES[exercise].examine(function, seed=seed)


def test_six_exercises_worth_20_points():
    assert list(EXERCISES) == [
        "rlhf.bradley_terry",
        "rlhf.planted",
        "rlhf.ranking",
        "rlhf.degeneracy",
        "rlhf.best_of_n",
        "rlhf.noisy_labels",
        "rlhf.measured_accuracy",  # the second part of the last
    ]
    assert sum(exercise.points for exercise in LISTED) == 20


@pytest.mark.parametrize("seed", range(8))
@every_exercise
def test_the_reference_passes_every_case(exercise, seed):
    report = exercise.examine(exercise.reference, seed=seed)
    assert report, repr(report)
    assert report.points == exercise.points


@every_exercise
def test_a_stub_is_reported_as_not_written(exercise):
    def stub(*args, **kwargs):
        raise NotImplementedError

    report = exercise.examine(stub)
    assert not report
    assert not report.written


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("exercise", "wrong"), WRONG)
def test_a_listed_wrong_answer_fails_and_is_named(exercise, wrong, seed):
    report = exercise.examine(wrong.function, seed=seed)
    assert not report
    assert report.points == 0
    assert report.diagnosis == wrong.mistake, repr(report)
    assert all(verdict.message for verdict in report.verdicts if not verdict.passed)


STRANGE = {
    "None": lambda *a, **k: None,
    "a word": lambda *a, **k: "one",
    "a list": lambda *a, **k: [1.0],
    "a tuple of words": lambda *a, **k: ("a", "b"),
    "NaN": lambda *a, **k: math.nan,
    "a tensor of NaN": lambda *a, **k: torch.full((12,), math.nan),
    "an empty tensor": lambda *a, **k: torch.empty(0),
    "complex": lambda *a, **k: torch.ones(2, dtype=torch.complex64),
    "huge": lambda *a, **k: 10**400,
    "a crash": lambda *a, **k: 1 / 0,
    "no arguments": lambda: 0.0,
    "itself": lambda f: f,
    "arrays of words": lambda *a, **k: (np.array([["a"]]), np.array([["b"]])),
}


@pytest.mark.parametrize("strange", STRANGE.values(), ids=STRANGE)
@every_exercise
def test_a_strange_answer_gets_one_clear_sentence(exercise, strange):
    report = exercise.examine(strange)
    assert not report
    for verdict in report.verdicts:
        if not verdict.passed:
            first = verdict.message.splitlines()[0]
            assert 10 < len(first) < 240, first
            assert "Traceback" not in first


def test_what_is_not_a_function_is_refused():
    assert "This should be a function" in repr(examine("rlhf.planted", [1.0]))


# ------------------------------------------------------------ 1 and 6: the losses


def test_the_loss_passes_gradcheck_and_survives_ten_thousand():
    scores = torch.randn(2, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda s: bradley_terry_loss(s[0], s[1]), scores)
    assert torch.autograd.gradcheck(lambda s: noisy_loss(s[0], s[1], flip=0.2), scores)


def test_a_loss_of_the_right_values_and_half_the_gradient_is_caught():
    def half(preferred, rejected):
        loss = bradley_terry_loss(preferred, rejected)
        return loss / 2 + (loss / 2).detach()

    report = examine("rlhf.bradley_terry", half)
    failed = [verdict.case for verdict in report.verdicts if not verdict.passed]
    assert failed == [
        "the gradient there",
        "the gradient by hand",
        "the gradient against finite differences",
    ]


def test_the_likelihood_of_a_flipped_label_is_a_mixture():
    difference = torch.tensor([1.3])
    p = torch.sigmoid(difference)
    expected = -(0.8 * p + 0.2 * (1 - p)).log().mean()
    torch.testing.assert_close(noisy_loss(difference, torch.zeros(1), flip=0.2), expected)


# ------------------------------------------------------------ 2: planted rewards


def test_two_items_differ_by_the_log_odds():
    first, second = torch.zeros(5, dtype=torch.long), torch.ones(5, dtype=torch.long)
    won = torch.tensor([True, True, True, True, False])
    found = fit_rewards(first, second, won, 2)
    assert float(found[0] - found[1]) == pytest.approx(math.log(4), abs=1e-4)


def test_any_shift_of_the_rewards_passes():
    shifted = lambda *comparison: fit_rewards(*comparison) + 17.0  # noqa: E731
    assert examine("rlhf.planted", shifted)


def test_the_number_of_an_item_says_nothing_about_its_rank():
    """Sorted normal numbers are no secret: an answer that never looks must not pass."""

    def by_heart(first, second, first_won, items):
        known = {
            2: [1.0986, 0.0],
            3: [2.1972, 1.0986, 0.0],
            4: [1.0986, 1.0986, 0.0, 0.0],
            12: torch.special.ndtri(torch.arange(1, 13) / 13.0) * 1.5,
        }
        return torch.as_tensor(known[items], dtype=torch.float64)

    report = examine("rlhf.planted", by_heart)
    assert [verdict.passed for verdict in report.verdicts] == [True, True, True, False]


def test_float32_answers_pass():
    assert examine("rlhf.planted", lambda *comparison: fit_rewards(*comparison).float())


def test_the_planted_comparisons_are_of_neighbours_and_of_both_orders():
    _, inputs = planted(torch.Generator().manual_seed(3))
    first, second, won, items = inputs.args
    gap = (first - second).abs()
    assert gap.min() == 1
    assert gap.max() == 3
    assert 0.4 < (first < second).double().mean() < 0.6
    assert 0.4 < won.double().mean() < 0.6
    assert int(torch.maximum(first, second).max()) == items - 1


# ------------------------------------------------------------ 3: rankings


def test_the_reader_counts_answers_in_any_shape():
    reader = Reader(torch.tensor([1.0, 2.0]))
    assert reader(torch.ones(3, 4, 2)).shape == (3, 4)
    reader(torch.ones(5, 2))
    assert reader.answers_read == 17


def test_one_call_and_one_call_per_answer_both_pass():
    def one_by_one(score, answers):
        scores = torch.stack([score(answers[:, k]) for k in range(answers.shape[1])], 1)
        return ranked_loss(lambda _: scores, answers)

    assert examine("rlhf.ranking", ranked_loss)
    assert examine("rlhf.ranking", one_by_one)


def test_not_reading_at_all_is_caught():
    report = examine("rlhf.ranking", lambda score, answers: torch.tensor(0.251))
    assert not report
    assert not report.verdicts[-1].passed


def test_reading_once_only_where_readings_are_counted_is_caught():
    reads = iter(range(100))

    def forgetful(score, answers):
        if next(reads) < 5:
            return pairwise()(score, answers)
        return 0 * score(answers).sum()  # nine readings, and no loss

    report = examine("rlhf.ranking", forgetful)
    assert [verdict.passed for verdict in report.verdicts] == [True] * 5 + [False]
    assert "'loss': Expected" in report.verdicts[-1].message


# ------------------------------------------------------------ 4: degeneracy


def test_a_list_of_two_rewards_is_as_good_as_a_tuple():
    assert examine("rlhf.degeneracy", lambda *a, **k: list(two_rewards(*a, **k)))


def test_places_unexplained_agrees_with_policy_iteration():
    generator = np.random.default_rng(0)
    for _ in range(20):
        mdp = random_mdp(6, 3, generator=generator)
        *_, (policy, _) = policy_iteration(mdp, gamma=0.9)
        expert = policy.argmax(axis=1)
        assert places_unexplained(mdp, mdp.reward, expert, 0.9) == 0
        other = (expert + 1) % 3
        assert places_unexplained(mdp, mdp.reward, other, 0.9) > 0


def test_shaping_explains_the_same_expert_and_differs():
    mdp = Gridworld("house").mdp
    expert = np.random.default_rng(1).integers(4, size=mdp.state_count)
    first = -deviates(mdp, expert)
    potential = np.random.default_rng(2).normal(size=mdp.state_count)
    second = shaped(replace(mdp, reward=first), potential, gamma=0.95).reward
    assert places_unexplained(mdp, second, expert, 0.95) == 0
    assert differ(mdp, first, second)


def test_paying_for_imitation_makes_the_expert_dawdle():
    mdp = without_reward(random_walk(3))
    right = np.ones(5, dtype=int)
    bonus = np.where(mdp.terminal[:, None], 0.0, 1 - deviates(mdp, right))
    assert places_unexplained(mdp, bonus, right, 0.9) > 0


def test_scale_and_shift_are_no_difference_and_huge_rewards_do_no_harm():
    mdp = without_reward(random_walk(3))
    right = np.ones(5, dtype=int)
    first = -deviates(mdp, right)
    shifted = np.where(mdp.terminal[:, None], 0.0, 3 * first + 2)
    assert not differ(mdp, first, shifted)
    assert differ(mdp, first, first * np.arange(1, 6)[:, None])
    assert places_unexplained(mdp, 1e12 * first, right, 0.9) == 0


def test_a_reward_on_the_ends_is_refused_in_a_sentence():
    def pays_the_dead(mdp, expert, *, gamma):
        return np.ones_like(mdp.reward), np.ones_like(mdp.reward)

    said = repr(examine("rlhf.degeneracy", pays_the_dead))
    assert "terminal state left end must stay and pay nothing" in said


# ------------------------------------------------------------ 5: best of n


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_the_chosen_answer_by_counting_all_draws(n):
    generator = torch.Generator().manual_seed(n)
    p = torch.rand(4, generator=generator, dtype=torch.float64)
    p, scores = p / p.sum(), torch.tensor([1.0, 0.0, 1.0, 2.0])
    counted = torch.zeros(4, dtype=torch.float64)
    for draws in product(range(4), repeat=n):
        winner = max(draws, key=lambda i: scores[i])  # the first of the best
        counted[winner] += math.prod(p[i] for i in draws)
    torch.testing.assert_close(chosen(p, scores, n), counted)


def test_the_bound_holds_and_is_reached_by_many_answers():
    scores = torch.arange(2000.0)
    p = torch.full((2000,), 1 / 2000, dtype=torch.float64)
    for n in (2, 4, 16):
        found = best_of_n_kl(p, scores, n)
        assert found <= kl_bound(n)
        assert found == pytest.approx(kl_bound(n), abs=1e-3)
    assert best_of_n_kl(torch.full((4,), 0.25), torch.arange(4.0), 16) < kl_bound(16) / 1.3


def test_counting_draws_passes_the_check():
    def counting(probabilities, scores, n):
        p = probabilities.double()
        q = torch.zeros_like(p)
        for draws in product(range(len(p)), repeat=n):
            q[max(draws, key=lambda i: scores[i])] += math.prod(p[i] for i in draws)
        return torch.where(q > 0, q * (q / p).log(), 0.0).sum()

    assert examine("rlhf.best_of_n", counting)
