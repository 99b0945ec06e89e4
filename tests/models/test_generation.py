"""Sampling: cached equals uncached, the distribution is the one asked for, texts end."""

from __future__ import annotations

import math

import pytest
import torch
from scipy import stats
from torch.nn import functional as F

from anatomy.models import generation
from anatomy.models.generation import (
    apply_temperature,
    apply_top_k,
    apply_top_p,
    by_columns,
    draw,
    generate,
    left_pad,
)
from anatomy.models.gpt import GPT, GPTConfig
from anatomy.runtime import make_generator

END = 1
SHAPES = {
    "book": GPTConfig(13, context=24, width=16, layers=2, heads=2),
    "gpt2": GPTConfig.like_gpt2(13, context=24, width=16, layers=2, heads=2),
}


def make(name: str = "book", seed: int = 0) -> GPT:
    torch.manual_seed(seed)
    model = GPT(SHAPES[name]).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return model


PROMPTS = [[5, 6, 7], [8], [2, 3, 4, 5, 6, 7], [9, 9]]


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("padded", [True, False])
def test_cached_equals_uncached(name, padded):
    """The same text token by token through the cache as at once: logits to 1e-5."""
    model = make(name)
    tokens, mask = left_pad(PROMPTS if padded else [[5, 6, 7], [8, 9, 10]], pad_token=0)
    start = tokens.shape[1]
    more = torch.randint(13, (len(tokens), 9), generator=make_generator(1))
    whole = torch.cat([tokens, more], dim=1)
    whole_mask = torch.cat([mask, torch.ones_like(more, dtype=torch.bool)], dim=1)
    with torch.no_grad():
        expected = model(whole, whole_mask)
        cache = model.new_cache(len(tokens), whole.shape[1])
        seen = [model.hidden(tokens, mask, cache=cache)]
        seen += [model.hidden(more[:, t : t + 1], cache=cache) for t in range(4)]
        seen += [model.hidden(more[:, 4:], cache=cache)]  # several at once, too
        logits = model.logits(torch.cat(seen, dim=1))
    assert cache.length == start + 9
    torch.testing.assert_close(logits[whole_mask], expected[whole_mask], rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", SHAPES)
def test_the_same_text_with_and_without_cache(name):
    """Rows end at different steps and are dropped; prompts have different lengths."""
    model = make(name)
    tokens, mask = left_pad(PROMPTS * 6, pad_token=0)
    options = {"mask": mask, "stop_tokens": [END, 4], "temperature": 1.3}
    one = generate(model, tokens, 12, generator=make_generator(2), **options)
    two = generate(model, tokens, 12, generator=make_generator(2), cached=False, **options)
    assert torch.equal(one.texts, two.texts)
    assert torch.equal(one.mask, two.mask)
    torch.testing.assert_close(one.logprobs, two.logprobs, rtol=0, atol=1e-5)
    assert len(set(one.mask.sum(1).tolist())) > 4


def test_a_row_does_not_depend_on_the_others():
    """Padding and neighbours that end change nothing: the text is that of the row alone."""
    model = make()
    tokens, mask = left_pad(PROMPTS, pad_token=0)
    all_rows = generate(
        model, tokens, 10, generator=make_generator(4), mask=mask, stop_tokens=[END]
    )
    noise = torch.rand(10, 4, generator=make_generator(4))
    for row, prompt in enumerate(PROMPTS):
        text = torch.tensor([prompt])
        for t in range(10):
            logits = model(text)[:, -1]
            text = torch.cat([text, draw(logits.softmax(-1), noise[t, row : row + 1])[:, None]], 1)
        written = all_rows.texts[row, 6:][all_rows.mask[row]].tolist()
        assert text[0, len(prompt) :].tolist()[: len(written)] == written


def test_texts_that_end_early_leave_the_others_their_random_numbers(monkeypatch):
    """Finished rows are dropped from the batch; what the rest writes is what it would write."""
    model, prompts = make(), torch.full((24, 2), 5)
    dropped = generate(model, prompts, 20, generator=make_generator(3), stop_tokens=[END, 2, 3])
    assert dropped.mask.sum(1).unique().numel() > 3  # they do not end together
    monkeypatch.setattr(generation, "ALIVE", 0.0)  # none is dropped
    whole = generate(model, prompts, 20, generator=make_generator(3), stop_tokens=[END, 2, 3])
    assert torch.equal(dropped.texts, whole.texts)
    assert torch.equal(dropped.mask, whole.mask)


def test_a_model_in_half_precision_still_draws_from_float32():
    """bfloat16 has 8 bits: a sum of probabilities over a vocabulary would stand still."""
    model, prompts = make().bfloat16(), torch.randint(13, (16, 3), generator=make_generator(4))
    written = generate(model, prompts, 1, generator=make_generator(5))
    with torch.no_grad():
        expected = model.logits(model.hidden(prompts)[:, -1]).float().log_softmax(-1)
    chosen = expected.gather(1, written.texts[:, 3:])
    torch.testing.assert_close(written.logprobs, chosen, rtol=0, atol=1e-6)


def test_texts_end_with_the_first_stop_token():
    model = make()
    tokens, mask = left_pad(PROMPTS * 8, pad_token=0)
    texts, real, logprobs = generate(
        model, tokens, 9, generator=make_generator(6), mask=mask, stop_tokens=[END, 2]
    )
    assert torch.equal(texts[:, :6], tokens)
    lengths = set()
    for text, row in zip(texts[:, 6:].tolist(), real.tolist(), strict=True):
        ends = [t for t, token in enumerate(text) if token in (END, 2)]
        length = min(ends) + 1 if ends else 9
        assert row == [t < length for t in range(9)]
        assert all(token == END for token in text[length:])
        lengths.add(length)
    assert len(lengths) > 3
    assert (logprobs[~real] == 0).all()
    assert (logprobs[real] < 0).all()


def test_log_probabilities_are_those_of_the_distribution_drawn_from():
    model = make()
    tokens, mask = left_pad(PROMPTS, pad_token=0)
    texts, _, logprobs = generate(
        model, tokens, 5, generator=make_generator(8), mask=mask, temperature=0.7, top_k=4
    )
    real = torch.cat([mask, torch.ones(4, 5, dtype=torch.bool)], dim=1)
    logits = model(texts, real)[:, 5:-1]
    expected = F.log_softmax(apply_top_k(apply_temperature(logits, 0.7), 4), dim=-1)
    expected = expected.gather(-1, texts[:, 6:, None]).squeeze(-1)
    torch.testing.assert_close(logprobs, expected.detach(), rtol=0, atol=1e-4)


def test_drawn_tokens_follow_the_softmax():
    logits = torch.tensor([0.5, -1.0, 2.0, 0.0])
    uniform = torch.rand(40_000, generator=make_generator(9))
    counts = torch.bincount(draw(logits.softmax(-1).expand(40_000, 4), uniform), minlength=4)
    expected = 40_000 * logits.double().softmax(-1)
    assert stats.chisquare(counts, expected).pvalue > 0.01


def test_drawing_by_hand_and_at_the_edges():
    p = torch.tensor([[0.0, 0.25, 0.5, 0.25, 0.0]]).expand(6, 5)
    last = 1 - 2**-24  # the largest number that torch.rand returns
    uniform = torch.tensor([0.0, 0.2499, 0.25, 0.7499, 0.75, last])
    assert draw(p, uniform).tolist() == [1, 1, 2, 2, 3, 3]
    short = torch.tensor([[0.3, 0.69]])  # rounding may leave a sum below 1
    assert draw(short, torch.tensor([0.995])).tolist() == [1]


def test_greedy_takes_the_likeliest():
    model = make()
    prompt = torch.tensor([[5, 6]])
    texts, _, logprobs = generate(model, prompt, 6, generator=make_generator(0), temperature=0)
    for t in range(6):
        assert texts[0, 2 + t] == model(texts[:, : 2 + t])[0, -1].argmax()
    assert (logprobs == 0).all()


def test_temperature_by_hand():
    z = torch.tensor([0.0, math.log(4.0)])
    torch.testing.assert_close(apply_temperature(z, 2.0).softmax(-1), torch.tensor([1 / 3, 2 / 3]))
    torch.testing.assert_close(
        apply_temperature(z, 0.5).softmax(-1), torch.tensor([1 / 17, 16 / 17])
    )
    with pytest.raises(ValueError, match="must be positive"):
        apply_temperature(z, 0.0)


def test_top_k_by_hand():
    z = torch.tensor([[1.0, 3.0, 2.0, 0.0], [5.0, 5.0, 4.0, 5.0]])
    kept = apply_top_k(z, 2)
    assert kept.isfinite().tolist() == [[False, True, True, False], [True, True, False, True]]
    assert torch.equal(kept[kept.isfinite()], z[kept.isfinite()])
    assert torch.equal(apply_top_k(z, 9), z)
    with pytest.raises(ValueError, match="at least one"):
        apply_top_k(z, 0)


@pytest.mark.parametrize(
    ("p", "kept"), [(0.1, {1}), (0.5, {1}), (0.51, {1, 3}), (0.8, {1, 3}), (0.85, {1, 3, 0})]
)
def test_top_p_by_hand(p, kept):
    """Probabilities .125 .5 .0625 .3125: a token stays while those before it sum to less than p."""
    z = torch.tensor([0.125, 0.5, 0.0625, 0.3125]).log()
    assert set(apply_top_p(z, p).isfinite().nonzero().flatten().tolist()) == kept
    assert torch.equal(apply_top_p(z, 1.0), z)
    rare = torch.tensor([0.0, -20.0, -21.0])  # the first alone is 1 in 32 bits
    assert torch.equal(apply_top_p(rare, 1.0), rare)
    even = apply_top_p(torch.zeros(4), 0.5)  # ¼ each: two of them reach exactly ½
    assert even.isfinite().tolist() == [True, True, False, False]
    with pytest.raises(ValueError, match="must lie in"):
        apply_top_p(z, 0.0)


def test_generation_is_repeatable_and_trainable_on():
    """What was generated can be learned from: no tensor is marked as of inference only."""
    model = make()
    prompt = torch.tensor([[5, 6]] * 3)
    one = generate(model, prompt, 6, generator=make_generator(1))
    two = generate(model, prompt, 6, generator=make_generator(1))
    assert torch.equal(one.texts, two.texts)
    model(one.texts).sum().backward()


@pytest.mark.parametrize(
    ("prompts", "options", "message"),
    [
        (torch.zeros(2, 0, dtype=torch.int64), {}, "a prompt is empty"),
        (
            torch.ones(1, 3, dtype=torch.int64),
            {"mask": torch.zeros(1, 3).bool()},
            "prompt is empty",
        ),
        (torch.ones(1, 20, dtype=torch.int64), {}, "20 tokens leaves no room for 5 more"),
        (torch.ones(1, 25, dtype=torch.int64), {}, "more than the context of 24"),
        (torch.tensor([[3, 13]]), {}, "token 13 is outside the vocabulary of 13"),
        (
            torch.tensor([[3, 4]]),
            {"mask": torch.tensor([[True, False]])},
            "padded on the left",
        ),
        (torch.tensor([[3, 4]]), {"temperature": -1.0}, "temperature must be positive"),
        (torch.tensor([[3, 4]]), {"top_p": 1.5}, "top-p must lie in"),
    ],
)
def test_bad_prompts_are_one_sentence(prompts, options, message):
    with pytest.raises(ValueError, match=message) as caught:
        generate(make(), prompts, 5, generator=make_generator(0), **options)
    assert "\n" not in str(caught.value)


def test_left_padding_by_hand():
    tokens, mask = left_pad([[5, 6, 7], [8]], pad_token=0)
    assert tokens.tolist() == [[5, 6, 7], [0, 0, 8]]
    assert mask.tolist() == [[True, True, True], [False, False, True]]
    for empty in ([], [[5], []]):
        with pytest.raises(ValueError, match="a prompt is empty"):
            left_pad(empty, pad_token=0)


# --- the layout of the weights


def layout(model: GPT) -> list[tuple[int, tuple[int, ...]]]:
    return [(weight.data_ptr(), weight.stride()) for weight in model.parameters()]


def test_by_columns_moves_memory_and_no_number():
    model = make()
    before, numbers = layout(model), [weight.clone() for weight in model.parameters()]
    with by_columns(model):
        up = model.blocks[0].mlp.up.weight
        assert up.stride() == (1, up.shape[0])
        for weight, number in zip(model.parameters(), numbers, strict=True):
            torch.testing.assert_close(weight.data, number.data, rtol=0, atol=0)
    assert layout(model) == before


def test_every_weight_is_back_in_its_own_memory():
    """After writing, after an error while writing, and inside `inference_mode`."""
    model = make()
    before = layout(model)
    generate(model, torch.tensor([[5, 6]]), 3, generator=make_generator(0))
    with pytest.raises(KeyError), by_columns(model):
        raise KeyError
    with torch.inference_mode():
        generate(model, torch.tensor([[5, 6]]), 3, generator=make_generator(0))
    assert layout(model) == before
    model(torch.tensor([[5, 6]])).sum().backward()
    assert model.blocks[0].mlp.up.weight.grad is not None


def test_a_graph_that_is_open_while_text_is_written_keeps_its_gradients():
    model = make()
    tokens = torch.tensor([[5, 6, 7]])
    model(tokens).square().sum().backward()
    expected = [weight.grad.clone() for weight in model.parameters()]
    model.zero_grad()
    value = model(tokens).square().sum()
    generate(model, tokens, 4, generator=make_generator(0))
    value.backward()
    for weight, gradient in zip(model.parameters(), expected, strict=True):
        torch.testing.assert_close(weight.grad, gradient, rtol=0, atol=0)
