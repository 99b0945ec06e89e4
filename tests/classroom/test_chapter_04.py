"""Chapter 4's exercises: hand-computed answers, other right answers, and five silent bugs."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from anatomy.classroom import chapter_04, check
from anatomy.classroom.chapter_04.claims import by_difference, claims, sign_of
from anatomy.classroom.chapter_04.diagnosis import DIAGNOSIS, disguised, reference_diagnosis
from anatomy.classroom.chapter_04.learners import BUGS, RIGHT
from anatomy.classroom.chapter_04.replay import one_by_one
from anatomy.classroom.chapter_04.score import exact_gradient, score_gradient

LAB = "pg.diagnosis"


def test_six_exercises_worth_20_points():
    assert [exercise.id for exercise in chapter_04.EXERCISES] == [
        "pg.q_target",
        "pg.ring",
        "pg.draw",  # the second part of the second
        "pg.claims",
        "pg.exact",
        "pg.score",  # the second part of the fourth
        "pg.baseline",
        "pg.diagnosis",
    ]
    assert sum(exercise.points for exercise in chapter_04.EXERCISES) == 20


def test_other_right_answers_pass():
    def loops(rewards, next_values, terminated, truncated, *, gamma, chooser=None):
        targets = []
        with torch.no_grad():
            for i, reward in enumerate(rewards):
                row = next_values[i] if chooser is None else chooser[i]
                future = 0.0 if terminated[i] else next_values[i, int(row.argmax())]
                targets.append(reward + gamma * future)
            return torch.stack(targets)

    def by_numbers(count, capacity, size, *, generator):
        filled = min(count, capacity)
        return (torch.rand(size, generator=generator) * filled).long()

    def by_autograd(logits, actions, rewards):
        def gains(theta):
            return theta.log_softmax(0)[actions] * rewards

        return torch.autograd.functional.jacobian(gains, logits)

    for seed in range(3):
        assert check("pg.q_target", loops, seed=seed)
        assert check("pg.ring", one_by_one, seed=seed)
        assert check("pg.draw", by_numbers, seed=seed)
        assert check("pg.score", by_autograd, seed=seed)


def seeded_anew(count, capacity, size, *, generator):
    torch.manual_seed(generator.initial_seed())
    return torch.randint(min(count, capacity), (size,))


def fixed_seed(count, capacity, size, *, generator):
    own = torch.Generator().manual_seed(3)
    return torch.randint(min(count, capacity), (size,), generator=own)


def shuffled(count, capacity, size, *, generator):
    return torch.randperm(size, generator=generator) % min(count, capacity)


@pytest.mark.parametrize("draw", [seeded_anew, fixed_seed, shuffled])
def test_drawing_the_same_batch_each_time_or_without_replacement_fails(draw):
    for seed in range(3):
        assert not check("pg.draw", draw, seed=seed)


def test_a_ring_that_keeps_its_own_count_fails():
    places = {"next": 0}

    def remembering(memory, count, rows):
        places["next"] = places["next"] if count else 0
        for row in rows:
            memory[places["next"] % len(memory)] = row
            places["next"] += 1
        return places["next"]

    assert not check("pg.ring", remembering)


def test_detaching_the_plain_target_alone_is_noticed():
    def half(rewards, next_values, terminated, truncated, *, gamma, chooser=None):
        best = (next_values if chooser is None else chooser).argmax(dim=1, keepdim=True)
        future = next_values.gather(1, best).squeeze(1)
        target = rewards + gamma * torch.where(terminated, 0.0, future)
        return target if chooser is not None else target.detach()

    report = check("pg.q_target", half)
    assert not report
    assert "through the double target" in repr(report)


INTERVALS = {  # how many standard errors, and the ddof of the spread
    "a normal one": (lambda n: 1.96, 1),
    "one of 90 %": (lambda n: stats.t.ppf(0.95, n - 1), 1),
    "one of 99 %": (lambda n: stats.t.ppf(0.995, n - 1), 1),
    "a degree of freedom too many": (lambda n: stats.t.ppf(0.975, n), 1),
    "the spread divided by n": (lambda n: stats.t.ppf(0.975, n - 1), 0),
}


@pytest.mark.parametrize("name", INTERVALS)
def test_another_interval_than_the_95_percent_t_interval_is_noticed(name):
    errors, ddof = INTERVALS[name]

    def judge(differences):
        mean, count = differences.mean(), len(differences)
        half = errors(count) * differences.std(ddof=ddof) / np.sqrt(count)
        return int(mean > half) - int(mean < -half)

    for seed in range(3):
        assert check("pg.claims", by_difference(sign_of), seed=seed)
        assert not check("pg.claims", by_difference(judge), seed=seed)


def test_the_exact_gradient_is_autograds():
    logits = torch.tensor([0.3, -1.0, 2.0], requires_grad=True)
    rewards = torch.tensor([1.0, 5.0, -2.0])
    (found,) = torch.autograd.grad((logits.softmax(0) * rewards).sum(), logits)
    torch.testing.assert_close(exact_gradient(logits.detach(), rewards), found)


def test_the_estimates_mean_is_the_exact_gradient_within_four_standard_errors():
    generator = torch.Generator().manual_seed(0)
    logits, rewards = torch.tensor([0.2, 0.0, -0.5]), torch.tensor([4.0, 8.0, 0.0])
    arms = torch.multinomial(logits.softmax(0), 20_000, True, generator=generator)
    estimates = score_gradient(logits, arms, rewards[arms])
    error = estimates.std(0) / len(estimates) ** 0.5
    assert ((estimates.mean(0) - exact_gradient(logits, rewards)).abs() < 4 * error).all()


def test_a_claim_needs_an_interval_that_excludes_zero():
    zeros = np.zeros(4)
    sure, unsure = np.array([1.0, 1.1, 0.9, 1.0]), np.array([3.0, -2.0, 4.0, -1.0])
    # with both = replay and target = neither, the replay effect is their difference
    assert claims(sure, sure, zeros, zeros) == {"replay": 1, "target": 0, "together": 0}
    assert claims(unsure, unsure, zeros, zeros)["replay"] == 0
    assert claims(-sure, zeros, -sure, zeros)["target"] == -1


def test_the_right_learner_by_hand():
    """Two steps, an end behind the second; γ = ½, so G = (1 + ½ · 2, 2) = (2, 2)."""
    logits, values = torch.zeros(2, 2), torch.tensor([1.0, 3.0])
    record = (torch.tensor([0, 1]), torch.tensor([1.0, 2.0]), torch.tensor([False, True]))
    d_logits, d_values = RIGHT.learner(logits, values, *record, gamma=0.5)
    # Â = (1, −1): the first action is praised, the second avoided; mean over two steps
    torch.testing.assert_close(d_logits, torch.tensor([[-0.25, 0.25], [-0.25, 0.25]]))
    torch.testing.assert_close(d_values, torch.tensor([-0.5, 0.5]))


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_each_bug_runs_keeps_the_shapes_and_gives_another_answer(bug):
    generator = torch.Generator().manual_seed(3)
    logits, values = torch.randn(6, 3, generator=generator), torch.randn(6, generator=generator)
    actions = torch.randint(3, (6,), generator=generator)
    rewards = torch.randn(6, generator=generator)
    ends = torch.tensor([False, False, True, False, False, True])
    right = RIGHT.learner(logits, values, actions, rewards, ends, gamma=0.9)
    wrong = bug.learner(logits, values, actions, rewards, ends, gamma=0.9)
    assert [x.shape for x in wrong] == [x.shape for x in right]
    assert all(torch.isfinite(x).all() for x in wrong)
    assert not all(torch.allclose(a, b, atol=1e-4) for a, b in zip(right, wrong, strict=True))


@pytest.mark.parametrize("bug", [RIGHT, *BUGS], ids=lambda bug: bug.name)
def test_the_reference_names_each_learner(bug):
    assert reference_diagnosis(disguised(bug.learner)) == bug.name


def test_calling_everything_healthy_finds_nothing():
    report = check(LAB, lambda learner: "none")
    assert not report
    assert report.points == 0
    assert "It was called `none`." in repr(report)
    for bug in BUGS:
        assert bug.explanation not in repr(report)


def test_calling_everything_sick_finds_nothing_either():
    report = check(LAB, lambda learner: "leak")
    assert report.points == 0
    assert "no diagnosis is counted" in repr(report)


def test_a_few_diagnoses_earn_their_points_and_only_they_are_explained():
    def two_of_five(learner):
        found = reference_diagnosis(learner)
        return found if found in ("attached", "late") else "none"

    report = check(LAB, two_of_five)
    assert not report
    assert report.points == 2
    explained = {bug.name for bug in BUGS if bug.explanation in repr(report)}
    assert explained == {"attached", "late"}


def test_counting_calls_or_rolling_dice_scores_nothing():
    names, calls = DIAGNOSIS.names, []

    def in_order(learner):
        calls.append(learner)
        return names[len(calls) % len(names)]

    dice = np.random.default_rng(0)
    for seed in range(5):
        assert check(LAB, in_order, seed=seed).points == 0
        assert check(LAB, lambda learner: names[dice.integers(6)], seed=seed).points == 0


SAYINGS = {
    "nothing": (lambda learner: None, "returns None: is a `return` missing"),
    "a number": (lambda learner: 3, "returns a int"),
    "another word": (lambda learner: "broken", "returns 'broken'. The names are: none, leak"),
    "an exception": (lambda learner: learner(), "It raises TypeError"),
    "no function": ("leak", "it is a str"),
}


@pytest.mark.parametrize(("answer", "saying"), SAYINGS.values(), ids=SAYINGS)
def test_a_strange_diagnosis_gets_one_clear_sentence(answer, saying):
    report = check(LAB, answer)
    assert report.points == 0
    assert report.written
    assert len(report.verdicts) == 1
    assert saying in report.verdicts[0].message


STRANGE = {
    "pg.ring": (lambda memory, count, rows: None, "returns None"),
    "pg.draw": (lambda count, capacity, size, *, generator: [0] * size, "not a list"),
    "pg.claims": (lambda *cells: "replay helps", "should return a dict, not a str"),
    "pg.score": (lambda logits, actions, rewards: logits, "Expected the shape (1, 3), got (3,)"),
    "pg.baseline": (lambda scores, returns: 19.0, "should return a tensor, not a float"),
}


@pytest.mark.parametrize("exercise", STRANGE)
def test_a_strange_answer_gets_its_sentence(exercise):
    answer, saying = STRANGE[exercise]
    report = check(exercise, answer)
    assert not report
    assert saying in repr(report)
