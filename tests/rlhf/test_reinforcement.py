"""PPO as a stage: where it starts, what it is paid, that ptx is eq. 2, that it can stop."""

from __future__ import annotations

import math
from dataclasses import replace
from types import ModuleType

import pytest
import torch

from anatomy.algorithms.ppo import judge, update
from anatomy.models.base_model import BaseModel
from anatomy.models.pretraining import cross_entropy
from anatomy.reporting import recipes
from anatomy.reporting.checkpoints import cache_file, cached, load_checkpoint
from anatomy.reporting.recipes import modules_of
from anatomy.rlhf import reinforcement, sft, watching
from anatomy.rlhf.reinforcement import PPO, ptx_loss, start_from
from anatomy.rlhf.respond import respond, scored_by, token_rewards
from anatomy.rlhf.reward_model import Reward, RewardModel
from anatomy.rlhf.sft import SFT
from anatomy.rlhf.watching import KLExplosion, WatchedRewards, check_divergence
from anatomy.runtime import make_generator


@pytest.fixture
def stage(small) -> PPO:
    return PPO(Reward(small, prompts=16, batch_size=8), iterations=4, rollouts=8, minibatches=2,
               critic_first=1, ptx_coef=0.5, ptx_rows=1)  # fmt: skip


@pytest.fixture
def reward_model(model) -> RewardModel:
    return RewardModel(model, surprise=True)


def test_policy_and_critic_start_as_sft_and_reward_model(stage, model, reward_model):
    actor = stage.build()
    start_from(actor, model, reward_model)
    assert torch.equal(actor.policy.tokens.weight, model.tokens.weight)
    assert torch.equal(actor.value.weight, reward_model.head.weight)
    with torch.no_grad():
        actor.policy.tokens.weight.zero_()
        actor.critic.tokens.weight.zero_()
    assert model.tokens.weight.abs().sum() > 0 < reward_model.transformer.tokens.weight.abs().sum()


def test_kl_to_the_reference_is_nothing_at_first_and_only_the_critic_learns(
    stage, model, reward_model
):
    actor = stage.build()
    state = stage.begin(actor, model, reward_model)
    records = stage.train(actor, state)
    first = next(records)
    assert first["kl to reference"] == pytest.approx(0.0, abs=1e-5)
    assert first["clip_fraction"] == 0.0
    assert torch.equal(actor.policy.tokens.weight, model.tokens.weight)
    critic = reward_model.transformer.tokens.weight
    assert not torch.equal(actor.critic.tokens.weight, critic)
    next(records)
    assert not torch.equal(actor.policy.tokens.weight, model.tokens.weight)
    assert torch.equal(state["reference"].policy.tokens.weight, model.tokens.weight)


def test_the_gradient_of_ptx_is_the_weighted_sum(stage, model, reward_model):
    """One minibatch: ∇(loss with auxiliary) = ∇(loss without) + κ ∇(language-model loss)."""

    def gradient(auxiliary):
        actor = stage.build()
        start_from(actor, model, reward_model)
        optimizer = torch.optim.SGD(actor.parameters(), lr=1.0)
        config = replace(stage.ppo, minibatches=1, max_gradient_norm=1e9)
        generator = make_generator(0)
        score = scored_by(reward_model, end_token=actor.end_token)
        prompts = next(stage.prompts())
        rollout, _ = respond(actor, actor, prompts, score, steps=5, kl_coef=0.1,
                             end_token=actor.end_token, generator=generator)  # fmt: skip
        before = actor.policy.tokens.weight.detach().clone()
        update(actor, optimizer, judge(rollout, config), config, generator,
               auxiliary_loss=auxiliary(actor.policy))  # fmt: skip
        return before - actor.policy.tokens.weight.detach()

    def web_only(policy):
        loss = ptx_loss(policy, replace(stage, ptx_coef=1.0))
        (gradient,) = torch.autograd.grad(loss(), policy.tokens.weight)
        return gradient

    alone = gradient(lambda policy: None)
    together = gradient(lambda policy: ptx_loss(policy, stage))
    expected = alone + stage.ptx_coef * web_only(model)
    torch.testing.assert_close(together, expected, atol=2e-6, rtol=1e-3)


def test_ptx_is_kappa_times_the_loss_and_reads_on(stage, model):
    loss = ptx_loss(model, stage)
    first, second = loss(), loss()
    assert not torch.equal(first, second)
    later = ptx_loss(model, stage, done=2)  # one iteration read by the critic alone, one by ptx
    for _ in range(stage.minibatches - 2):
        loss()
    torch.testing.assert_close(later(), loss())
    uniform = stage.sft.base.tokenizer()
    assert float(first) == pytest.approx(stage.ptx_coef * math.log(len(uniform)), rel=0.1)
    assert cross_entropy is sft.cross_entropy


def test_kl_is_watched_where_beta_is_zero():
    rewards = WatchedRewards()
    logprobs = torch.tensor([[-1.0, -2.0], [-1.0, 7.0]])
    reference = torch.tensor([[-2.0, -2.5], [-1.5, 0.0]])
    mask = torch.tensor([[True, True], [True, False]])
    found = rewards(torch.ones(2), logprobs, reference, mask, kl_coef=0.0)
    assert rewards.kl == pytest.approx((1.5 + 0.5) / 2)
    torch.testing.assert_close(
        found, token_rewards(torch.ones(2), logprobs, reference, mask, kl_coef=0.0)
    )


@pytest.mark.parametrize("kl", [41.0, math.nan, math.inf])
def test_a_policy_that_left_is_stopped_with_one_sentence(kl):
    with pytest.raises(KLExplosion, match=r"stopped at iteration 7: .*lower the learning rate"):
        check_divergence(kl, 7)
    check_divergence(39.0, 7)


def test_a_run_that_diverges_is_kept(stage, monkeypatch, tmp_path):
    monkeypatch.setenv("ANATOMY_PROGRESS", "off")
    monkeypatch.setenv("ANATOMY_CACHE", str(tmp_path))
    monkeypatch.setattr(watching, "EXPLODED", -1.0)
    with pytest.raises(KLExplosion, match="is kept in"):
        cached(stage)
    (kept,) = tmp_path.glob("*.diverged.safetensors")
    load_checkpoint(kept, stage.build(), config=stage)


def test_an_interrupted_run_ends_in_the_same_weights(stage, monkeypatch, tmp_path):
    monkeypatch.setenv("ANATOMY_PROGRESS", "off")
    monkeypatch.setenv("ANATOMY_CACHE", str(tmp_path / "whole"))
    whole = cached(stage)
    monkeypatch.setenv("ANATOMY_CACHE", str(tmp_path / "broken"))
    calls = iter(range(3))

    def interrupted(kl, iteration):
        if next(calls, None) is None:
            raise KeyboardInterrupt

    monkeypatch.setattr(reinforcement, "check_divergence", interrupted)
    with pytest.raises(KeyboardInterrupt):
        cached(stage, keep_every=0.0)
    monkeypatch.setattr(reinforcement, "check_divergence", check_divergence)
    resumed = cached(stage, keep_every=0.0)
    for one, other in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(one, other)


def test_scores_are_checked_and_answers_without_an_end_marked_down():
    texts = torch.tensor([[2, 3, 4, 1], [2, 3, 4, 4]])
    mask = torch.ones(2, 2, dtype=torch.bool)
    score = scored_by(lambda texts, mask: torch.tensor([0.5, 0.7]), end_token=1)
    assert score(texts, mask).tolist() == pytest.approx([0.5, -3.0])
    broken = scored_by(lambda texts, mask: torch.tensor([0.5, math.nan]), end_token=1)
    with pytest.raises(FloatingPointError, match="not a number"):
        broken(texts, mask)
    constant = scored_by(lambda texts, mask: torch.full((len(texts),), 0.5), end_token=1)
    with pytest.raises(ValueError, match=r"every answer the same score, 0\.5"):
        constant(texts.repeat(4, 1), mask.repeat(4, 1))


@pytest.mark.parametrize(
    "module",
    ["anatomy.models.base_model", "anatomy.rlhf.sft", "anatomy.rlhf.reward_model",
     "anatomy.rlhf.watching", "anatomy.models.actor_critic", "anatomy.tinyweb.world"],
)  # fmt: skip
def test_the_key_knows_the_code_of_every_stage_before(stage, module, monkeypatch):
    """A policy that was trained against an older reward model must not be found again."""
    before = cache_file(stage)
    honest = recipes._code_hash
    monkeypatch.setattr(
        recipes, "_code_hash", lambda m: "edited" if m.__name__ == module else honest(m)
    )
    assert cache_file(stage) != before


def test_one_answer_written_eight_times_does_not_accuse_the_reward_model():
    texts, mask = torch.tensor([[2, 3, 1]]).repeat(8, 1), torch.ones(8, 2, dtype=torch.bool)
    score = scored_by(lambda texts, mask: torch.full((len(texts),), 0.5), end_token=1)
    assert score(texts, mask).tolist() == [0.5] * 8


def names_used(module: ModuleType) -> set[str]:
    """The modules of the package that a module imports, or imports something from."""
    values = vars(module).values()
    names = (v.__name__ if isinstance(v, ModuleType) else v.__module__
             for v in values if isinstance(v, ModuleType) or hasattr(v, "__module__"))  # fmt: skip
    return {name for name in names if str(name).startswith("anatomy.")}


@pytest.mark.parametrize("recipe", [BaseModel(), SFT(), Reward(), PPO()])
def test_whatever_the_training_imports_is_part_of_its_name_in_the_cache(recipe):
    """A change of any of these trains anew. What else is imported judges, or holds records."""
    sources = list(modules_of(recipe))
    used = set().union(*map(names_used, sources)) - {module.__name__ for module in sources}
    judges = {"anatomy.tinyweb.faults", "anatomy.tinyweb.gold"}
    assert used <= {"anatomy.runtime", "anatomy.tinyweb", "anatomy.models.actor_critic"} | judges
