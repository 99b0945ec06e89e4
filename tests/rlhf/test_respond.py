"""Text as an environment: who is paid for what, and where an episode ends."""

from __future__ import annotations

import pytest
import torch

from anatomy.models.bigram import BigramActorCritic
from anatomy.rlhf.respond import last_step, respond, scored_by, token_rewards
from anatomy.runtime import make_generator

MASK = torch.tensor([[True, True, False], [True, True, True], [False, False, False]])


def test_last_step_by_hand():
    expected = torch.tensor([[False, True, False], [False, False, True], [False, False, False]])
    assert torch.equal(last_step(MASK), expected)


def test_token_rewards_by_hand():
    """r_t = −β log(π/π_ref), plus the score on the last real token; padding is paid nothing."""
    logprobs = torch.tensor([[-1.0, -2.0, 9.0], [-1.0, -1.0, -1.0], [5.0, 5.0, 5.0]])
    reference = torch.tensor([[-1.5, -1.0, 0.0], [-1.0, -2.0, -1.0], [0.0, 0.0, 0.0]])
    rewards = token_rewards(torch.tensor([0.3, -0.7, 4.0]), logprobs, reference, MASK, kl_coef=0.1)
    expected = torch.tensor([[-0.05, 0.1 + 0.3, 0.0], [0.0, -0.1, -0.7], [0.0, 0.0, 0.0]])
    torch.testing.assert_close(rewards, expected)


def test_without_a_kl_coefficient_the_reward_is_the_score():
    logprobs = torch.randn(3, 3)
    rewards = token_rewards(
        torch.tensor([0.3, -0.7, 4.0]), logprobs, logprobs - 1, MASK, kl_coef=0.0
    )
    torch.testing.assert_close(rewards.sum(1), torch.tensor([0.3, -0.7, 0.0]))


@pytest.mark.parametrize("shape", [(2,), (3, 1), (3, 3)])
def test_scores_must_be_one_per_response(shape):
    logprobs = torch.zeros(3, 3)
    with pytest.raises(ValueError, match=r"scores must be one per response, \(3,\)"):
        token_rewards(torch.zeros(shape), logprobs, logprobs, MASK, kl_coef=0.1)


def test_respond_records_what_the_policy_did():
    model, reference = BigramActorCritic(4), BigramActorCritic(4)
    with torch.no_grad():
        model.logits.normal_(generator=make_generator(0))
        model.value.normal_(generator=make_generator(1))
    prompts = torch.randint(1, 4, (50, 3), generator=make_generator(2))
    rollout, scores = respond(
        model, reference, prompts, lambda texts, mask: mask.sum(1).float(),
        steps=5, end_token=0, kl_coef=0.2, generator=make_generator(3),
    )  # fmt: skip
    assert rollout.observations.shape == (50, 8)
    assert torch.equal(rollout.observations[:, :3], prompts)
    assert torch.equal(rollout.observations[:, 3:], rollout.actions)
    judged = model.evaluate(rollout.observations, rollout.actions)
    written = rollout.mask
    torch.testing.assert_close(rollout.logprobs[written], judged.logprobs[written])
    assert torch.equal(rollout.values, judged.values)
    assert torch.equal(rollout.terminated, last_step(rollout.mask))
    assert rollout.terminated.sum(1).eq(1).all()
    assert not rollout.truncated.any()
    assert torch.equal(scores, rollout.mask.sum(1).float())
    log_ratio = (
        rollout.logprobs - reference.evaluate(rollout.observations, rollout.actions).logprobs
    )
    paid = scores - 0.2 * torch.where(rollout.mask, log_ratio, 0.0).sum(1)
    torch.testing.assert_close(rollout.rewards.sum(1), paid)


def test_columns_that_only_hold_padding_are_cut():
    """T is the length of the longest answer, not the number of steps that were allowed."""
    model = BigramActorCritic(4)
    with torch.no_grad():
        model.logits[:, 0] = 50.0  # every answer ends at once
    rollout, _ = respond(
        model, BigramActorCritic(4), torch.ones(6, 3, dtype=torch.int64),
        lambda texts, mask: mask.sum(1).float(),
        steps=5, end_token=0, kl_coef=0.2, generator=make_generator(0),
    )  # fmt: skip
    assert rollout.observations.shape == (6, 4)
    assert rollout.mask.all()


def test_an_end_token_in_the_padding_ends_no_answer():
    score = scored_by(lambda texts, mask: mask.sum(1).float(), end_token=0, unfinished=-3.0)
    texts = torch.tensor([[1, 2, 3, 0], [1, 2, 0, 0]])  # padded with the end token
    mask = torch.tensor([[True, True, False], [True, True, False]])
    assert score(texts, mask).tolist() == [-3.0, 2.0]
