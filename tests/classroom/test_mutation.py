"""The mutation lab: good tests kill, empty ones do not, and rejecting everything earns nothing."""

import random

import pytest
import torch

from anatomy.classroom import check
from anatomy.classroom.mutants import MUTANTS, reference_tests
from anatomy.classroom.mutation import Implementation, run

LAB = "ppo.mutants"


def killed(report) -> int:
    return sum("killed" in verdict.case for verdict in report.verdicts)


def only_first_three(impl):
    """Kills the three mutants of gae and no other."""
    rewards, values = torch.tensor([[1.0, 0.0, 2.0]]), torch.tensor([[0.5, 1.0, 0.5]])
    never, middle = torch.zeros(1, 3, dtype=torch.bool), torch.tensor([[False, True, False]])
    found = impl.gae(rewards, values, torch.ones(1), never, middle, gamma=0.9, gae_lambda=0.5)
    torch.testing.assert_close(found, torch.tensor([[1.1525, -0.55, 2.4]]))


def shapes_only(impl):
    x, mask = torch.randn(2, 3), torch.ones(2, 3, dtype=torch.bool)
    assert impl.clipped_surrogate(x, x, x, clip_range=0.2).shape == (2, 3)
    assert impl.whiten(x, mask).shape == (2, 3)
    assert impl.masked_mean(x, mask).shape == ()


def test_there_are_twelve_mutants_and_each_says_what_it_was():
    assert len(MUTANTS) == 12
    assert len({mutant.explanation for mutant in MUTANTS}) == 12


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: f"{m.target}-{m.explanation[:30]}")
def test_the_reference_tests_kill_each_mutant_by_an_assertion(mutant):
    assert isinstance(run(reference_tests, mutant.implementation()), AssertionError)


def test_the_reference_tests_accept_the_right_implementation():
    assert run(reference_tests, Implementation()) is None


def test_empty_tests_kill_nothing():
    report = check(LAB, lambda impl: None)
    assert not report
    assert killed(report) == 0
    assert report.points == 0


def test_tests_that_look_at_shapes_kill_nothing():
    assert killed(check(LAB, shapes_only)) == 0


def test_a_few_kills_earn_a_part_and_explain_only_the_dead():
    report = check(LAB, only_first_three)
    assert not report
    assert killed(report) == 3
    assert report.points == 1  # 5 · 3/10, rounded down
    assert MUTANTS[0].explanation in repr(report)
    for mutant in MUTANTS[3:]:
        assert mutant.explanation not in repr(report)


def rejecting(impl):
    raise AssertionError("everything is wrong")


def crashing(impl):
    impl.gea()


def returning_false(impl):
    return False


def returning_true(impl):
    return True


@pytest.mark.parametrize("tests", [rejecting, crashing, returning_false, returning_true])
def test_tests_that_do_not_accept_right_code_score_nothing(tests):
    report = check(LAB, tests)
    assert not report
    assert report.points == 0
    assert killed(report) == 0
    assert "reject right code" in repr(report)


def test_returning_a_verdict_is_explained():
    assert "It returns False. A test must raise: use `assert`." in repr(check(LAB, returning_false))


def test_what_is_not_a_function_is_refused():
    assert "it is a str" in repr(check(LAB, "tests"))


def test_counting_calls_instead_of_testing_scores_nothing():
    calls = []

    def after_the_first(impl):
        calls.append(impl)
        assert len(calls) == 1

    report = check(LAB, after_the_first)
    assert report.points == 0


def test_rolling_dice_scores_nothing():
    dice = random.Random(0)

    def lucky(impl):
        assert dice.random() < 0.4

    assert all(check(LAB, lucky, seed=seed).points == 0 for seed in range(5))


def test_recognising_the_packages_functions_does_not_help():
    from anatomy import estimators, losses, masking

    def by_identity(impl):
        assert impl.gae is estimators.gae
        assert impl.clipped_surrogate is losses.clipped_surrogate
        assert impl.masked_mean is masking.masked_mean

    assert check(LAB, by_identity).points == 0


def test_a_stub_inside_an_implementation_counts_as_not_written_only_when_bare():
    def stub(impl):
        raise NotImplementedError

    assert not check(LAB, stub).written
