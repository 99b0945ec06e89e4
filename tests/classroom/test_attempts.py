"""Whatever a reader's function does, the check answers with a sentence and never raises."""

import sys

import pytest
import torch

from anatomy.classroom import check
from anatomy.classroom.attempt import same_answer, what_differs
from anatomy.estimators import gae
from anatomy.models.bert import mask_tokens


def changed(change):
    """The right answer, changed at the end."""

    def function(*args, **kwargs):
        return change(gae(*args, **kwargs))

    return function


def nan_at_one_place(answer):
    answer[0, -1] = float("nan")
    return answer


def endless(*args, **kwargs):
    return endless(*args, **kwargs)


def raising(*args, **kwargs):
    raise ValueError("my own trouble")


def leaving(*args, **kwargs):
    sys.exit("bye")


def in_place(rewards, *args, **kwargs):
    answer = gae(rewards, *args, **kwargs)
    rewards += 1
    return answer


def in_place_by_name(tokens, *, keep, **others):
    answer = mask_tokens(tokens, keep=keep.clone(), **others)
    keep.zero_()
    return answer


def too_few_arguments(rewards, values):
    return rewards


class LyingTensor(torch.Tensor):
    def __eq__(self, other):
        return torch.ones(self.shape, dtype=torch.bool)


SAYINGS = {
    "no return": (changed(lambda a: None), "returns None: is a `return` missing?"),
    "a list": (changed(lambda a: a.tolist()), "should return a tensor, not a list"),
    "an array": (changed(lambda a: a.numpy()), "not a ndarray"),
    "another shape": (changed(lambda a: a[0]), "Expected the shape (1, 1), got (1,)"),
    "a mean": (changed(lambda a: a.mean()), "Expected the shape (1, 1), got ()"),
    "double precision": (changed(lambda a: a.double()), "Expected the dtype torch.float32"),
    "integers": (changed(lambda a: a.long()), "got torch.int64"),
    "NaN": (changed(nan_at_one_place), "NaN at [0, 0], expected 2.3"),
    "a number off": (changed(lambda a: a + 1), "Expected [[2.3]], got [[3.3]]"),
    "a lying subclass": (changed(lambda a: (0 * a).as_subclass(LyingTensor)), "not a LyingTensor"),
    "unreadable": (changed(lambda a: a.to("meta")), "It raises"),
    "endless recursion": (endless, "calls itself without end"),
    "an exception": (
        raising,
        'It raises ValueError in the line `raise ValueError("my own trouble")`',
    ),
    "exit": (leaving, "It raises SystemExit"),
    "in place": (in_place, "changes its inputs in place"),
    "wrong signature": (too_few_arguments, "It raises TypeError"),
    "no function": (3, "should be a function, but it is a int"),
}


@pytest.mark.parametrize(("function", "saying"), SAYINGS.values(), ids=SAYINGS)
def test_every_kind_of_trouble_has_its_sentence(function, saying):
    report = check("ppo.gae", function)
    assert not report
    assert report.written
    assert report.points == 0
    assert saying in repr(report.verdicts[0].message).replace("\\'", "'")


def test_what_is_handed_over_by_name_must_not_change_either():
    report = check("lm.hiding", in_place_by_name)
    assert not report
    assert "changes its inputs in place" in report.verdicts[0].message
    assert check("lm.hiding", mask_tokens)  # which moves the generator on, as it should


def test_torchs_own_not_implemented_error_is_not_mistaken_for_a_stub():
    def function(*args, **kwargs):
        raise NotImplementedError("'min' is not implemented for 'Bool'")

    report = check("ppo.gae", function)
    assert report.written
    assert "NotImplementedError" in repr(report)


def test_an_interruption_is_the_readers_and_passes_through():
    def function(*args, **kwargs):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check("ppo.gae", function)


def test_the_gradient_case_survives_what_is_not_a_tensor_or_has_no_gradient():
    for function in (lambda *a, **k: 1.0, lambda *a, **k: torch.zeros(2, 3), lambda *a, **k: None):
        report = check("ppo.clip", function)
        assert not report
        assert not report.verdicts[1].passed


def test_a_large_tensor_is_summed_up_and_a_small_one_shown():
    expected = torch.zeros(4, 5)
    got = expected.clone()
    got[2, 3] = 1.0
    assert what_differs(got, expected) == ("1 of 20 elements differ; at [2, 3] expected 0, got 1.")
    assert what_differs(torch.ones(1, 2), torch.zeros(1, 2)) == "Expected [[0, 0]], got [[1, 1]]."


def test_numbers_and_dictionaries_are_compared_by_kind_and_value():
    assert what_differs(2, 2.0) == ""
    assert "not a Tensor of shape ()" in what_differs(torch.tensor(2.0), 2.0)
    assert "not a bool" in what_differs(True, 1)
    assert "Expected 2, got nan" in what_differs(float("nan"), 2.0)
    assert what_differs({"a": 1.0}, {"a": 1.0}) == ""
    assert "keys ['a']" in what_differs({"b": 1.0}, {"a": 1.0})
    assert "'a': Expected 1, got 3." in what_differs({"a": 3.0}, {"a": 1.0})
    assert "not a list" in what_differs([1.0], {"a": 1.0})


def test_rounding_passes_and_a_thousandth_does_not():
    assert what_differs(torch.tensor([1.00001]), torch.tensor([1.0])) == ""
    assert what_differs(torch.tensor([1.001]), torch.tensor([1.0])) != ""


def test_answers_are_the_same_only_in_kind_shape_and_value():
    one = torch.tensor([1.0, float("nan")])
    assert same_answer(one, one.clone())
    assert not same_answer(one, torch.tensor([1.0, 2.0]))
    assert not same_answer(one, one[None])
    assert not same_answer(torch.ones(2), torch.ones(2, dtype=torch.int64))
    assert not same_answer(1, None)
    assert same_answer({"a": 1.0}, {"a": 1.0})
    assert not same_answer({"a": 1.0}, {"b": 1.0})


class Silent(Exception):
    def __str__(self) -> str:
        raise RuntimeError("not even this")


def _raise_silent(*_: object, **__: object) -> None:
    raise Silent


@pytest.mark.parametrize(
    ("exercise", "wrong"),
    [
        ("ppo.ratios", lambda new, old, mask, **_: {"outside": new, "lowest": old, "highest": new}),
        ("ppo.ratios", lambda *_, **__: {"outside": None, "lowest": "a", "highest": [1]}),
        ("ppo.exponent", lambda T, t: 10**400),
        ("ppo.exponent", _raise_silent),
    ],
)
def test_an_answer_of_a_strange_kind_is_wrong_and_no_crash(exercise, wrong) -> None:
    assert not check(exercise, wrong)
