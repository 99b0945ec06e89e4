"""What a check in the same process can still refuse, and what it cannot (said in the docstring)."""

import math
import re

import numpy as np
import pytest
import torch

import anatomy.classroom
from anatomy.classroom import EXERCISES, check
from anatomy.classroom.chapter_03.degeneracy import two_rewards
from anatomy.estimators import gae
from anatomy.models.bert import mask_tokens


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


def test_a_table_of_five_exponents_and_three_arms_written_out_do_not_pass():
    five = {(5, 4): 0, (5, 3): 1, (5, 1): 3, (128, 0): 127, (12, 7): 4}
    assert not check("ppo.exponent", lambda T, t: five.get((T, t), 0))

    def three_arms(logits, actions, rewards):
        chosen = torch.stack([actions == 0, actions == 1, actions == 2], 1).float()
        return (chosen - logits.softmax(0)[:3]) * rewards[:, None]

    assert not check("pg.score", three_arms)


def test_a_reward_with_a_little_noise_is_no_second_reward():
    def noisy(mdp, expert, *, gamma):
        first, _ = two_rewards(mdp, expert, gamma=gamma)
        rng = np.random.default_rng(0)
        return first, first * rng.uniform(0.999, 1.001, size=first.shape)

    assert not check("rlhf.degeneracy", noisy)


def test_a_card_of_single_letters_says_nothing():
    reference = EXERCISES["instruct.model_card"].reference

    def letters(measured):
        card = reference(measured)
        return re.sub(r"(## Not for\n)[^#]*", r"\1\na b c d e f g h i j k l m\n\n", card)

    assert check("instruct.model_card", reference)
    report = check("instruct.model_card", letters)
    failed = [verdict.case for verdict in report.verdicts if not verdict.passed]
    assert failed == ["the field Not for"]


def test_masks_that_ignore_or_misuse_the_generator_do_not_pass():
    def shared(tokens, *, generator, **rest):  # whatever it is given, as from a global seed
        return mask_tokens(tokens, generator=shared.generator, **rest)

    shared.generator = torch.Generator().manual_seed(0)
    report = check("lm.hiding", shared)
    assert not report
    assert "the same generator state" in report.verdicts[0].message

    def always_the_same_word(tokens, *, generator, **rest):
        read, targets = mask_tokens(tokens, generator=generator, **rest)
        strange = (read != tokens) & (read != rest["mask_token"])
        return torch.where(strange, 17, read), targets

    report = check("lm.hiding", always_the_same_word)
    assert not report
    assert "whole vocabulary" in report.verdicts[0].message


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
