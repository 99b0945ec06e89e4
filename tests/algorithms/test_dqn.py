"""Deep Q-learning: the target's cases, the record's ends, the ring, and a chain that it solves."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest
import torch
from gymnasium import spaces
from torch import Tensor, nn

from anatomy.algorithms.dqn import (
    DQNConfig,
    copy_weights,
    epsilon_at,
    huber_loss,
    q_target,
    target_network,
    update,
)
from anatomy.algorithms.replay import Replay, Transitions, transitions
from anatomy.envs import Actors
from anatomy.envs.classic import VectorDynamics
from anatomy.estimators import n_step_advantages
from anatomy.models.q_network import EpsilonGreedy, QNetwork
from anatomy.rollout import Rollout
from anatomy.runtime import initial_weights, make_generator

NEXT = torch.tensor([[3.0, 7.0]])  # Q(s', ·) of the network that judges
CHOOSER = torch.tensor([[5.0, 1.0]])  # of the one that chooses: it prefers the other action
ENDED, GOES_ON = torch.tensor([True]), torch.tensor([False])


def moves(count: int, first: float = 0.0, observation: int = 1, **fields: Tensor) -> Transitions:
    """`count` steps that can be told apart: rewards first, first + 1, …"""
    number = torch.arange(count, dtype=torch.float32) + first
    rest = {
        "observations": number[:, None].repeat(1, observation),
        "actions": torch.zeros(count, dtype=torch.long),
        "rewards": number,
        "next_observations": number[:, None].repeat(1, observation) + 1,
        "terminated": torch.zeros(count, dtype=torch.bool),
        "discounts": torch.full((count,), 0.9),
    }
    return Transitions(**rest | fields)


# --- the target ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("terminated", "gamma", "chooser", "expected"),
    [
        (GOES_ON, 0.5, None, 1 + 0.5 * 7),  # Watkins: r + γ max Q
        (ENDED, 0.5, None, 1.0),  # nothing follows
        (GOES_ON, 0.5, CHOOSER, 1 + 0.5 * 3),  # double: one chooses, the other judges
        (ENDED, 0.5, CHOOSER, 1.0),
        (GOES_ON, torch.tensor([0.5**3]), None, 1 + 0.125 * 7),  # three steps further on
        (GOES_ON, 0.0, None, 1.0),
    ],
)
def test_six_cases_of_the_target(terminated, gamma, chooser, expected):
    target = q_target(torch.tensor([1.0]), NEXT, terminated, gamma=gamma, chooser=chooser)
    assert target.tolist() == [expected]


def test_what_follows_a_termination_is_not_even_multiplied():
    hole = torch.tensor([[torch.nan, torch.inf]])
    assert q_target(torch.ones(1), hole, ENDED, gamma=0.9).tolist() == [1.0]


def test_no_gradient_flows_through_a_target():
    judged = NEXT.clone().requires_grad_()
    assert not q_target(torch.ones(1), judged, GOES_ON, gamma=0.9).requires_grad


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((torch.ones(1), NEXT, torch.tensor([0.0])), "bool"),
        ((torch.ones(1), NEXT[0], GOES_ON), "next_action_values"),
        ((torch.ones(2), NEXT, GOES_ON), "shapes must be equal"),
    ],
)
def test_a_target_refuses_what_would_broadcast(arguments, message):
    with pytest.raises((TypeError, ValueError), match=message):
        q_target(*arguments, gamma=0.9)


def test_huber_loss_is_a_parabola_with_straight_arms():
    values = torch.tensor([0.0, 0.0, 0.0, 0.0], requires_grad=True)
    loss = huber_loss(values, torch.tensor([0.5, 1.0, 3.0, -3.0]))
    assert loss.tolist() == [0.125, 0.5, 2.5, 2.5]
    loss.sum().backward()
    assert values.grad.tolist() == [-0.5, -1.0, -1.0, 1.0]  # −δ clipped to [−1, 1]


# --- from rollouts to steps ------------------------------------------------------------


def record(**given: list[list[float]]) -> tuple[Rollout, Tensor]:
    """A rollout (1, T) whose observation at step t is t, and what was seen after it."""
    rewards = torch.tensor(given["rewards"])
    steps = rewards.shape[1]

    def flags(name: str, default: bool = False) -> Tensor:
        return (
            torch.tensor(given[name]).bool() if name in given else torch.full((1, steps), default)
        )

    seen = torch.arange(steps + 1, dtype=torch.float32)[None, :, None]
    return Rollout(
        observations=seen[:, :-1],
        actions=torch.zeros(1, steps, dtype=torch.long),
        logprobs=torch.zeros(1, steps),
        values=torch.zeros(1, steps),
        last_values=torch.zeros(1),
        rewards=rewards,
        terminated=flags("terminated"),
        truncated=flags("truncated"),
        mask=flags("mask", default=True),
    ), seen[:, -1]


def test_single_steps_know_what_followed_them():
    rollout, following = record(
        rewards=[[1.0, 2.0, 0.0, 4.0]],
        terminated=[[0, 1, 0, 0]],
        mask=[[1, 1, 0, 1]],  # step 2 only resets
    )
    found = transitions(rollout, following, gamma=0.5)
    assert found.observations[:, 0].tolist() == [0, 1, 3]
    assert found.next_observations[:, 0].tolist() == [1, 2, 4]  # 2 is the true last observation
    assert found.rewards.tolist() == [1, 2, 4]
    assert found.terminated.tolist() == [False, True, False]
    assert found.discounts.tolist() == [0.5, 0.5, 0.5]


def test_three_step_returns_stop_at_ends_and_at_the_edge():
    rollout, following = record(
        rewards=[[1.0, 2.0, 4.0, 0.0, 8.0, 16.0]],
        truncated=[[0, 0, 1, 0, 0, 0]],
        mask=[[1, 1, 1, 0, 1, 1]],
    )
    found = transitions(rollout, following, gamma=0.5, n=3)
    assert found.rewards.tolist() == [1 + 1 + 1, 2 + 2, 4, 8 + 8, 16]
    assert found.next_observations[:, 0].tolist() == [3, 3, 3, 6, 6]
    assert found.discounts.tolist() == [0.125, 0.25, 0.5, 0.25, 0.5]
    assert not found.terminated.any()  # the clock ran out: Q(s_3) counts in full


def test_a_termination_inside_the_window_ends_the_future():
    rollout, following = record(rewards=[[1.0, 2.0, 4.0]], terminated=[[0, 1, 0]])
    found = transitions(rollout, following, gamma=0.5, n=3)
    assert found.rewards.tolist() == [2, 2, 4]
    assert found.terminated.tolist() == [True, True, False]


@pytest.mark.parametrize("n", [1, 2, 5, 50])
def test_n_step_targets_are_the_estimators_n_step_returns(rollout, n):
    """y = Â^(n) + V(s), where a state has a single action and so Q(s', ·) = V(s')."""
    g = make_generator(n)
    actors, steps = 6, 9
    ends = torch.rand(2, actors, steps, generator=g) < 0.2
    all_values = torch.randn(actors, steps + 1, generator=g)
    named = torch.arange(actors * (steps + 1)).view(actors, steps + 1)  # every state has a number
    data = rollout(
        batch=actors,
        steps=steps,
        observations=named[:, :-1, None].float(),
        rewards=torch.randn(actors, steps, generator=g),
        terminated=ends[0],
        truncated=ends[1] & ~ends[0],
    )
    found = transitions(data, named[:, -1:].float(), gamma=0.9, n=n)
    judged = all_values.flatten()[found.next_observations[:, 0].long()]
    targets = q_target(found.rewards, judged[:, None], found.terminated, gamma=found.discounts)
    values, last_values = all_values[:, :-1], all_values[:, -1]
    advantages = n_step_advantages(
        data.rewards, values, last_values, data.terminated, data.truncated, gamma=0.9, n=n
    )
    torch.testing.assert_close(targets, (advantages + values).flatten())


class Clock(VectorDynamics):
    """Observes (episode, count of steps); action 1 terminates when it leads to an even count."""

    single_action_space = spaces.Discrete(2)
    single_observation_space = spaces.Box(0, 1e6, (2,), np.float32)

    def __init__(self, copies: int = 3, limit: int = 5) -> None:
        super().__init__(copies, limit)
        self.episodes = 0

    def start(self, count):
        self.episodes += 1
        return np.stack([np.full(count, 100.0 * self.episodes), np.zeros(count)], axis=1)

    def advance(self, state, actions):
        state = state + np.array([0.0, 1.0])
        return state, state[:, 1].copy(), (np.asarray(actions) == 1) & (state[:, 1] % 2 == 0)

    def observe(self, state):
        return state.astype(np.float32)


class Dice(nn.Module):
    """Q-values that prefer nothing; with ε = 1 the policy is a coin."""

    def __init__(self) -> None:
        super().__init__()
        self.q = nn.Linear(2, 2)

    def forward(self, observations: Tensor) -> Tensor:
        return 0 * self.q(observations)


def test_next_observations_never_belong_to_the_next_episode():
    """gymnasium resets in the step after an end: the true last observation must be s'."""
    actors = Actors(Clock(), seed=0)
    behaviour, generator = EpsilonGreedy(Dice(), 1.0), make_generator(0)
    ended = 0
    for _ in range(20):
        rollout = actors.run(behaviour, 7, generator)
        found = transitions(rollout, actors.observations, gamma=0.9)
        before, after = found.observations, found.next_observations
        assert (after[:, 0] == before[:, 0]).all()  # the same episode
        assert (after[:, 1] == before[:, 1] + 1).all()  # one step on
        assert (found.rewards == after[:, 1]).all()
        expected = (found.actions == 1) & (after[:, 1] % 2 == 0)
        assert (found.terminated == expected).all()
        ended += int(((after[:, 1] == 5) & ~found.terminated).sum())
    assert ended > 3  # truncations occurred, and were not called terminations


def test_following_must_fit():
    rollout, following = record(rewards=[[1.0, 2.0]])
    with pytest.raises(ValueError, match="what was seen after"):
        transitions(rollout, following[0], gamma=0.9)
    with pytest.raises(ValueError, match="at least 1"):
        transitions(rollout, following, gamma=0.9, n=0)


# --- the ring --------------------------------------------------------------------------


def remembered(replay: Replay) -> set[float]:
    return set(replay.sample(500, make_generator(0)).rewards.tolist())


def test_the_ring_forgets_the_oldest():
    replay = Replay(5)
    replay.add(moves(3))
    assert len(replay) == 3
    assert remembered(replay) == {0, 1, 2}
    replay.add(moves(4, first=3))  # wraps around
    assert len(replay) == 5
    assert remembered(replay) == {2, 3, 4, 5, 6}
    replay.add(moves(12, first=7))  # more than it holds
    assert remembered(replay) == {14, 15, 16, 17, 18}
    replay.add(moves(1, first=19))
    assert remembered(replay) == {15, 16, 17, 18, 19}


def test_a_sampled_step_is_whole_and_all_are_equally_likely():
    replay = Replay(8)
    replay.add(moves(11))
    drawn = replay.sample(20_000, make_generator(3))
    assert (drawn.observations[:, 0] == drawn.rewards).all()
    assert (drawn.next_observations[:, 0] == drawn.rewards + 1).all()
    counts = torch.bincount(drawn.rewards.long(), minlength=11)[3:]
    assert (counts - 2500).abs().max() < 4 * (20_000 * (1 / 8) * (7 / 8)) ** 0.5


def test_the_ring_keeps_types_and_copies():
    new = moves(2, actions=torch.tensor([1, 0]))
    replay = Replay(2)
    replay.add(new)
    new.rewards.fill_(-1)
    drawn = replay.sample(10, make_generator(0))
    assert drawn.actions.dtype == torch.long
    assert drawn.terminated.dtype == torch.bool
    assert (drawn.rewards >= 0).all()


def test_bad_input_gets_one_sentence():
    with pytest.raises(ValueError, match="nothing to sample"):
        Replay(3).sample(1, make_generator(0))
    with pytest.raises(ValueError, match="capacity"):
        Replay(0)
    replay = Replay(3)
    replay.add(moves(1))
    with pytest.raises(ValueError, match="must be"):
        replay.add(moves(1, observation=2))
    full = Replay(1)
    full.add(moves(1))
    with pytest.raises(ValueError, match="actions of a step must be"):
        full.add(moves(1, first=9.0, actions=torch.zeros(1, 2)))
    assert full.sample(1, make_generator(0)).observations.item() == 0.0  # nothing was overwritten
    with pytest.raises(TypeError, match="bool"):
        moves(2, terminated=torch.zeros(2))
    with pytest.raises(ValueError, match="actions must have N"):
        moves(2, actions=torch.zeros(3))
    with pytest.raises(ValueError, match="discounts"):
        moves(2, discounts=torch.ones(2, 1))


# --- schedule, copies, update ----------------------------------------------------------


def test_exploration_falls_in_a_straight_line_and_stays():
    config = DQNConfig(epsilon_end=0.1, epsilon_steps=100)
    found = [epsilon_at(step, config) for step in (0, 50, 100, 1000)]
    assert found == pytest.approx([1.0, 0.55, 0.1, 0.1])


def test_config_is_frozen_and_checked():
    with pytest.raises(FrozenInstanceError):
        DQNConfig().gamma = 0.5  # type: ignore[misc]
    with pytest.raises(ValueError, match="copy_every"):
        DQNConfig(copy_every=0)
    with pytest.raises(ValueError, match="epsilon_end"):
        DQNConfig(epsilon_end=2)


def test_copies_whole_and_in_part():
    network, other = QNetwork(1, 2, (3,)), QNetwork(1, 2, (3,))
    target = target_network(network)
    assert not any(weight.requires_grad for weight in target.parameters())
    before = [weight.clone() for weight in target.parameters()]
    copy_weights(other, target, share=0.25)
    for old, new, mixed in zip(before, other.parameters(), target.parameters(), strict=True):
        torch.testing.assert_close(mixed, 0.75 * old + 0.25 * new)
    copy_weights(other, target)
    for new, copied in zip(other.parameters(), target.parameters(), strict=True):
        assert torch.equal(new, copied)


class Table(nn.Module):
    """Q as a table over states 0 … S − 1."""

    def __init__(self, values: list[list[float]]) -> None:
        super().__init__()
        self.values = nn.Parameter(torch.tensor(values))

    def forward(self, observations: Tensor) -> Tensor:
        return self.values[observations[..., 0].long()]


def test_one_step_moves_only_the_action_taken_towards_the_target():
    network, target = Table([[0.0, 0.0], [0.2, 0.6]]), Table([[9.0, 9.0], [0.4, 0.1]])
    batch = Transitions(
        observations=torch.tensor([[0.0]]),
        actions=torch.tensor([1]),
        rewards=torch.tensor([0.3]),
        next_observations=torch.tensor([[1.0]]),
        terminated=torch.tensor([False]),
        discounts=torch.tensor([0.5]),
    )
    for double, worth in ((False, 0.4), (True, 0.1)):  # double: the network prefers action 1
        learner = target_network(network).requires_grad_()
        optimizer = torch.optim.SGD(learner.parameters(), lr=1.0)
        stats = update(learner, target, optimizer, batch, DQNConfig(double=double))
        expected = torch.tensor([[0.0, 0.3 + 0.5 * worth], [0.2, 0.6]])
        torch.testing.assert_close(learner.values.data, expected)
        assert stats["target"] == pytest.approx(0.3 + 0.5 * worth)
        assert stats["loss"] == pytest.approx(0.5 * stats["target"] ** 2)


def test_another_target_can_be_plugged_in():
    network = Table([[0.0, 0.0], [0.0, 0.0]])
    batch = moves(1, first=1.0, observation=1)
    batch = replace(batch, next_observations=batch.observations)
    optimizer = torch.optim.SGD(network.parameters(), lr=1.0)
    update(
        network,
        network,
        optimizer,
        batch,
        DQNConfig(),
        target_fn=lambda rewards, *_, **__: torch.full_like(rewards, 0.25),
    )
    assert network.values.data.tolist() == [[0.0, 0.0], [0.25, 0.0]]


def test_a_poisoned_step_stops_and_changes_nothing():
    network = Table([[0.0, 0.0], [0.0, 0.0]])
    batch = moves(1, rewards=torch.tensor([torch.nan]))
    with pytest.raises(FloatingPointError, match="not finite"):
        update(network, network, torch.optim.SGD(network.parameters(), lr=1.0), batch, DQNConfig())
    assert (network.values == 0).all()


# --- learning --------------------------------------------------------------------------


class Chain(VectorDynamics):
    """Places 0 … 4, start at 0. Right: on; at 4, an end that pays 1. Left: an end that pays 0.2.

    At γ = 0.9 the best first action is right, worth 0.9⁴ = 0.6561 against 0.2.
    """

    single_action_space = spaces.Discrete(2)
    single_observation_space = spaces.Box(0, 1, (5,), np.float32)

    def __init__(self, copies: int) -> None:
        super().__init__(copies, 20)

    def start(self, count):
        return np.zeros((count, 1))

    def advance(self, state, actions):
        right = np.asarray(actions) == 1
        last = state[:, 0] == 4
        rewards = np.where(right, np.where(last, 1.0, 0.0), 0.2)
        return np.minimum(state + 1, 4), rewards, ~right | last

    def observe(self, state):
        return np.eye(5, dtype=np.float32)[state[:, 0].astype(int)]


@pytest.mark.learning
@pytest.mark.parametrize(("double", "n"), [(False, 1), (True, 1), (True, 3)])
def test_it_finds_the_values_of_a_chain(double: bool, n: int):
    config = DQNConfig(
        steps=4, updates=4, batch_size=32, capacity=2_000, warm_up=100, copy_every=5,
        gamma=0.9, learning_rate=1e-2, epsilon_end=0.5, epsilon_steps=1, double=double,
    )  # fmt: skip
    generator = make_generator(0)
    with initial_weights(0):
        network = QNetwork(5, 2, (16,))
    target = target_network(network)
    optimizer = torch.optim.Adam(network.parameters(), lr=config.learning_rate)
    actors, replay = Actors(Chain(8), seed=0), Replay(config.capacity)
    for i in range(150):
        behaviour = EpsilonGreedy(network, epsilon_at(actors.steps, config))
        rollout = actors.run(behaviour, config.steps, generator)
        replay.add(transitions(rollout, actors.observations, gamma=config.gamma, n=n))
        if actors.steps >= config.warm_up:
            for _ in range(config.updates):
                update(network, target, optimizer, replay.sample(32, generator), config)
        if i % config.copy_every == 0:
            copy_weights(network, target)
    found = network(torch.eye(5)).detach()
    if n == 1:  # several steps of an exploring policy are worth less than the best ones
        best = torch.tensor([[0.2, 0.9**k] for k in (4, 3, 2, 1, 0)])
        torch.testing.assert_close(found, best, atol=0.05, rtol=0)
    assert (found.argmax(dim=1) == 1).all()
