"""GPT as a policy: its shapes by name, its judgements of text, PPO on it."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from anatomy.algorithms.ppo import PPOConfig, judge, make_optimizer, update
from anatomy.models.gpt import GPT, GPTConfig
from anatomy.models.heads import TextActorCritic, prompt_mask
from anatomy.rlhf.respond import respond
from anatomy.runtime import make_generator

PAD, END = 0, 1
SHAPE = GPTConfig(11, context=24, width=16, layers=2, heads=2)


def actor(*, shared: bool = True, seed: int = 0) -> TextActorCritic:
    torch.manual_seed(seed)
    policy = GPT(SHAPE)
    with torch.no_grad():
        for parameter in policy.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    model = TextActorCritic(policy, None if shared else GPT(SHAPE), pad_token=PAD)
    torch.nn.init.normal_(model.value.weight)
    return model


def padded_texts() -> torch.Tensor:
    """Prompts of 1, 4 and 6 tokens, padded to 6, and responses of 5."""
    texts = torch.randint(2, 11, (3, 11), generator=torch.Generator().manual_seed(1))
    texts[0, :5] = PAD
    texts[1, :2] = PAD
    return texts


def test_the_published_sizes():
    config = GPTConfig.gpt2("355M")
    assert (config.layers, config.width, config.heads) == (24, 1024, 16)
    assert (config.vocabulary, config.context) == (50_257, 1024)
    assert config.bias
    assert config.rotary_base is None
    with pytest.raises(ValueError, match="sizes 124M, 355M, 774M, 1558M, not 'small'"):
        GPTConfig.gpt2("small")


def test_only_the_leading_run_is_padding():
    texts = torch.tensor([[PAD, PAD, 3, PAD, 4], [5, PAD, PAD, PAD, PAD]])
    assert prompt_mask(texts, PAD).tolist() == [[False, False, True, True, True], [True] * 5]


@pytest.mark.parametrize("shared", [True, False])
def test_judging_is_reading_the_logits(shared):
    """Against the definition: one text at a time, without padding, all positions."""
    model, texts = actor(shared=shared), padded_texts()
    logprobs, values, entropy = model.evaluate(texts, texts[:, 6:])
    for row, start in enumerate([5, 2, 0]):
        text = texts[row : row + 1, start:]
        prompt = 6 - start
        logits = model.policy(text)[0]
        for t in range(5):
            at = prompt + t - 1  # the position that predicts response token t
            p = F.softmax(logits[at], dim=-1)
            expected = p[text[0, prompt + t]].log()
            torch.testing.assert_close(logprobs[row, t], expected, rtol=0, atol=1e-5)
            surprise = -(p * p.log()).sum()
            torch.testing.assert_close(entropy[row, t], surprise, rtol=0, atol=1e-5)
            trunk = model.policy if shared else model.critic
            state = trunk.hidden(text)[0, at]
            expected = model.value(state)[0]
            torch.testing.assert_close(values[row, t], expected, rtol=0, atol=1e-4)


def test_more_padding_changes_nothing():
    model, texts = actor(shared=False), padded_texts()
    wider = F.pad(texts, (7, 0), value=PAD)
    for one, other in zip(
        model.evaluate(texts, texts[:, 6:]), model.evaluate(wider, texts[:, 6:]), strict=True
    ):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-5)


def test_what_follows_the_end_changes_nothing():
    model, texts = actor(), padded_texts()
    other = texts.clone()
    other[:, 9:] = END
    before = model.evaluate(texts, texts[:, 6:])
    after = model.evaluate(other, other[:, 6:])
    assert torch.equal(before.logprobs[:, :3], after.logprobs[:, :3])


def test_a_separate_critic_keeps_its_gradient_to_itself():
    model, texts = actor(shared=False), padded_texts()
    model.evaluate(texts, texts[:, 6:]).values.sum().backward()
    assert all(p.grad is None for p in model.policy.parameters())
    assert model.critic.tokens.weight.grad.abs().sum() > 0
    with pytest.raises(ValueError, match="leave the critic out"):
        TextActorCritic(model.policy, model.policy, pad_token=PAD)


def test_first_values_are_zero():
    model = TextActorCritic(GPT(SHAPE), pad_token=PAD)
    texts = padded_texts()
    assert (model.evaluate(texts, texts[:, 6:]).values == 0).all()


def test_a_text_without_a_prompt_is_one_clear_sentence():
    with pytest.raises(ValueError, match="leave no prompt before 11 actions"):
        actor().evaluate(padded_texts(), padded_texts())


def test_ppo_trains_it_as_it_trains_any_policy():
    """respond → judge → update: the ratio starts at 1; the rewarded token grows likelier."""
    model, reference = actor(shared=False), actor(shared=False)
    config = PPOConfig(epochs=1, minibatches=1, learning_rate=3e-3)
    optimizer, generator = make_optimizer(model, config), make_generator(3)
    prompts = padded_texts()[:, :6].repeat(16, 1)

    def score(texts: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return ((texts[:, 6:] == 7) & mask).float().sum(1)

    scores = []
    for _ in range(12):
        rollout, earned = respond(
            model,
            reference,
            prompts,
            score,
            steps=4,
            end_token=END,
            kl_coef=0.0,
            generator=generator,
        )
        assert rollout.observations.shape == (48, 10)
        stats = update(model, optimizer, judge(rollout, config), config, generator)
        assert stats["clip_fraction"] == 0
        assert abs(stats["kl"]) < 1e-10
        scores.append(earned.mean().item())
    assert sum(scores[-3:]) > sum(scores[:3]) + 0.3


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_positions_survive_a_change_of_precision(dtype: torch.dtype) -> None:
    """RoPE's turns are pairs of real numbers: a complex buffer would lose its imaginary part."""
    torch.manual_seed(0)
    model = GPT(GPTConfig(50, 16, 32, 2, 4)).eval()
    tokens = torch.randint(50, (2, 16))
    with torch.no_grad():
        before = model(tokens)
        after = model.to(dtype)(tokens).float()
    torch.testing.assert_close(
        after, before, rtol=0, atol=0.02 if dtype == torch.bfloat16 else 1e-5
    )
