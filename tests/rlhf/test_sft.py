"""Fine-tuning: what is learned from, where it starts, and that it goes on where it stopped."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from anatomy.models.base_model import BaseModel
from anatomy.models.packing import prompt_mask
from anatomy.models.pretraining import cross_entropy
from anatomy.reporting.checkpoints import CheckpointError, cache_file, cached, load_checkpoint
from anatomy.rlhf import sft as module
from anatomy.rlhf.answers import PAD, batch_of_texts
from anatomy.rlhf.sft import (
    SFT,
    demonstrations,
    make_optimizer,
    sft_loss,
    start_from,
    step,
    web_loss,
)


def test_demonstrations_are_the_training_splits_and_sloppy_now_and_then(world):
    shown = demonstrations(world, 400, sloppy=0.3, seed=0)
    assert {task.split for task, _ in shown} == {"train"}
    gold = [world.gold(task, answer.text).score for task, answer in shown]
    assert 0.55 < sum(g > 0.99 or g == 0.5 for g in gold) / 400 < 0.85
    assert demonstrations(world, 400, sloppy=0.0, seed=0) != shown
    assert all(
        world.gold(t, a.text).score >= 0.5 for t, a in demonstrations(world, 50, sloppy=0.0, seed=1)
    )


def test_the_loss_is_that_of_a_language_model_on_the_answers_only(model, tokenizer, small):
    texts, mask = batch_of_texts(tokenizer, *zip(*small.data()[:6], strict=True))
    prompt = prompt_mask(texts[:, : -mask.shape[1]], PAD)
    logits = model(texts, torch.cat([prompt, torch.ones_like(mask)], dim=1))
    steps = mask.shape[1]
    expected = cross_entropy(logits[:, -steps - 1 : -1], texts[:, -steps:], mask)
    torch.testing.assert_close(sft_loss(model, texts, mask, pad_token=PAD), expected)


def test_user_and_bot_begin_as_people(model, tokenizer, small, world):
    base = replace(small.base, seed=1).build()
    start_from(model, base, world)
    people = base.tokens.weight[tokenizer.encode("mia tom anna")]
    user = model.tokens.weight[tokenizer.user_id]
    assert torch.equal(user, model.tokens.weight[tokenizer.bot_id])
    assert (user - people.mean(0)).norm() < (
        base.tokens.weight[tokenizer.user_id] - people.mean(0)
    ).norm()
    with pytest.raises(ValueError, match="another shape"):
        start_from(model, replace(small.base, width=32).build(), world)


def test_a_step_lowers_the_loss(model, tokenizer, small):
    texts, mask = batch_of_texts(tokenizer, *zip(*small.data()[:8], strict=True))
    optimizer = make_optimizer(model, 1e-2)
    losses = [step(model, optimizer, texts, mask)["loss"] for _ in range(5)]
    assert losses[-1] < 0.9 * losses[0]


def test_web_text_adds_its_gradient(model, tokenizer, small):
    """With −log π of the web beside it, the step is that of the sum of both losses."""
    texts, mask = batch_of_texts(tokenizer, *zip(*small.data()[:8], strict=True))
    web = web_loss(model, small.base, 2, 77)
    unread = web_loss(model, small.base, 2, 77, done=1)
    first = web()
    torch.testing.assert_close(web(), unread())  # what was read is skipped
    loss = sft_loss(model, texts, mask, pad_token=PAD) + first
    expected = torch.autograd.grad(loss, list(model.parameters()))
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    optimizer.param_groups[0]["peak"] = 1e-3
    before = [p.detach().clone() for p in model.parameters()]
    again = web_loss(model, small.base, 2, 77)
    stats = step(model, optimizer, texts, mask, auxiliary_loss=again)
    norm = sum(float(g.square().sum()) for g in expected) ** 0.5
    assert stats["gradient_norm"] == pytest.approx(norm, rel=1e-4)
    assert stats["loss"] == pytest.approx(float(loss - first), rel=1e-5)  # the answers' alone
    for p, old, g in zip(model.parameters(), before, expected, strict=True):
        torch.testing.assert_close(
            old - p.detach(), 1e-3 * g / max(1.0, norm), atol=1e-6, rtol=1e-3
        )


def test_without_web_text_only_the_answers_teach(small, monkeypatch):
    calls = []
    monkeypatch.setattr(module, "web_loss", lambda *a, **k: calls.append(a) or (lambda: 0.0))
    for rows in (0, 3):
        stage = replace(small, web_rows=rows)
        model = stage.build()
        next(iter(stage.train(model, stage.begin(model, stage.base.build()))))
    assert [call[2] for call in calls] == [3]


def test_a_loss_that_is_no_number_changes_nothing(model, tokenizer, small):
    texts, mask = batch_of_texts(tokenizer, *zip(*small.data()[:8], strict=True))
    with torch.no_grad():
        model.norm.weight[0] = float("nan")
    before = model.tokens.weight.clone()
    with pytest.raises(FloatingPointError, match="learning rate"):
        step(model, make_optimizer(model, 1e-2), texts, mask)
    assert torch.equal(model.tokens.weight, before)


def test_the_key_knows_the_parent(small):
    assert cache_file(small) != cache_file(replace(small, base=replace(small.base, seed=1)))
    assert cache_file(small) != cache_file(replace(small, sloppy=0.1))
    assert cache_file(small) == cache_file(SFT(**{f: getattr(small, f) for f in small.__dict__}))


def test_an_interrupted_training_ends_in_the_same_weights(small, monkeypatch, tmp_path):
    monkeypatch.setenv("ANATOMY_PROGRESS", "off")
    monkeypatch.setenv("ANATOMY_CACHE", str(tmp_path / "whole"))
    whole = cached(small)
    monkeypatch.setenv("ANATOMY_CACHE", str(tmp_path / "broken"))
    calls = iter([None] * 3 + [KeyboardInterrupt])

    def interrupted(*arguments, **keywords):
        if next(calls, None) is not None:
            raise KeyboardInterrupt
        return step(*arguments, **keywords)

    monkeypatch.setattr(module, "step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        cached(small, keep_every=0.0)
    monkeypatch.setattr(module, "step", step)
    resumed = cached(small, keep_every=0.0)
    for one, other in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_checkpoint_of_another_stage_is_refused_in_one_sentence(small, monkeypatch, tmp_path):
    monkeypatch.setenv("ANATOMY_PROGRESS", "off")
    monkeypatch.setenv("ANATOMY_CACHE", str(tmp_path))
    cached(small)
    other = small.base
    assert isinstance(other, BaseModel)
    with pytest.raises(CheckpointError, match="another configuration"):
        load_checkpoint(cache_file(small), small.build(), config=other)


def test_a_gradient_that_is_no_number_changes_nothing(model):
    before = model.tokens.weight.clone()
    loss = (model.tokens.weight - model.tokens.weight.detach()).abs().sum().sqrt()  # √ at 0
    with pytest.raises(FloatingPointError, match="gradient"):
        module.descend(model, make_optimizer(model, 1e-2), loss, 1.0)
    assert torch.equal(model.tokens.weight, before)


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"demonstrations": 15}, "15 demonstrations do not fill a batch of 16"),
        ({"batch_size": 0}, "do not fill a batch of 0"),
        ({"sloppy": 1.5}, "sloppy must be a share between 0 and 1, got 1.5"),
    ],
)
def test_impossible_settings_are_refused(settings, why):
    with pytest.raises(ValueError, match=why):
        SFT(**settings)
