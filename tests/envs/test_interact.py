"""Acting: what a rollout records around ends, and what is counted about episodes.

A scripted environment makes every number predictable: it observes (episode,
steps into it) and pays 10 · episode + steps, so that a misplaced row shows.
"""

from __future__ import annotations

import math
from dataclasses import fields
from itertools import pairwise

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv
from torch import Tensor, nn

from anatomy.algorithms.ppo import PPOConfig, judge
from anatomy.envs import Actors, evaluate_policy, make_envs
from anatomy.envs.episodes import play_episodes
from anatomy.envs.interact import require_match
from anatomy.models.actor_critic import ActorCritic, CategoricalActorCritic, GaussianActorCritic
from anatomy.rollout import Rollout
from anatomy.runtime import initial_weights, make_generator


class Scripted(VectorEnv):
    """Copy i runs episodes of the lengths `script[i]`, over and over; negative: truncated."""

    metadata = {"autoreset_mode": AutoresetMode.NEXT_STEP}  # noqa: RUF012

    def __init__(self, script: list[list[int]], action_space: spaces.Space | None = None) -> None:
        self.script = script
        self.num_envs = len(script)
        self.single_action_space = action_space or spaces.Discrete(2)
        self.single_observation_space = spaces.Box(-np.inf, np.inf, (2,), np.float32)
        self.received: list[np.ndarray] = []

    def reset(self, *, seed=None, options=None):
        self.episode = np.zeros(self.num_envs, dtype=int)
        self.step_number = np.zeros(self.num_envs, dtype=int)
        self.ended = np.zeros(self.num_envs, dtype=bool)
        return self.observe(), {}

    def observe(self) -> np.ndarray:
        return np.stack([self.episode, self.step_number], axis=1).astype(np.float32)

    def step(self, actions):
        self.received.append(np.array(actions))
        rewards = np.zeros(self.num_envs)
        terminated, truncated = np.zeros((2, self.num_envs), dtype=bool)
        for i in range(self.num_envs):
            if self.ended[i]:
                self.episode[i] += 1
                self.step_number[i] = 0
                continue
            rewards[i] = 10 * self.episode[i] + self.step_number[i]
            self.step_number[i] += 1
            length = self.script[i][self.episode[i] % len(self.script[i])]
            over = self.step_number[i] == abs(length)
            terminated[i], truncated[i] = over and length > 0, over and length < 0
        self.ended = terminated | truncated
        return self.observe(), rewards, terminated, truncated, {}


class Fixed(nn.Module):
    """Always plays `action`; V(s) = 100 · episode + steps; log π = −¼ · steps."""

    def __init__(self, action: Tensor) -> None:
        super().__init__()
        self.action = nn.Parameter(action, requires_grad=False)

    def noise(self, shape, generator: torch.Generator) -> Tensor:
        return torch.zeros(*shape, 1)

    def act(self, observations: Tensor, noise: Tensor) -> Tensor:
        return self.action.expand(len(observations), *self.action.shape)

    def greedy(self, observations: Tensor) -> Tensor:
        return self.act(observations, None)

    def values(self, observations: Tensor) -> Tensor:
        return observations @ torch.tensor([100.0, 1.0])

    def action_logprobs(self, observations: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
        return -observations[..., 1] / 4, torch.zeros(observations.shape[:-1])


FIXED = Fixed(torch.tensor(1))


def run(actors: Actors, steps: int, policy=FIXED) -> Rollout:
    return actors.run(policy, steps, make_generator(0))


def test_a_rollout_around_a_termination_by_hand():
    """Episodes of 2 steps: step, step (end), reset, step, step (end), reset, step."""
    rollout = run(Actors(Scripted([[2]]), seed=0), 7)
    assert rollout.observations[0].tolist() == [
        [0, 0], [0, 1], [0, 2], [1, 0], [1, 1], [1, 2], [2, 0],
    ]  # fmt: skip
    assert rollout.rewards[0].tolist() == [0, 1, 0, 10, 11, 0, 20]
    assert rollout.terminated[0].int().tolist() == [0, 1, 0, 0, 1, 0, 0]
    assert rollout.mask[0].int().tolist() == [1, 1, 0, 1, 1, 0, 1]
    assert not rollout.truncated.any()
    assert rollout.values[0].tolist() == [0, 1, 2, 100, 101, 102, 200]
    assert rollout.last_values.tolist() == [201]
    assert rollout.logprobs[0].tolist() == [0, -0.25, -0.5, 0, -0.25, -0.5, 0]
    assert rollout.actions.tolist() == [[1] * 7]


def test_masked_steps_are_exactly_the_resets():
    rollout = run(Actors(Scripted([[2, -3], [5], [-1]]), seed=0), 30)
    after_end = torch.zeros_like(rollout.mask)
    after_end[:, 1:] = (rollout.terminated | rollout.truncated)[:, :-1]
    assert torch.equal(~rollout.mask, after_end)
    assert after_end.any(dim=1).all()


def test_what_followed_an_end_is_the_final_observation():
    rollout = run(Actors(Scripted([[2, -3], [4], [-1, 6]]), seed=0), 40)
    ends = (rollout.terminated | rollout.truncated)[:, :-1]
    before, after = rollout.observations[:, :-1][ends], rollout.observations[:, 1:][ends]
    assert torch.equal(after[:, 0], before[:, 0])  # the same episode
    assert torch.equal(after[:, 1], before[:, 1] + 1)  # one step further


@pytest.mark.parametrize("steps", [3, 4])
def test_a_truncated_episode_bootstraps_from_its_true_last_observation(steps):
    """δ = r + γ V(final) − V(s), in the record and at its edge; V(final) = 3, V(first) = 100."""
    config = PPOConfig(gamma=0.5, gae_lambda=0.0)
    batch = judge(run(Actors(Scripted([[-3]]), seed=0), steps), config)
    assert batch.advantages[0, 2].item() == 2 + 0.5 * 3 - 2
    terminated = judge(run(Actors(Scripted([[3]]), seed=0), steps), config)
    assert terminated.advantages[0, 2].item() == 2 - 2


def test_no_advantage_leaks_over_a_reset():
    """With λ = 1 the first episode's advantages must not contain the second one's rewards."""
    config = PPOConfig(gamma=1.0, gae_lambda=1.0)
    batch = judge(run(Actors(Scripted([[3]]), seed=0), 12), config)
    # rewards 0, 1, 2: returns 3, 3, 2; V = 0, 1, 2
    assert batch.advantages[0, :3].tolist() == [3, 2, 0]
    assert batch.returns[0, :3].tolist() == [3, 3, 2]
    # second episode: rewards 10, 11, 12 at t = 4, 5, 6
    assert batch.returns[0, 4:7].tolist() == [33, 23, 12]


@pytest.mark.parametrize("chunks", [[1] * 24, [5, 7, 12], [23, 1], [24]])
def test_cutting_a_run_into_rollouts_changes_nothing(chunks):
    script = [[2, -3], [5], [-1], [7, 1]]
    whole_actors, parts_actors = Actors(Scripted(script), seed=0), Actors(Scripted(script), seed=0)
    whole = run(whole_actors, 24)
    parts = [run(parts_actors, steps) for steps in chunks]
    for field in fields(Rollout):
        if field.name != "last_values":
            joined = torch.cat([getattr(part, field.name) for part in parts], dim=1)
            assert torch.equal(joined, getattr(whole, field.name)), field.name
    assert torch.equal(parts[-1].last_values, whole.last_values)
    for before, after in pairwise(parts):
        assert torch.equal(before.last_values, after.values[:, 0])
    assert parts_actors.episode_returns == whole_actors.episode_returns
    assert parts_actors.steps == whole_actors.steps == int(whole.mask.sum())


def test_episode_returns_by_hand_across_rollouts():
    """Lengths 2 and 3: returns 0+1, 10+11+12, 20+21; in order of ending."""
    actors = Actors(Scripted([[2, 3]]), seed=0)
    seen = []
    for _ in range(9):
        run(actors, 1)
        seen.append(len(actors.episode_returns))
    assert actors.episode_returns == [1.0, 33.0, 41.0]
    assert seen == [0, 1, 1, 1, 1, 2, 2, 2, 3]
    assert actors.steps == 7  # two of the nine were resets


def test_recent_return():
    actors = Actors(Scripted([[2, 3]]), seed=0)
    assert math.isnan(actors.recent_return(1))
    run(actors, 9)
    assert actors.recent_return(2) == 37.0
    assert actors.recent_return(3) == 25.0
    assert math.isnan(actors.recent_return(4))


def test_reward_scale_scales_what_is_learned_from_not_what_is_reported():
    plain = Actors(Scripted([[2, 3], [4]]), seed=0)
    scaled = Actors(Scripted([[2, 3], [4]]), seed=0, reward_scale=0.125)
    first, second = run(plain, 20), run(scaled, 20)
    assert torch.equal(second.rewards, first.rewards / 8)
    assert scaled.episode_returns == plain.episode_returns


def test_the_environment_gets_the_bounded_action_and_the_record_the_drawn_one():
    space = spaces.Box(np.array([-1.0, -2.0], np.float32), np.array([1.0, 0.5], np.float32))
    env = Scripted([[9], [9]], space)
    with initial_weights(0):
        policy = GaussianActorCritic(2, 2, initial_std=3.0)
    rollout = run(Actors(env, seed=0), 50, policy)
    received = torch.tensor(np.stack(env.received, axis=1))  # (N, T, 2)
    drawn = rollout.actions
    outside = (drawn < torch.tensor([-1.0, -2.0])) | (drawn > torch.tensor([1.0, 0.5]))
    assert outside.any(dim=(0, 1)).all()
    bounded = torch.maximum(
        torch.minimum(drawn, torch.tensor([1.0, 0.5])), torch.tensor([-1.0, -2.0])
    )
    assert torch.equal(received, bounded)
    judged = policy.evaluate(rollout.observations, drawn)
    torch.testing.assert_close(rollout.logprobs, judged.logprobs.detach())
    assert not torch.allclose(
        rollout.logprobs, policy.evaluate(rollout.observations, bounded).logprobs
    )


def cart_pole(seed: int, generator_seed: int = 0) -> tuple[Rollout, Actors]:
    with initial_weights(0):
        policy = CategoricalActorCritic(4, 2)
    actors = Actors("CartPole-v1", 4, seed=seed)
    return actors.run(policy, 60, make_generator(generator_seed)), actors


def test_a_rollout_is_repeatable_by_its_seeds():
    first, again = cart_pole(3)[0], cart_pole(3)[0]
    for field in fields(Rollout):
        assert torch.equal(getattr(first, field.name), getattr(again, field.name)), field.name
    assert not torch.equal(first.observations, cart_pole(4)[0].observations)
    assert not torch.equal(first.actions, cart_pole(3, generator_seed=1)[0].actions)


def test_gymnasiums_cart_pole_is_recorded_with_its_resets():
    rollout, actors = cart_pole(3)
    assert rollout.observations.shape == (4, 60, 4)
    assert torch.equal(rollout.rewards, rollout.mask.float())  # 1 a step, 0 at a reset
    ends = rollout.terminated | rollout.truncated
    assert torch.equal(~rollout.mask[:, 1:], ends[:, :-1])
    assert len(actors.episode_returns) == int(ends.sum()) > 3
    assert not rollout.logprobs.requires_grad
    assert not rollout.values.requires_grad


def test_recorded_logprobs_and_values_are_those_of_the_acting_policy():
    with initial_weights(0):
        policy = CategoricalActorCritic(4, 2)
    rollout = Actors("CartPole-v1", 4, seed=0).run(policy, 30, make_generator(0))
    judged = policy.evaluate(rollout.observations, rollout.actions)
    torch.testing.assert_close(rollout.logprobs, judged.logprobs.detach())
    torch.testing.assert_close(rollout.values, judged.values.detach())


def test_an_environment_that_reuses_its_arrays_is_recorded_rightly():
    """gymnasium's copy=False returns the same buffer every step; the record must not alias it."""

    def make(copy: bool) -> SyncVectorEnv:
        return SyncVectorEnv([lambda: gymnasium.make("CartPole-v1")] * 2, copy=copy)

    with initial_weights(0):
        policy = CategoricalActorCritic(4, 2)
    safe, reused = (
        Actors(make(copy), seed=0).run(policy, 20, make_generator(0)) for copy in (True, False)
    )
    assert torch.equal(safe.observations, reused.observations)
    assert safe.observations.diff(dim=1).abs().amin(dim=-1).max() > 0


def test_noise_drawn_on_another_device_is_moved_to_the_policy():
    """A CPU generator with a policy on a GPU, acted out with the meta device as far as it goes."""
    moved = []

    class Elsewhere(CategoricalActorCritic):
        def act(self, observations: Tensor, noise: Tensor) -> Tensor:
            moved.append((observations.device.type, noise.device.type))
            raise StopIteration

    with pytest.raises(StopIteration):
        Actors("CartPole-v1", 2, seed=0).run(Elsewhere(4, 2).to("meta"), 3, make_generator(0))
    assert moved == [("meta", "meta")]


def test_another_autoreset_mode_is_refused():
    env = SyncVectorEnv(
        [lambda: gymnasium.make("CartPole-v1")], autoreset_mode=AutoresetMode.SAME_STEP
    )
    with pytest.raises(ValueError, match="need autoreset mode NEXT_STEP, the environment uses"):
        Actors(env, seed=0)
    with pytest.raises(ValueError, match="need autoreset mode NEXT_STEP, the environment uses"):
        play_episodes(CategoricalActorCritic(4, 2), env, make_generator(0))


@pytest.mark.parametrize(
    ("space", "policy"),
    [
        (spaces.Discrete(2, start=1), CategoricalActorCritic(4, 2)),
        (spaces.MultiDiscrete([3, 2]), GaussianActorCritic(4, 2)),
    ],
)
def test_actions_that_the_policy_cannot_mean_are_refused(space, policy):
    env = make_envs("CartPole-v1", 2)
    env.single_action_space = space
    with pytest.raises(ValueError, match="does not give"):
        require_match(policy, env)


def test_actors_of_an_unknown_environment():
    with pytest.raises(ValueError, match="unknown environment 'Cartpoll-v1'"):
        Actors("Cartpoll-v1", 2, seed=0)


# --- evaluation


@pytest.fixture
def scripted_name():
    """Copies with first episodes of 1, 2, 3 … steps; later ones would pay more."""
    name = "test/Scripted-v0"
    gymnasium.register(
        name,
        entry_point="gymnasium.envs.classic_control.cartpole:CartPoleEnv",
        vector_entry_point=lambda num_envs: Scripted([[i + 1, 1] for i in range(num_envs)]),
    )
    yield name
    del gymnasium.registry[name]


def test_evaluation_counts_the_first_episode_of_every_copy(scripted_name):
    """Returns 0, 0+1, 0+1+2, …; the short ones go on to second episodes, which do not count."""
    returns = evaluate_policy(FIXED, scripted_name, episodes=5, seed=0)
    assert returns.tolist() == [0, 1, 3, 6, 10]


def test_evaluation_is_repeatable_and_greedy_differs_from_drawn():
    with initial_weights(1):
        policy = CategoricalActorCritic(4, 2)
    runs = [
        evaluate_policy(policy, "CartPole-v1", episodes=8, seed=3, greedy=greedy)
        for greedy in (True, True, False, False)
    ]
    assert np.array_equal(runs[0], runs[1])
    assert np.array_equal(runs[2], runs[3])
    assert not np.array_equal(runs[0], runs[2])


def test_evaluation_bounds_actions_as_acting_does():
    with initial_weights(0):
        policy = GaussianActorCritic(3, 1)
        nn.init.constant_(policy.actor[-1].bias, 50.0)
    bounded = evaluate_policy(policy, "anatomy/Pendulum-v1", episodes=4, seed=0)
    with torch.no_grad():
        policy.actor[-1].bias.fill_(2.0)
        policy.actor[-1].weight.zero_()
    assert np.array_equal(
        bounded, evaluate_policy(policy, "anatomy/Pendulum-v1", episodes=4, seed=0)
    )


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")
@pytest.mark.parametrize("where", ["cpu", "cuda"])
def test_acting_on_a_gpu_with_either_generator(where):
    policy: ActorCritic = CategoricalActorCritic(4, 2).cuda()
    rollout = Actors("CartPole-v1", 4, seed=0).run(policy, 8, make_generator(0, where))
    assert rollout.observations.device.type == "cuda"


@pytest.mark.parametrize(
    ("policy", "env", "message"),
    [
        (CategoricalActorCritic(3, 2), "CartPole-v1", "reads vectors of 3 numbers"),
        (CategoricalActorCritic(4, 3), "CartPole-v1", "CategoricalActorCritic with 3 outputs"),
        (GaussianActorCritic(4, 1), "CartPole-v1", "GaussianActorCritic with 1 outputs"),
        (CategoricalActorCritic(3, 2), "anatomy/Pendulum-v1", "takes actions Box"),
    ],
)
def test_a_policy_that_does_not_fit_is_refused_in_a_sentence(
    policy: ActorCritic, env: str, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Actors(env, 2, seed=0).run(policy, 4, make_generator(0))
    with pytest.raises(ValueError, match=message):
        evaluate_policy(policy, env, episodes=2, seed=0)


ARRAYS = ("CartPole-v1", "anatomy/Pendulum-v1", "anatomy/Acrobot-v1", "anatomy/MountainCar-v0")


@pytest.mark.parametrize("env", ARRAYS)
def test_actors_go_on_from_their_state_as_if_nothing_had_been(env: str) -> None:
    """250 steps behind the state, so that episodes end and begin anew, with random starts."""

    def acted(actors: Actors, steps: int, seed: int) -> Rollout:
        return actors.run(policy, steps, make_generator(seed))

    one = Actors(env, 3, seed=0)
    spaces_of = one.envs.single_observation_space.shape[0], one.envs.single_action_space
    with initial_weights(0):
        policy = (
            CategoricalActorCritic(spaces_of[0], int(spaces_of[1].n))
            if isinstance(spaces_of[1], spaces.Discrete)
            else GaussianActorCritic(spaces_of[0], 1)
        )
    acted(one, 37, seed=1)
    state = one.state_dict()
    other = Actors(env, 3, seed=5)
    acted(other, 11, seed=2)
    other.load_state_dict(state)
    expected, found = acted(one, 250, seed=3), acted(other, 250, seed=3)
    for field in fields(Rollout):
        assert torch.equal(getattr(found, field.name), getattr(expected, field.name)), field.name
    assert other.episode_returns == one.episode_returns
    assert other.steps == one.steps
    assert len(one.episode_returns) > 0 or env == "anatomy/Acrobot-v1"
    other.load_state_dict(state)  # the state is a copy: nothing that followed has changed it
    again = acted(other, 250, seed=3)
    assert torch.equal(again.observations, expected.observations)


def test_the_state_of_other_actors_is_refused_and_changes_nothing() -> None:
    actors = Actors("CartPole-v1", 3, seed=0)
    before = actors.state_dict()
    for strange in (
        Actors("CartPole-v1", 4, seed=1).state_dict(),
        Actors("anatomy/Acrobot-v1", 3, seed=1).state_dict(),
        {name: value for name, value in before.items() if name != "ended"},
        before | {"ended": 3},
    ):
        with pytest.raises(ValueError, match="this is the state of other actors: "):
            actors.load_state_dict(strange)
    after = actors.state_dict()
    assert all(torch.equal(after[k], v) for k, v in before.items() if isinstance(v, Tensor))


def test_copies_that_are_stepped_one_by_one_have_no_state_to_keep() -> None:
    with pytest.raises(TypeError, match=r"Gridworld-v0 .* 'env_fns' is a list; use an environment"):
        Actors("anatomy/Gridworld-v0", 2, seed=0).state_dict()
    wrapped = gymnasium.wrappers.vector.RecordEpisodeStatistics(make_envs("CartPole-v1", 2))
    with pytest.raises(TypeError, match="is wrapped"):
        Actors(wrapped, seed=0).state_dict()
