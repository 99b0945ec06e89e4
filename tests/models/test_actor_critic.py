"""Actor-critics: what is drawn follows the policy, what is judged equals the textbook densities."""

from __future__ import annotations

import math

import pytest
import torch
from scipy import stats
from torch import nn

from anatomy.models.actor_critic import (
    ActorCritic,
    CategoricalActorCritic,
    GaussianActorCritic,
    mlp,
)
from anatomy.runtime import initial_weights, make_generator


def categorical(seed: int = 0, actions: int = 4) -> CategoricalActorCritic:
    with initial_weights(seed):
        policy = CategoricalActorCritic(3, actions, hidden=(8,))
        nn.init.normal_(policy.actor[-1].weight)  # away from uniform
    return policy


def gaussian(seed: int = 0, size: int = 2) -> GaussianActorCritic:
    with initial_weights(seed):
        policy = GaussianActorCritic(3, size, hidden=(8,), initial_std=0.5)
        nn.init.normal_(policy.actor[-1].weight)
    return policy


POLICIES = {"categorical": categorical, "gaussian": gaussian}


def draw(policy: ActorCritic, observations: torch.Tensor, seed: int) -> torch.Tensor:
    return policy.act(observations, policy.noise(observations.shape[:-1], make_generator(seed)))


def test_gumbel_argmax_draws_from_the_softmax():
    """χ² of 40 000 draws against the probabilities; a fixed seed, so it cannot flicker."""
    policy, state = categorical(), torch.tensor([0.5, -1.0, 2.0])
    draws = draw(policy, state.expand(40_000, 3), seed=1)
    expected = policy.actor(state).softmax(-1).detach().double()
    assert expected.max() < 0.95
    counts = torch.bincount(draws, minlength=4).double()
    assert stats.chisquare(counts, 40_000 * expected / expected.sum()).pvalue > 0.01


def test_gaussian_actions_have_the_stated_mean_and_deviation():
    policy, state = gaussian(), torch.tensor([0.5, -1.0, 2.0])
    draws = draw(policy, state.expand(40_000, 3), seed=1).detach()
    z = (draws - policy.actor(state)) / policy.log_std.exp()
    for column in z.detach().T:
        assert stats.kstest(column.numpy(), "norm").pvalue > 0.01


@pytest.mark.parametrize("extreme", [0.0, 1 - 2**-24])
def test_gumbel_noise_is_finite_at_the_ends_of_the_uniform(monkeypatch, extreme):
    monkeypatch.setattr(torch, "rand", lambda *shape, **_: torch.full(shape, extreme))
    noise = categorical().noise((2, 3), make_generator(0))
    assert noise.shape == (2, 3, 4)
    assert torch.isfinite(noise).all()


def test_categorical_densities_equal_torch_distributions():
    policy = categorical()
    observations, actions = torch.randn(5, 7, 3), torch.randint(4, (5, 7))
    reference = torch.distributions.Categorical(logits=policy.actor(observations))
    logprobs, values, entropy = policy.evaluate(observations, actions)
    torch.testing.assert_close(logprobs, reference.log_prob(actions))
    torch.testing.assert_close(entropy, reference.entropy())
    torch.testing.assert_close(values, policy.critic(observations)[..., 0])
    assert torch.equal(policy.greedy(observations), reference.probs.argmax(-1))


def test_gaussian_densities_equal_torch_distributions():
    policy = gaussian()
    observations, actions = torch.randn(5, 7, 3), torch.randn(5, 7, 2)
    reference = torch.distributions.Independent(
        torch.distributions.Normal(policy.actor(observations), policy.log_std.exp()), 1
    )
    logprobs, _, entropy = policy.evaluate(observations, actions)
    torch.testing.assert_close(logprobs, reference.log_prob(actions))
    torch.testing.assert_close(entropy, reference.entropy())
    assert torch.equal(policy.greedy(observations), reference.mean)


@pytest.mark.parametrize("kind", POLICIES)
def test_shapes(kind):
    policy = POLICIES[kind]()
    for shape in [(6,), (4, 5), (4, 5, 6)]:
        observations = torch.randn(*shape, 3)
        actions = draw(policy, observations, seed=0)
        assert {tuple(part.shape) for part in policy.evaluate(observations, actions)} == {shape}


@pytest.mark.parametrize("kind", POLICIES)
def test_a_step_and_the_same_step_inside_a_batch_are_judged_alike(kind):
    policy = POLICIES[kind]()
    observations = torch.randn(4, 5, 3)
    actions = draw(policy, observations, seed=0)
    whole = policy.evaluate(observations, actions)
    single = policy.evaluate(observations[2:3, 3:4], actions[2:3, 3:4])
    for part, alone in zip(whole, single, strict=True):
        torch.testing.assert_close(part[2:3, 3:4], alone)


@pytest.mark.parametrize("kind", POLICIES)
def test_acting_is_a_function_of_the_noise_and_the_noise_of_the_generator(kind):
    policy, observations = POLICIES[kind](), torch.randn(50, 3)
    assert torch.equal(draw(policy, observations, 3), draw(policy, observations, 3))
    assert not torch.equal(draw(policy, observations, 3), draw(policy, observations, 4))
    state = torch.get_rng_state()
    draw(policy, observations, 3)
    assert torch.equal(torch.get_rng_state(), state)  # the global stream is not touched


@pytest.mark.parametrize("kind", POLICIES)
def test_gradients_agree_with_finite_differences_in_float64(kind):
    policy = POLICIES[kind]().double()
    observations = torch.randn(3, 2, 3, dtype=torch.float64)
    actions = draw(policy, observations, seed=0).detach()
    names = [name for name, _ in policy.named_parameters()]

    def judge(*weights: torch.Tensor) -> tuple[torch.Tensor, ...]:
        found = torch.func.functional_call(
            Judge(policy), {f"policy.{n}": w for n, w in zip(names, weights, strict=True)},
            (observations, actions),
        )  # fmt: skip
        assert found.logprobs.dtype == torch.float64
        return tuple(found)

    assert torch.autograd.gradcheck(judge, tuple(policy.parameters()))


class Judge(nn.Module):
    def __init__(self, policy: ActorCritic) -> None:
        super().__init__()
        self.policy = policy

    def forward(self, observations: torch.Tensor, actions: torch.Tensor):
        return self.policy.evaluate(observations, actions)


@pytest.mark.parametrize("kind", POLICIES)
def test_actor_and_critic_share_no_weight(kind):
    policy = POLICIES[kind]()
    observations = torch.randn(4, 5, 3)
    actions = draw(policy, observations, seed=0)
    policy.evaluate(observations, actions).values.sum().backward()
    assert all(weight.grad is None for weight in policy.actor.parameters())
    assert all(weight.grad is not None for weight in policy.critic.parameters())


def test_the_first_policy_prefers_nothing():
    """Final gain 0.01: the first probabilities are within a few per cent of uniform."""
    with initial_weights(0):
        policy = CategoricalActorCritic(4, 5)
    probabilities = policy.actor(torch.randn(100, 4)).softmax(-1)
    assert (probabilities - 0.2).abs().max() < 0.01


def test_mlp_layers_are_orthogonal_with_the_stated_gains():
    network = mlp([6, 6, 6], final_gain=0.01)
    first, activation, last = network
    assert isinstance(activation, nn.Tanh)
    torch.testing.assert_close(first.weight @ first.weight.T, 2 * torch.eye(6))
    torch.testing.assert_close(last.weight @ last.weight.T, 1e-4 * torch.eye(6), rtol=0, atol=1e-9)
    assert first.bias.abs().max() == last.bias.abs().max() == 0


def test_certain_policies_have_no_entropy_and_no_nan():
    policy = categorical()
    with torch.no_grad():
        policy.actor[-1].weight.zero_()
        policy.actor[-1].bias.copy_(torch.tensor([1e4, 0.0, -1e4, 0.0]))
    found = policy.evaluate(torch.zeros(1, 4, 3), torch.arange(4)[None])
    assert found.logprobs.tolist() == [[0.0, -1e4, -2e4, -1e4]]
    assert found.entropy.abs().max() == 0
    (found.logprobs.sum() + found.entropy.sum()).backward()
    assert all(torch.isfinite(w.grad).all() for w in policy.actor.parameters())


def test_a_narrow_gaussian_is_finite():
    policy = gaussian()
    with torch.no_grad():
        policy.log_std.fill_(-15.0)
    observations = torch.randn(2, 3)
    actions = draw(policy, observations, seed=0)
    found = policy.evaluate(observations[None], actions[None])
    assert torch.isfinite(found.logprobs).all()
    assert found.entropy[0, 0].item() == pytest.approx(
        2 * (-15 + 0.5 + 0.5 * math.log(2 * math.pi)), rel=1e-5
    )


@pytest.mark.parametrize("kind", POLICIES)
def test_observations_of_another_size_are_one_clear_sentence(kind):
    with pytest.raises(ValueError, match=r"observations of size 3, got \(2, 5, 4\)"):
        POLICIES[kind]().evaluate(torch.zeros(2, 5, 4), torch.zeros(2, 5, dtype=torch.int64))


def test_initial_std():
    torch.testing.assert_close(gaussian().log_std.exp(), torch.tensor([0.5, 0.5]))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")
@pytest.mark.parametrize("kind", POLICIES)
def test_gpu_and_cpu_judge_alike(kind):
    policy = POLICIES[kind]()
    observations = torch.randn(4, 5, 3)
    actions = draw(policy, observations, seed=0).detach()
    here = policy.evaluate(observations, actions)
    there = policy.cuda().evaluate(observations.cuda(), actions.cuda())
    for a, b in zip(here, there, strict=True):
        torch.testing.assert_close(a, b.cpu(), rtol=1e-4, atol=1e-5)
