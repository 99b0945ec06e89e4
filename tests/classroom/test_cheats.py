"""What a check in the same process can still refuse, and what it cannot (said in the docstring)."""

import math

import pytest
import torch

import anatomy.classroom
from anatomy.classroom import check
from anatomy.estimators import gae


def zeros(rewards, *args, **kwargs):
    return torch.zeros_like(rewards)


class EqualToEverything:
    shape, dtype = (1, 1), torch.float32

    def __eq__(self, other):
        return True

    def __hash__(self):
        return 0

    def tolist(self):
        return [[2.3]]


class EqualFloat(float):
    def __eq__(self, other):
        return True

    __hash__ = float.__hash__


def test_replacing_torchs_comparisons_does_not_help(monkeypatch):
    for name in ("allclose", "equal", "isclose", "eq"):
        monkeypatch.setattr(torch, name, lambda *args, **kwargs: True)
    monkeypatch.setattr(torch.testing, "assert_close", lambda *args, **kwargs: None)
    monkeypatch.setattr(torch.Tensor, "__eq__", lambda *args: True)
    assert not check("ppo.gae", zeros)


def test_objects_that_claim_to_be_equal_do_not_pass():
    assert not check("ppo.gae", lambda *args, **kwargs: EqualToEverything())
    assert not check("ppo.kl_controller", lambda *args, **kwargs: EqualFloat(7.0))


def test_writing_into_the_inputs_does_not_change_what_is_expected():
    def poisoning(rewards, values, last_values, terminated, truncated, **constants):
        for tensor in (rewards, values, last_values):
            tensor.zero_()
        return torch.zeros_like(rewards)

    report = check("ppo.gae", poisoning)
    assert not any(verdict.passed for verdict in report.verdicts)
    assert check("ppo.gae", gae), "the cases must be fresh for the next answer"


def test_a_table_of_the_known_answers_fails_for_another_seed():
    table = {}

    def recording(*args, **kwargs):
        table[repr(args) + repr(kwargs)] = gae(*args, **kwargs)
        return table[repr(args) + repr(kwargs)]

    check("ppo.gae", recording)

    def recalling(*args, **kwargs):
        return table.get(repr(args) + repr(kwargs), torch.zeros_like(args[0]))

    assert check("ppo.gae", recalling)
    assert not check("ppo.gae", recalling, seed=1)


def test_the_readers_prints_and_builtins_do_not_disturb(monkeypatch, capsys):
    def noisy(*args, **kwargs):
        print("looking at", len(args))
        return gae(*args, **kwargs)

    assert check("ppo.gae", noisy)
    assert "looking at 5" in capsys.readouterr().out


def test_what_cannot_be_prevented_is_said():
    # These pass, and no check in the same process can stop them.
    assert check("ppo.gae", gae)  # the package's own function, handed back
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(math, "isclose", lambda *args, **kwargs: True)
        assert check("ppo.gae", zeros)  # the comparison, replaced
    assert "secures no grade" in " ".join(anatomy.classroom.__doc__.split())
