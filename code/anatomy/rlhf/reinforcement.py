"""Step 3 of InstructGPT: the same PPO that played CartPole, now on text.

    actor = cached(PPO.of_seed(0, ptx_coef=1.0))      # all of the chain; κ = 0 is plain PPO

The loop of `PPO.run`, without its records:

    for prompts in config.prompts():                                              # x ~ D
        rollout, scores = respond(actor, reference, prompts, score, ...)          # y ~ π, r(x, y)
        batch = judge(rollout, ppo)                                               # advantages
        update(actor, optimizer, batch, ppo, generator, auxiliary_loss=ptx)       # K epochs
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from types import ModuleType
from typing import Any, Self

import torch
from torch import Tensor

from anatomy import estimators, losses, masking
from anatomy import rollout as rollouts
from anatomy.algorithms import ppo
from anatomy.algorithms.ppo import PPOConfig, judge, update
from anatomy.losses import clipped_value_loss
from anatomy.models import actor_critic, generation, heads
from anatomy.models.generation import left_pad
from anatomy.models.gpt import GPT
from anatomy.models.heads import TextActorCritic
from anatomy.models.pretraining import cosine
from anatomy.rlhf import respond as responding
from anatomy.rlhf import watching
from anatomy.rlhf.answers import STEPS, chat_prompt
from anatomy.rlhf.respond import respond, scored_by
from anatomy.rlhf.reward_model import Reward, RewardModel
from anatomy.rlhf.sft import SFT, web_loss
from anatomy.rlhf.watching import WatchedRewards, check_divergence, statistics
from anatomy.rollout import Rollout
from anatomy.runtime import make_generator
from anatomy.tinyweb import Task

PTX_STREAM = 5_000  # seed of the web text that PPO-ptx reads


@dataclass(frozen=True)
class PPO:
    """Configuration of a policy trained by PPO; with κ > 0 by PPO-ptx."""

    reward: Reward = field(default_factory=Reward)
    iterations: int = 225
    rollouts: int = 96  # answers in an iteration
    epochs: int = 1  # K
    minibatches: int = 4
    kl_coef: float = 0.04  # β
    ptx_coef: float = 0.0  # κ
    ptx_rows: int = 4  # web texts in a minibatch
    clip_range: float = 0.2  # ε
    gae_lambda: float = 0.95  # λ
    learning_rate: float = 7e-4  # falls along half a cosine to a tenth
    critic_first: int = 4  # iterations in which only the critic learns
    unpublished: float = 0.5  # share of the questions whose answer the web does not hold
    seed: int = 0

    @classmethod
    def of_seed(cls, seed: int, **changes: Any) -> Self:
        """A whole chain in which every stage, the base model included, has this seed."""
        sft = SFT()
        sft = replace(sft, base=replace(sft.base, seed=seed), seed=seed)
        return cls(reward=Reward(sft=sft, seed=seed), seed=seed, **changes)

    @property
    def name(self) -> str:
        """Begins the file's name."""
        return "ppo-ptx" if self.ptx_coef else "ppo"

    @property
    def sft(self) -> SFT:
        """Where the policy starts, and what it is held to."""
        return self.reward.sft

    @property
    def steps(self) -> int:
        """How many times `train` yields."""
        return self.iterations

    @property
    def parents(self) -> tuple[SFT, Reward]:
        """What must be trained before."""
        return (self.sft, self.reward)

    @property
    def sources(self) -> Sequence[ModuleType]:
        """The modules whose code decides what the weights become."""
        own = (ppo, estimators, losses, masking, rollouts, generation, heads, actor_critic)
        acting = (responding, watching)
        return (*own, *acting)

    @property
    def ppo(self) -> PPOConfig:
        """The settings of `algorithms.ppo`. There is no discount (γ = 1), as in the paper."""
        return PPOConfig(
            epochs=self.epochs,
            minibatches=self.minibatches,
            gamma=1.0,
            gae_lambda=self.gae_lambda,
            clip_range=self.clip_range,
            value_coef=0.1,  # Adam does not see the scale; the common limit of the norm does
            max_gradient_norm=1.0,
            learning_rate=self.learning_rate,
        )

    def build(self) -> TextActorCritic:
        """Policy and critic, of the SFT model's shape."""
        tokenizer = self.sft.base.tokenizer()
        return TextActorCritic(
            self.sft.build(),
            self.sft.build(),
            pad_token=tokenizer.pad_id,
            end_token=tokenizer.eos_id,
        )

    def begin(self, actor: TextActorCritic, sft: GPT, reward_model: RewardModel) -> dict[str, Any]:
        """Policy and critic start from SFT and reward model; the reference stays the SFT model."""
        start_from(actor, sft, reward_model)
        return {
            "optimizer": make_optimizer(actor, self.learning_rate),
            "generator": make_generator(self.seed, sft.device),
            "reference": reference_of(actor, sft),
            "reward model": reward_model,
        }

    def train(
        self, actor: TextActorCritic, state: Mapping[str, Any], done: int = 0
    ) -> Iterator[dict[str, float]]:
        """Collect answers, judge them, learn; give back the statistics of each iteration."""
        for record, _ in self.run(actor, state, done):
            yield record

    def run(
        self, actor: TextActorCritic, state: Mapping[str, Any], done: int = 0
    ) -> Iterator[tuple[dict[str, float], Rollout]]:
        """As `train`, with each iteration's answers, so that they can be read and judged."""
        end_token, generator = actor_end(actor), state["generator"]
        score, rewards = scored_by(state["reward model"], end_token=end_token), WatchedRewards()
        ptx = ptx_loss(actor.policy, self, done) if self.ptx_coef else None
        for iteration, prompts in enumerate(islice(self.prompts(), done, self.steps), start=done):
            rollout, scores = respond(
                actor,
                state["reference"],
                prompts.to(actor.policy.device),
                score,
                steps=STEPS,
                end_token=end_token,
                kl_coef=self.kl_coef,
                generator=generator,
                reward_fn=rewards,
            )
            check_divergence(rewards.kl, iteration)
            warming = iteration < self.critic_first
            for group in state["optimizer"].param_groups:
                group["lr"] = self.learning_rate * cosine(iteration, self.steps)
            stats = update(
                actor,
                state["optimizer"],
                judge(rollout, self.ppo),
                self.ppo,
                generator,
                policy_loss=nothing_to_learn if warming else None,
                value_loss=value_loss,
                auxiliary_loss=None if warming else ptx,
            )
            yield {"kl to reference": rewards.kl} | statistics(rollout, scores) | stats, rollout

    def tasks(self) -> Iterator[list[Task]]:
        """What is asked in each iteration."""
        asked = self.sft.base.world.tasks("train", 20_000 + self.seed, unpublished=self.unpublished)
        while True:
            yield [next(asked) for _ in range(self.rollouts)]

    def prompts(self) -> Iterator[Tensor]:
        """The same as left-padded prompts (B, P)."""
        tokenizer = self.sft.base.tokenizer()
        for tasks in self.tasks():
            chats = [chat_prompt(tokenizer, task) for task in tasks]
            yield left_pad(chats, pad_token=tokenizer.pad_id)[0]


@torch.no_grad()
def start_from(actor: TextActorCritic, sft: GPT, reward_model: RewardModel) -> None:
    """The policy begins as the SFT model, the critic as the reward model, head and all."""
    if actor.critic is None:
        raise ValueError("the critic is a network of its own, started from the reward model")
    actor.policy.load_state_dict(sft.state_dict())
    actor.critic.load_state_dict(reward_model.transformer.state_dict())
    actor.value.load_state_dict(reward_model.head.state_dict())


def reference_of(actor: TextActorCritic, sft: GPT) -> TextActorCritic:
    """The SFT model, frozen: what the KL penalty holds the policy to."""
    frozen = copy.deepcopy(sft).requires_grad_(False)
    return TextActorCritic(frozen, pad_token=actor.pad_token, end_token=actor.end_token)


def make_optimizer(actor: TextActorCritic, learning_rate: float) -> torch.optim.Adam:
    """Adam with ε = 1e-5 for policy and critic."""
    return torch.optim.Adam(
        actor.parameters(), lr=learning_rate, betas=(0.9, 0.95), eps=1e-5, fused=True
    )


def ptx_loss(policy: GPT, config: PPO, done: int = 0) -> Callable[[], Tensor]:
    """κ · (−log π(web text)), a fresh batch at every call: the third term of eq. 2.

    Ouyang et al. (2022), where κ is called γ. What `done` iterations have read is skipped.
    """
    read = max(0, done - config.critic_first) * config.epochs * config.minibatches
    web = web_loss(policy, config.sft.base, config.ptx_rows, PTX_STREAM + config.seed, read)
    return lambda: config.ptx_coef * web()


def nothing_to_learn(logprobs: Tensor, old_logprobs: Tensor, advantages: Tensor) -> Tensor:
    """A policy loss without gradient, for iterations in which only the critic learns."""
    return 0.0 * logprobs


def value_loss(values: Tensor, old_values: Tensor, returns: Tensor) -> Tensor:
    """½ max of the squared errors of V and of V held within 1 of the old: (B, T)."""
    return clipped_value_loss(values, old_values, returns, clip_range=1.0)


def actor_end(actor: TextActorCritic) -> int:
    """The token that ends an answer."""
    if actor.end_token is None:
        raise ValueError("a policy that answers needs an end_token")
    return actor.end_token
