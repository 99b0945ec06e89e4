"""Chapter 6's exercises: answers by hand, and strange answers."""

from __future__ import annotations

import math

import pytest
import torch

from anatomy.classroom import chapter_06, check
from anatomy.classroom.chapter_06.agreement import kappa
from anatomy.classroom.chapter_06.card_check import MADE_UP
from anatomy.classroom.chapter_06.claims import Run, claim, recovered, smallest, swept
from anatomy.classroom.chapter_06.leakage import leaks
from anatomy.classroom.chapter_06.model_card import MODEL_CARD, TEXTS, card_with
from anatomy.classroom.chapter_06.pretraining_mix import ptx_loss
from anatomy.classroom.chapter_06.wilson import wilson
from anatomy.classroom.chapter_06.win_rate import by_prompt, synthetic_raters
from anatomy.rlhf.evaluation import cohen_kappa, wilson_interval, win_rate
from anatomy.tinyweb import World

EXERCISES = {exercise.id: exercise for exercise in chapter_06.EXERCISES}


def test_six_exercises_worth_20_points():
    assert list(EXERCISES) == [
        "instruct.ptx",
        "instruct.wilson",
        "instruct.win_rate",  # the second part of the second
        "instruct.kappa",
        "instruct.leakage",
        "instruct.claim",
        "instruct.model_card",
    ]
    assert sum(exercise.points for exercise in chapter_06.EXERCISES) == 20


# ------------------------------------------------------------------- the references


def test_ptx_loss_by_hand_and_its_gradient():
    logits = torch.zeros(1, 3, 2, requires_grad=True)
    loss = ptx_loss(logits, torch.tensor([[0, 1, 1]]), ptx_coef=2.0)
    assert loss.item() == pytest.approx(2 * math.log(2))
    loss.backward()
    # κ · (softmax − one-hot) / n at the two positions that predict, 0 at the last
    expected = torch.tensor([[[0.5, -0.5], [0.5, -0.5], [0.0, 0.0]]])
    torch.testing.assert_close(logits.grad, expected)


@pytest.mark.parametrize(("wins", "total"), [(7, 10), (0, 5), (5, 5), (34.5, 60)])
def test_wilson_is_the_packages_and_the_root_of_its_equation(wins, total):
    found = wilson(wins, total)
    theirs = wilson_interval(wins, total)
    assert found["low"] == pytest.approx(theirs.low, abs=1e-6)
    assert found["high"] == pytest.approx(theirs.high, abs=1e-6)
    for p in found.values():  # |p̂ − p| = z √(p(1−p)/n)
        assert abs(wins / total - p) == pytest.approx(
            1.959964 * math.sqrt(max(0.0, p * (1 - p)) / total), abs=1e-6
        )


def test_win_rate_is_the_packages_and_prompts_are_the_unit():
    generator = torch.Generator().manual_seed(0)
    mine, theirs = torch.randint(-2, 3, (2, 30, 4), generator=generator) / 2
    assert by_prompt(mine, theirs)["rate"] == pytest.approx(win_rate(mine, theirs))
    once = by_prompt(mine, theirs)
    copied = by_prompt(mine.repeat(1, 9), theirs.repeat(1, 9))
    assert copied == pytest.approx(once)  # the same answers nine times say nothing new


def test_synthetic_raters_share_the_difficulty_of_a_prompt():
    mine, theirs = synthetic_raters(torch.Generator().manual_seed(1)).args
    rates = (mine > theirs).float().mean(2)
    assert rates.mean().item() == pytest.approx(0.5, abs=0.02)
    assert rates.var().item() > 2 * 0.25 / mine.shape[2]  # independent answers would give 0.25/M


def test_kappa_is_the_packages():
    generator = torch.Generator().manual_seed(2)
    first, second = torch.randint(3, (2, 50), generator=generator)
    found = kappa(first, second, categories=3)["kappa"]
    assert found == pytest.approx(cohen_kappa(first.tolist(), second.tolist()), abs=1e-6)


def test_tinywebs_splits_leak_nothing():
    world = World(0)
    sets = {}
    for split in ("train", "test"):
        tasks = world.tasks(split, seed=5)
        sets[split] = [next(tasks) for _ in range(400)]
    assert set(leaks(sets["train"], sets["test"]).values()) == {0.0}
    half = leaks(sets["train"][:200], sets["train"][200:])
    assert half["users"] > 0.5


def test_claim_by_hand():
    base = {0: 0.9, 1: 0.95}
    runs = [Run(0, 0.04, 0, 1.0), Run(0, 0.04, 1, 1.15)]
    runs += [Run(1, 0.04, 0, 0.905), Run(1, 0.04, 1, 1.0)]  # 95 % and 75 %
    runs += [Run(0, 2, 0, 0.9), Run(0, 2, 1, 0.95)]
    assert claim(runs, base) == {"kappa": math.inf, "beta": 2}


def claim_above(share):
    """The claim with another threshold."""

    def function(sweep, base):
        plain = {r.seed: r.web_loss for r in sweep if (r.ptx_coef, r.kl_coef) == (0, 0.04)}

        def holds(runs):
            lost = [(plain[r.seed] - r.web_loss, plain[r.seed] - base[r.seed]) for r in runs]
            return all(back / tax >= share for back, tax in lost)

        return {
            "kappa": smallest(swept(sweep, kappa=True), holds),
            "beta": smallest(swept(sweep, kappa=False), holds),
        }

    return function


def from_above(sweep, base):
    """Goes down from the largest value as long as it recovers; assumes that more is better."""
    found = {}
    for name, over_kappa in (("kappa", True), ("beta", False)):
        found[name] = math.inf
        for value, runs in reversed(swept(sweep, kappa=over_kappa)):
            if not all(recovered(run, sweep, base) >= 0.9 for run in runs):
                break
            found[name] = value
    return found


@pytest.mark.parametrize(
    "wrong", [claim_above(0.85), claim_above(0.92), from_above], ids=["85 %", "92 %", "from above"]
)
def test_a_claim_with_another_threshold_or_order_is_wrong(wrong):
    assert check("instruct.claim", claim_above(0.9))
    assert not check("instruct.claim", wrong)


def test_an_interval_that_says_nothing_is_wrong_for_every_number_of_comparisons():
    def lazy(wins, total):
        return wilson(wins, total) if total not in (20, 40) else {"low": 0.0, "high": 1.0}

    assert not check("instruct.wilson", lazy)


def test_nearly_equal_scores_are_no_tie():
    def nearly(mine, theirs):
        return by_prompt((mine / 0.01).round(), (theirs / 0.01).round())

    assert not check("instruct.win_rate", nearly)


# ------------------------------------------------------------------- the model card


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("wrong", MODEL_CARD.wrong_answers, ids=lambda w: w.mistake[:40])
def test_a_listed_wrong_card_fails_and_is_named(wrong, seed):
    report = check("instruct.model_card", wrong.function, seed=seed)
    assert not report
    assert report.points == 0
    assert report.diagnosis == wrong.mistake
    assert all(v.message for v in report.verdicts if not v.passed)


@pytest.mark.parametrize(
    ("card", "said"),
    [
        (42, "This should be a function, but it is a int."),
        (lambda measured: None, "It should return a text, not a NoneType."),
        (lambda measured: ["# card"], "It should return a text, not a list."),
        (lambda: "", "It raises TypeError"),
        (lambda measured: measured["nothing"], "It raises KeyError"),
        (lambda measured: str(measured.clear()), "It changes its inputs in place"),
        (lambda measured: "", "There is no line `## Model`."),
    ],
)
def test_a_strange_card_is_refused_in_a_sentence(card, said):
    report = check("instruct.model_card", card)
    assert not report
    assert report.written
    assert said in repr(report)


def test_a_number_nobody_measured_is_found():
    def generous(measured):
        return card_with()(measured) + "\n\nIt wins 0.99 of all comparisons."

    assert "nothing measured is 0.99" in repr(check("instruct.model_card", generous))


@pytest.mark.parametrize(
    "typed", ["It is .99 right.", "It is 0,97 right.", "It wins 97 %.", "9.7e-1", "97e-2"]
)
def test_numbers_typed_in_another_way_are_found(typed):
    def generous(measured):
        return card_with()(measured) + "\n\n" + typed

    report = check("instruct.model_card", generous)
    assert not report
    assert "The card says" in repr(report)


def test_thousands_are_no_decimals_and_a_repeated_word_is_no_text():
    def with_thousands(measured):
        return card_with()(measured) + "\n\nPeople wrote 4,000 demonstrations."

    def babble(measured):
        return card_with(texts=TEXTS | {"Not for": "bla " * 12})(measured)

    assert check("instruct.model_card", with_thousands)
    assert "1 different words" in repr(check("instruct.model_card", babble))


def test_another_wording_of_the_card_passes():
    def table_of_numbers(measured):
        def row(name, summary):
            return "| {} | {} | {}–{} |".format(
                name, *(f"{summary[key]:.2f}" for key in ("mean", "low", "high"))
            )

        return card_with(row)(measured)

    assert check("instruct.model_card", table_of_numbers)
    assert len(MADE_UP) == 3


# ------------------------------------------------------------------- strange answers


@pytest.mark.parametrize("exercise", [e for e in EXERCISES if e != "instruct.model_card"])
@pytest.mark.parametrize(
    "answer",
    [lambda *a, **k: None, lambda *a, **k: "0.7", lambda *a, **k: {}, lambda: 1, 3.0],
    ids=["None", "text", "empty dict", "no arguments", "number"],
)
def test_strange_answers_are_wrong_and_no_crash(exercise, answer):
    report = check(exercise, answer)
    assert not report
    assert report.written
    for verdict in report.verdicts:
        if not verdict.passed:
            said, *hint = verdict.message.splitlines()
            no_answer = ("It raises", "It returns None", "This should be a function")
            assert len(hint) == (0 if said.startswith(no_answer) else 1)
