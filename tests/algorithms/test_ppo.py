"""PPO's update: what one step does exactly, what stops it, and that it finds known optima."""

from __future__ import annotations

import math
from dataclasses import FrozenInstanceError, replace
from functools import partial

import numpy as np
import pytest
import torch
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from torch import Tensor, nn

from anatomy.algorithms.ppo import PPOConfig, judge, make_optimizer, minibatches, update
from anatomy.envs import Actors
from anatomy.estimators import gae
from anatomy.losses import (
    clipped_value_loss,
    kl_penalised_surrogate,
    policy_gradient_loss,
    surrogate,
)
from anatomy.models.actor_critic import CategoricalActorCritic, Evaluation, GaussianActorCritic
from anatomy.models.bigram import BigramActorCritic
from anatomy.rlhf.respond import respond
from anatomy.rollout import Batch
from anatomy.runtime import initial_weights, make_generator

ONE_STEP = PPOConfig(epochs=1, minibatches=1, max_gradient_norm=1e9)
SEEDS = [0, 1, 2]


class Tabular(nn.Module):
    """A row of logits and a value for each of S states; observations are state numbers (B, T)."""

    def __init__(self, states: int = 4, actions: int = 3, seed: int = 0) -> None:
        super().__init__()
        g = torch.Generator().manual_seed(seed)
        self.logits = nn.Parameter(torch.randn(states, actions, generator=g))
        self.value = nn.Parameter(torch.randn(states, generator=g))

    def evaluate(self, observations: Tensor, actions: Tensor) -> Evaluation:
        all_logprobs = self.logits.log_softmax(-1)[observations]
        logprobs = all_logprobs.gather(-1, actions[..., None])[..., 0]
        entropy = -(all_logprobs.exp() * all_logprobs).sum(-1)
        return Evaluation(logprobs, self.value[observations], entropy)


@pytest.fixture
def states(batch):
    """A Batch whose observations are the state numbers that Tabular reads."""

    def make(rows: int = 12, steps: int = 5, seed: int = 0, **fields: Tensor) -> Batch:
        g = torch.Generator().manual_seed(seed)
        observations = torch.randint(4, (rows, steps), generator=g)
        return batch(rows=rows, steps=steps, seed=seed, **{"observations": observations, **fields})

    return make


def weights(module: nn.Module) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in module.parameters()]


def sgd(module: nn.Module, rate: float = 1.0) -> torch.optim.SGD:
    return torch.optim.SGD(module.parameters(), lr=rate)


def step(policy: nn.Module, data: Batch, config: PPOConfig, **options) -> list[Tensor]:
    """How far each weight moved against its gradient in one update with learning rate 1."""
    before = weights(policy)
    update(policy, sgd(policy), data, config, make_generator(0), **options)
    return [b - a for b, a in zip(before, weights(policy), strict=True)]


def assert_same(found: list[Tensor], expected: list[Tensor]) -> None:
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


# --- judging


def test_judge_gives_gae_and_the_targets_that_go_with_it(rollout, experience):
    e = experience(0, batch=2, steps=3)
    record = rollout(**e._asdict(), logprobs=-e.rewards.abs())
    config = PPOConfig(gamma=0.9, gae_lambda=0.7)
    judged = judge(record, config)
    advantages = gae(*e, gamma=0.9, gae_lambda=0.7)
    assert torch.equal(judged.advantages, advantages)
    assert torch.equal(judged.returns, advantages + e.values)
    assert torch.equal(judged.old_values, e.values)
    assert torch.equal(judged.old_logprobs, record.logprobs)
    assert judged.mask is record.mask


def test_judge_takes_the_readers_advantage_function(rollout):
    def mine(rewards, values, last_values, terminated, truncated, *, gamma, gae_lambda):
        return torch.full_like(rewards, gamma + gae_lambda)

    judged = judge(rollout(), PPOConfig(gamma=0.5, gae_lambda=0.25), advantage_fn=mine)
    assert judged.advantages.unique().tolist() == [0.75]


# --- one step, exactly


def loss_by_hand(policy, data: Batch, config: PPOConfig, advantages: Tensor) -> Tensor:
    """−L^CLIP + c₁ L^VF − c₂ S over the masked steps, written out. Schulman (2017), eq. 9."""
    logprobs, values, entropy = policy.evaluate(data.observations, data.actions)
    total, count = torch.zeros(()), 0
    for b, t in data.mask.nonzero().tolist():
        ratio = (logprobs[b, t] - data.old_logprobs[b, t]).exp()
        clipped = ratio.clamp(1 - config.clip_range, 1 + config.clip_range)
        gain = torch.min(ratio * advantages[b, t], clipped * advantages[b, t])
        error = 0.5 * (values[b, t] - data.returns[b, t]) ** 2
        total = total - gain + config.value_coef * error - config.entropy_coef * entropy[b, t]
        count += 1
    return total / count


@pytest.mark.parametrize("normalise", [False, True])
def test_one_step_follows_the_gradient_of_equation_9(states, normalise):
    mask = torch.rand(12, 5, generator=make_generator(1)) < 0.7
    data, policy = states(mask=mask), Tabular()
    config = replace(
        ONE_STEP, normalise_advantages=normalise, value_coef=0.3, entropy_coef=0.05, clip_range=0.1
    )
    advantages = data.advantages
    if normalise:
        chosen = advantages[mask]
        advantages = (advantages - chosen.mean()) / chosen.std(unbiased=False)
    loss = loss_by_hand(policy, data, config, advantages)
    expected = list(torch.autograd.grad(loss, list(policy.parameters())))
    assert min(g.norm() for g in expected) > 0.01
    assert_same(step(policy, data, config), expected)


@pytest.mark.parametrize("max_norm", [1e-3, 1e3])
def test_the_gradient_is_shortened_to_its_greatest_norm(states, max_norm):
    data = states()
    full = step(Tabular(), data, ONE_STEP)
    norm = torch.cat([g.flatten() for g in full]).norm().item()
    assert 1e-3 < norm < 1e3
    found = step(Tabular(), data, replace(ONE_STEP, max_gradient_norm=max_norm))
    assert_same(found, [g * min(1, max_norm / norm) for g in full])


def test_the_auxiliary_loss_is_added_with_its_own_weight(states):
    data, policy = states(), Tabular()
    coefficient = 0.37

    def auxiliary() -> Tensor:
        return coefficient * (policy.logits.square().sum() + policy.value.sum())

    plain = step(Tabular(), data, ONE_STEP)
    found = step(policy, data, ONE_STEP, auxiliary_loss=auxiliary)
    start = Tabular()
    extra = [2 * coefficient * start.logits.detach(), torch.full((4,), coefficient)]
    assert_same(found, [p + x for p, x in zip(plain, extra, strict=True)])


def test_the_auxiliary_loss_is_added_to_every_minibatch(states):
    policy, calls = Tabular(), []

    def auxiliary() -> Tensor:
        calls.append(policy.value.detach().clone())
        return policy.value.sum() * 0 + len(calls)

    config = replace(ONE_STEP, epochs=3, minibatches=4)
    stats = update(
        policy, sgd(policy, 0.1), states(), config, make_generator(0), auxiliary_loss=auxiliary
    )
    assert len(calls) == 12
    assert stats["auxiliary_loss"] == pytest.approx(6.5)  # the mean of 1 … 12
    assert not torch.equal(calls[0], calls[1])  # each sees the weights of its minibatch


def test_other_losses_can_be_plugged_in(states):
    data = states()
    config = replace(ONE_STEP, normalise_advantages=False, value_coef=1.0)
    for loss in (policy_gradient_loss, surrogate, partial(kl_penalised_surrogate, kl_coef=0.5)):
        policy = Tabular()
        judged = policy.evaluate(data.observations, data.actions)
        expected = loss(judged.logprobs, data.old_logprobs, data.advantages).mean()
        (gradient,) = torch.autograd.grad(expected, policy.logits)
        assert_same(step(policy, data, config, policy_loss=loss)[:1], [gradient])
    policy = Tabular()
    critic = partial(clipped_value_loss, clip_range=0.1)
    values = policy.evaluate(data.observations, data.actions).values
    (gradient,) = torch.autograd.grad(
        critic(values, data.old_values, data.returns).mean(), policy.value
    )
    assert_same(step(policy, data, config, value_loss=critic)[1:], [gradient])


def test_an_entropy_bonus_raises_the_entropy(states):
    zeros = torch.zeros(12, 5)
    data = states(advantages=zeros)
    policy, plain = Tabular(), Tabular()
    before = policy.evaluate(data.observations, data.actions).entropy.mean()
    step(plain, data, ONE_STEP)
    assert torch.equal(plain.logits, Tabular().logits)  # nothing to learn, nothing learned
    for _ in range(10):
        step(policy, data, replace(ONE_STEP, entropy_coef=0.1))
    assert policy.evaluate(data.observations, data.actions).entropy.mean() > before + 0.01


# --- statistics


def test_statistics_by_hand():
    """Two states, ratios 2 and 1 of one action each: half the ratios are beyond ε."""
    policy = Tabular(2, 2)
    with torch.no_grad():
        policy.logits.copy_(torch.tensor([[0.5, 0.5], [0.25, 0.75]]).log())
        policy.value.copy_(torch.tensor([1.0, 2.0]))
    data = Batch(
        observations=torch.tensor([[0], [1]]),
        actions=torch.tensor([[0], [1]]),
        old_logprobs=torch.tensor([[0.25], [0.75]]).log(),
        old_values=torch.tensor([[1.0], [2.0]]),
        advantages=torch.tensor([[0.5], [-0.25]]),
        returns=torch.tensor([[2.0], [2.0]]),
        mask=torch.ones(2, 1, dtype=torch.bool),
    )
    config = replace(ONE_STEP, normalise_advantages=False)
    stats = update(policy, sgd(policy), data, config, make_generator(0))
    assert all(type(value) is float for value in stats.values())
    assert stats["clip_fraction"] == 0.5
    # KL[π_old‖π_θ] by k3: ρ − 1 − log ρ = 1 − log 2 at ρ = 2, 0 at ρ = 1
    assert stats["kl"] == pytest.approx((1 - math.log(2)) / 2)
    assert stats["policy_loss"] == pytest.approx(-(1.2 * 0.5 - 0.25) / 2)
    assert stats["value_loss"] == pytest.approx(0.25)
    entropy = (math.log(2) - 0.25 * math.log(0.25) - 0.75 * math.log(0.75)) / 2
    assert stats["entropy"] == pytest.approx(entropy)
    assert math.isnan(stats["explained_variance"])  # all returns are equal
    # policy: clipped at ρ = 2, so only the value of state 0 and the logits of state 1 move
    logits = 0.25 * 0.25 / 2  # |Â| π(other) / 2 steps
    assert stats["gradient_norm"] == pytest.approx(math.hypot(0.25, logits, logits))


def test_the_first_minibatch_has_ratio_1():
    """Before any step π_θ is π_old: KL 0, nothing clipped, and the loss is −mean Â = 0."""
    with initial_weights(0):
        policy = CategoricalActorCritic(4, 2)
    actors = Actors("CartPole-v1", 8, seed=0)
    data = judge(actors.run(policy, 40, make_generator(0)), ONE_STEP).flatten()
    stats = update(policy, make_optimizer(policy, ONE_STEP), data, ONE_STEP, make_generator(0))
    assert stats["clip_fraction"] == 0
    assert abs(stats["kl"]) < 1e-10
    assert stats["policy_loss"] == pytest.approx(0, abs=1e-5)
    stats = update(policy, make_optimizer(policy, ONE_STEP), data, ONE_STEP, make_generator(0))
    assert stats["kl"] > 1e-8  # and after a step it is not


def test_explained_variance_is_that_of_the_critic_that_acted(states):
    data = states()
    perfect = replace(data, old_values=data.returns + 3.0)
    for batch_, expected in [(perfect, 1.0), (replace(data, old_values=data.returns * 0), 0.0)]:
        policy = Tabular()
        stats = update(policy, sgd(policy), batch_, ONE_STEP, make_generator(0))
        assert stats["explained_variance"] == pytest.approx(expected, abs=1e-5)


# --- minibatches


@pytest.mark.parametrize(("rows", "parts"), [(12, 4), (13, 4), (4, 4), (7, 1)])
def test_every_epoch_deals_every_row_once(states, rows, parts):
    config = PPOConfig(epochs=3, minibatches=parts)
    numbers = torch.arange(float(rows))[:, None]
    numbered = states(rows=rows, steps=1, advantages=numbers)
    dealt = minibatches(numbered, config, make_generator(0))
    hands = [part.advantages[:, 0] for part in dealt]
    assert len(hands) == 3 * parts
    epochs = [torch.cat(hands[i * parts : (i + 1) * parts]).tolist() for i in range(3)]
    assert all(sorted(epoch) == list(range(rows)) for epoch in epochs)
    sizes = {len(hand) for hand in hands}
    assert max(sizes) - min(sizes) <= 1
    if rows > 4:
        assert epochs[0] != epochs[1] != epochs[2]


def test_the_generator_decides_the_minibatches(states):
    results = []
    for seed in (0, 0, 1):
        policy = Tabular()
        config = replace(ONE_STEP, minibatches=3)
        update(policy, sgd(policy, 0.1), states(), config, make_generator(seed))
        results.append(policy.logits.detach())
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])


def test_fewer_rows_than_minibatches_is_an_error(states):
    policy = Tabular()
    before = weights(policy)
    with pytest.raises(ValueError, match="3 rows cannot be cut into 4 minibatches"):
        update(policy, sgd(policy), states(rows=3), PPOConfig(), make_generator(0))
    assert_same(weights(policy), before)


def test_a_single_row_per_minibatch_is_allowed(states):
    policy = Tabular()
    before = policy.logits.detach().clone()
    stats = update(policy, sgd(policy), states(4, 1), PPOConfig(), make_generator(0))
    assert all(math.isfinite(value) for value in stats.values())
    assert not torch.equal(policy.logits, before)  # one advantage alone is not whitened to 0


# --- padding


@pytest.mark.parametrize("padding", [-50.0, 0.0, 50.0, 1e6])
def test_padding_never_changes_an_update(states, padding):
    """Weights after several steps are bit-identical whatever the padding holds."""
    mask = torch.arange(5) < torch.randint(1, 6, (12, 1), generator=make_generator(3))
    assert not mask.all()

    def train(fill: float | None) -> list[Tensor]:
        data = states(mask=mask)
        if fill is not None:
            data = replace(
                data,
                old_logprobs=torch.where(mask, data.old_logprobs, max(min(fill, 50), -50)),
                old_values=torch.where(mask, data.old_values, fill),
                advantages=torch.where(mask, data.advantages, fill),
                returns=torch.where(mask, data.returns, fill),
                observations=torch.where(mask, data.observations, 3),
                actions=torch.where(mask, data.actions, 0),
            )
        policy = Tabular()
        config = PPOConfig(epochs=2, minibatches=2, entropy_coef=0.01)
        update(policy, make_optimizer(policy, config), data, config, make_generator(0))
        return weights(policy)

    for found, expected in zip(train(padding), train(None), strict=True):
        assert torch.equal(found, expected)


def test_a_minibatch_of_nothing_but_padding_is_an_error(states):
    mask = torch.ones(4, 5, dtype=torch.bool)
    mask[2] = False
    policy = Tabular()
    with pytest.raises(ValueError, match="the mask selects no element"):
        update(policy, sgd(policy), states(rows=4, mask=mask), PPOConfig(), make_generator(0))


# --- what is not finite


@pytest.mark.parametrize("where", ["advantages", "returns", "old_logprobs"])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_number_that_is_not_finite_stops_before_any_harm(states, where, value):
    data = states()
    getattr(data, where)[3, 2] = -value if where == "old_logprobs" else value
    policy = Tabular()
    optimizer = make_optimizer(policy, ONE_STEP)
    before = weights(policy)
    with pytest.raises(FloatingPointError, match="gradient is not finite") as error:
        update(policy, optimizer, data, ONE_STEP, make_generator(0))
    assert "\n" not in str(error.value)
    assert "policy_loss" in str(error.value)
    assert all(torch.equal(a, b) for a, b in zip(weights(policy), before, strict=True))
    assert not optimizer.state  # no moment was touched either


def test_a_nan_reward_is_caught_at_the_update():
    with initial_weights(0):
        policy = CategoricalActorCritic(4, 2)
    record = Actors("CartPole-v1", 4, seed=0).run(policy, 20, make_generator(0))
    record.rewards[1, 5] = math.nan
    data = judge(record, PPOConfig()).flatten()
    before = weights(policy)
    with pytest.raises(FloatingPointError, match="Look for NaN in rewards or observations"):
        update(policy, make_optimizer(policy, PPOConfig()), data, ONE_STEP, make_generator(0))
    assert all(torch.equal(a, b) for a, b in zip(weights(policy), before, strict=True))


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("constant", [False, True])
def test_an_auxiliary_loss_that_is_not_finite_is_caught(states, value, constant):
    """Also one without a gradient: NaN must not be reported as an average and trained past."""
    policy = Tabular()
    before = weights(policy)

    def auxiliary() -> Tensor:
        return torch.tensor(value) if constant else policy.value.sum() * value

    with pytest.raises(FloatingPointError, match="auxiliary_loss"):
        update(policy, sgd(policy), states(), ONE_STEP, make_generator(0), auxiliary_loss=auxiliary)
    assert all(torch.equal(a, b) for a, b in zip(weights(policy), before, strict=True))


def test_steps_before_the_one_that_fails_are_kept(states):
    """The policy then holds the weights before *that* step, finite ones."""
    policy, calls = Tabular(), []

    def auxiliary() -> Tensor:
        calls.append(weights(policy))
        return policy.value.sum() * (math.nan if len(calls) == 3 else 0.0)

    config = replace(ONE_STEP, minibatches=4)
    with pytest.raises(FloatingPointError):
        update(
            policy, sgd(policy, 0.1), states(), config, make_generator(0), auxiliary_loss=auxiliary
        )
    assert len(calls) == 3
    assert all(torch.equal(a, b) for a, b in zip(weights(policy), calls[2], strict=True))
    assert all(torch.isfinite(w).all() for w in weights(policy))
    # and it can go on
    stats = update(policy, sgd(policy, 0.1), states(), config, make_generator(0))
    assert all(math.isfinite(v) for v in stats.values())


# --- configuration and optimiser


def test_a_misspelt_field_is_refused():
    with pytest.raises(TypeError, match="gea_lambda"):
        PPOConfig(gea_lambda=0.9)
    with pytest.raises(FrozenInstanceError):
        PPOConfig().gea_lambda = 0.9


def test_the_optimiser_is_adam_with_the_original_epsilon():
    policy = Tabular()
    optimizer = make_optimizer(policy, PPOConfig(learning_rate=3e-4))
    assert isinstance(optimizer, torch.optim.Adam)
    (group,) = optimizer.param_groups
    assert (group["lr"], group["eps"], group["weight_decay"]) == (3e-4, 1e-5, 0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_optimiser_steps_as_plain_adam_does(states, dtype):
    results = []
    for fused in (True, False):
        policy = Tabular().to(dtype)
        optimizer = make_optimizer(policy, PPOConfig())
        if not fused:
            optimizer = torch.optim.Adam(policy.parameters(), lr=1e-3, eps=1e-5)
        update(policy, optimizer, states(), PPOConfig(), make_generator(0))
        results.append(weights(policy))
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b)


def test_float64_stays_float64(batch):
    with initial_weights(0):
        policy = CategoricalActorCritic(4, 3).double()
    data = batch(rows=16)
    data = replace(
        data,
        **{
            name: getattr(data, name).double()
            for name in ("observations", "old_logprobs", "old_values", "advantages", "returns")
        },
    )
    stats = update(
        policy, make_optimizer(policy, PPOConfig()), data, PPOConfig(), make_generator(0)
    )
    assert {p.dtype for p in policy.parameters()} == {torch.float64}
    assert all(math.isfinite(v) for v in stats.values())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")
def test_gpu_and_cpu_learn_alike(batch):
    results = []
    for device in ("cpu", "cuda"):
        with initial_weights(0):
            policy = CategoricalActorCritic(4, 3)
        policy.to(device)
        optimizer = make_optimizer(policy, PPOConfig())
        update(policy, optimizer, batch(rows=64).to(device), PPOConfig(), make_generator(0))
        results.append([w.cpu() for w in weights(policy)])
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-5)


# --- learning: known optima


class Chain(VectorEnv):
    """Five states in a row, start in the second. The left exit pays 0.3 at once, the right one 1.

    With γ = 0.9 going right is worth γ^(steps to the exit) and is best everywhere;
    from the start, 0.9³ = 0.729 > 0.9 · 0.3. Every other step pays nothing.
    """

    metadata = {"autoreset_mode": AutoresetMode.NEXT_STEP}  # noqa: RUF012
    states, limit = 5, 30
    single_action_space = spaces.Discrete(2)
    single_observation_space = spaces.Box(0.0, 1.0, (5,), np.float32)

    def __init__(self, num_envs: int) -> None:
        self.num_envs = num_envs

    def reset(self, *, seed=None, options=None):
        self.state = np.ones(self.num_envs, dtype=int)
        self.steps = np.zeros(self.num_envs, dtype=int)
        self.ended = np.zeros(self.num_envs, dtype=bool)
        return self.observe(), {}

    def observe(self) -> np.ndarray:
        return np.eye(self.states, dtype=np.float32)[self.state.clip(0, self.states - 1)]

    def step(self, actions):
        again = self.ended
        self.state = np.where(again, 1, self.state + 2 * np.asarray(actions) - 1)
        self.steps = np.where(again, 0, self.steps + 1)
        rewards = np.where(self.state == self.states, 1.0, np.where(self.state < 0, 0.3, 0.0))
        terminated = (self.state < 0) | (self.state == self.states)
        truncated = self.steps >= self.limit
        self.ended = terminated | truncated
        return self.observe(), rewards, terminated, truncated, {}


CHAIN = PPOConfig(
    steps=32, epochs=4, minibatches=4, gamma=0.9, learning_rate=5e-3, entropy_coef=0.01
)


@pytest.mark.learning
@pytest.mark.parametrize("seed", SEEDS)
def test_ppo_reaches_the_optimum_of_a_chain(seed):
    """π* goes right everywhere and V*(s) = 0.9^(4 − s)."""
    generator = make_generator(seed)
    with initial_weights(seed):
        policy = CategoricalActorCritic(5, 2, hidden=(16,))
    optimizer, actors = make_optimizer(policy, CHAIN), Actors(Chain(16), seed=seed)
    for _ in range(40):
        data = judge(actors.run(policy, CHAIN.steps, generator), CHAIN).flatten()
        update(policy, optimizer, data, CHAIN, generator)
    with torch.no_grad():
        right = policy.actor(torch.eye(5)).softmax(-1)[:, 1]
        values = policy.values(torch.eye(5))
    assert (right[1:] > 0.9).all(), right
    torch.testing.assert_close(values[1:], 0.9 ** torch.arange(3.0, -1, -1), atol=0.08, rtol=0)
    assert actors.recent_return(100) > 0.95


class Target(VectorEnv):
    """One step: the action a pays −(a − 0.7)²."""

    metadata = {"autoreset_mode": AutoresetMode.NEXT_STEP}  # noqa: RUF012
    single_action_space = spaces.Box(-2.0, 2.0, (1,), np.float32)
    single_observation_space = spaces.Box(0.0, 1.0, (1,), np.float32)

    def __init__(self, num_envs: int) -> None:
        self.num_envs = num_envs

    def reset(self, *, seed=None, options=None):
        self.ended = np.zeros(self.num_envs, dtype=bool)
        return np.ones((self.num_envs, 1), np.float32), {}

    def step(self, actions):
        rewards = np.where(self.ended, 0.0, -((actions[:, 0] - 0.7) ** 2))
        self.ended = ~self.ended
        observations = np.ones((self.num_envs, 1), np.float32)
        return observations, rewards, self.ended, np.zeros(self.num_envs, dtype=bool), {}


@pytest.mark.learning
@pytest.mark.parametrize("seed", SEEDS)
def test_ppo_reaches_the_optimum_of_a_continuous_bandit(seed):
    config = PPOConfig(steps=16, minibatches=2, gamma=0.9, learning_rate=5e-3)
    generator = make_generator(seed)
    with initial_weights(seed):
        policy = GaussianActorCritic(1, 1, hidden=(16,))
    optimizer, actors = make_optimizer(policy, config), Actors(Target(32), seed=seed)
    for _ in range(40):
        data = judge(actors.run(policy, config.steps, generator), config).flatten()
        update(policy, optimizer, data, config, generator)
    assert policy.greedy(torch.ones(1)).item() == pytest.approx(0.7, abs=0.05)
    assert policy.log_std.exp().item() < 0.7


def train_text(policy, score, config: PPOConfig, *, steps, kl_coef, seed, iterations) -> Tensor:
    """The same `judge` and `update` on texts: rows are whole responses, padding is masked."""
    reference = BigramActorCritic(4)
    optimizer, generator = make_optimizer(policy, config), make_generator(seed)
    for _ in range(iterations):
        prompts = torch.randint(1, 4, (128, 2), generator=generator)
        rollout, scores = respond(
            policy, reference, prompts, score,
            steps=steps, end_token=0, kl_coef=kl_coef, generator=generator,
        )  # fmt: skip
        update(policy, optimizer, judge(rollout, config), config, generator)
    return scores


@pytest.mark.learning
@pytest.mark.parametrize("seed", SEEDS)
def test_the_same_update_teaches_a_token_policy_with_padding(seed):
    """Score: say 1 and then stop. Best of all responses of up to 5 tokens: (1, end), score 1."""

    def score(texts: Tensor, mask: Tensor) -> Tensor:
        response = texts[:, 2:]
        said_1 = (response[:, 0] == 1).float()
        return said_1 * (mask.sum(1) == 2) - 0.1 * (mask.sum(1) > 2)

    config = PPOConfig(minibatches=2, gamma=1.0, learning_rate=5e-2)
    policy = BigramActorCritic(4)
    scores = train_text(policy, score, config, steps=5, kl_coef=0.0, seed=seed, iterations=30)
    probabilities = policy.logits.softmax(-1)
    # prompts may end in 1, where the policy cannot know whether it has said it already
    assert (probabilities[2:, 1] > 0.9).all(), probabilities
    assert probabilities[1, 0] > 0.8
    assert scores.mean() > 0.5


@pytest.mark.learning
@pytest.mark.parametrize("seed", SEEDS)
def test_with_a_kl_penalty_the_optimum_is_the_tilted_reference(seed):
    """max E[score] − β KL[π‖π_ref] has π* ∝ π_ref exp(score / β). One-token responses."""
    table, beta = torch.tensor([0.0, 0.2, 0.5, -0.3]), 0.4

    def score(texts: Tensor, mask: Tensor) -> Tensor:
        return table[texts[:, 2]]

    config = PPOConfig(
        epochs=1, minibatches=2, gamma=1.0, learning_rate=3e-2, normalise_advantages=False
    )
    policy = BigramActorCritic(4)
    train_text(policy, score, config, steps=1, kl_coef=beta, seed=seed, iterations=120)
    expected = (table / beta).softmax(-1)
    found = policy.logits.softmax(-1)[1:].mean(0)
    torch.testing.assert_close(found, expected, atol=0.05, rtol=0)


def test_mixed_devices_are_one_clear_sentence(states):
    with pytest.raises(ValueError, match=r"tensors on different devices.*\.to\(device\)"):
        states(advantages=torch.zeros(12, 5, device="meta"))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"epochs": 0}, "epochs must be at least 1"),
        ({"minibatches": 0}, "minibatches must be at least 1"),
        ({"gamma": 1.5}, r"gamma must lie in \[0, 1\]"),
        ({"gae_lambda": -0.1}, r"gae_lambda must lie in \[0, 1\]"),
    ],
)
def test_an_impossible_configuration_is_refused(wrong: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PPOConfig(**wrong)
