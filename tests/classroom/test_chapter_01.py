"""Chapter 1's exercises: hand-computed answers, and answers made for the cases."""

from __future__ import annotations

import pytest
import torch

from anatomy.classroom import chapter_01, check
from anatomy.classroom.chapter_01.cache import cached_attention
from anatomy.classroom.chapter_01.hiding import chi_square
from anatomy.classroom.chapter_01.sight import visible
from anatomy.models.gpt import GPT, GPTConfig

EXERCISES = {exercise.id: exercise for exercise in chapter_01.EXERCISES}


def test_six_exercises_worth_20_points():
    assert list(EXERCISES) == [
        "lm.sight",
        "lm.hiding",
        "lm.cross_entropy",
        "lm.sampler",
        "lm.bits",
        "lm.kv_cache",
    ]
    assert sum(exercise.points for exercise in chapter_01.EXERCISES) == 20


def test_chi_square_by_hand():
    assert chi_square([12, 8], [0.5, 0.5]) == pytest.approx(0.4 + 0.4)


def test_the_mask_of_the_exercise_is_the_models_own():
    model = GPT(GPTConfig(7, context=5, width=8, layers=1, heads=2))
    real = torch.tensor([[False, False, True, True, True], [True] * 5])
    built_in = model._visible(5, 0, real, torch.device("cpu"))
    assert torch.equal(visible(real, causal=True), built_in.squeeze(1))


def test_the_cache_of_the_exercise_remembers_in_order():
    q = k = torch.zeros(1, 1, 1, 2)
    past = torch.tensor([[[[1.0, 0.0], [2.0, 0.0]]]])
    v = torch.tensor([[[[6.0, 3.0]]]])
    y, keys, values = cached_attention(q, k, v, torch.zeros_like(past), past)
    assert y.tolist() == [[[[3.0, 1.0]]]]
    assert keys.shape == (1, 1, 3, 2)
    assert values[0, 0].tolist() == [[1.0, 0.0], [2.0, 0.0], [6.0, 3.0]]


def test_a_single_draw_for_choice_and_fate_is_caught():
    """Not among the listed mistakes, and it fails: the fate depends on the choice."""

    def one_draw(tokens, *, mask_token, vocabulary, generator, keep):
        draw = torch.rand(tokens.shape, generator=generator)
        other = torch.randint(vocabulary, tokens.shape, generator=generator)
        chosen = (draw < 0.15) & ~keep
        read = torch.where(chosen & (draw < 0.8), mask_token, tokens)
        read = torch.where(chosen & (draw >= 0.9), other, read)
        return read, tokens.masked_fill(~chosen, -100)

    assert not check("lm.hiding", one_draw)


def test_another_right_answer_passes():
    """The χ² test does not depend on how random numbers are used."""

    def shuffled(tokens, *, mask_token, vocabulary, generator, keep):
        chosen = torch.empty(tokens.shape).bernoulli_(0.15, generator=generator).bool() & ~keep
        fate = torch.randint(10, tokens.shape, generator=generator)
        other = torch.randint(vocabulary, tokens.shape, generator=generator)
        read = torch.where(chosen & (fate >= 2), mask_token, tokens)
        read = torch.where(chosen & (fate == 0), other, read)
        return read, tokens.masked_fill(~chosen, -100)

    for seed in range(5):
        assert check("lm.hiding", shuffled, seed=seed)
