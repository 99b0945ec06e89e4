"""Learning from experience alone: each target is one equation, the loop is the chapter's.

    target = q_learning_target(reward, q[next_state], terminated, gamma=0.95)
    q[state, action] = move(q[state, action], target, step_size=0.1)

Everything is elementwise over leading dimensions, so the same line serves one
learner and two hundred seeds side by side. `terminated` makes the future worth 0;
a truncation does not, and therefore does not appear.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anatomy.envs.mdp import MDP

Array = NDArray[Any]
Numbers = Any  # a number, or an array of them with one entry for each learner


def move(estimate: Numbers, target: Numbers, *, step_size: Numbers) -> Array:
    """estimate + α (target − estimate): the one way in which every table here learns."""
    estimate = np.asarray(estimate)
    return estimate + step_size * (target - estimate)


def td_target(reward: Numbers, next_value: Numbers, terminated: Numbers, *, gamma: float) -> Array:
    """r + γ V(s'), with V(s') = 0 after a termination. Sutton & Barto (2018), eq. 6.2."""
    return np.asarray(reward) + gamma * np.where(terminated, 0.0, next_value)


def sarsa_target(
    reward: Numbers, next_action_value: Numbers, terminated: Numbers, *, gamma: float
) -> Array:
    """r + γ Q(s', a') for the action a' that is really taken next. Ibid., eq. 6.7."""
    return td_target(reward, next_action_value, terminated, gamma=gamma)


def expected_sarsa_target(
    reward: Numbers,
    next_action_values: Numbers,
    next_policy: Numbers,
    terminated: Numbers,
    *,
    gamma: float,
) -> Array:
    """r + γ Σ_a' π(a'|s') Q(s', a'): the mean over what may be taken next. Ibid., eq. 6.9."""
    mean = (np.asarray(next_policy) * next_action_values).sum(axis=-1)
    return td_target(reward, mean, terminated, gamma=gamma)


def q_learning_target(
    reward: Numbers, next_action_values: Numbers, terminated: Numbers, *, gamma: float
) -> Array:
    """r + γ max_a' Q(s', a'), whatever is taken next. Watkins (1989); ibid., eq. 6.8."""
    best = np.asarray(next_action_values).max(axis=-1)
    return td_target(reward, best, terminated, gamma=gamma)


def first_visit_returns(
    states: Sequence[int], rewards: Sequence[float], *, gamma: float
) -> dict[int, float]:
    """G_t at the first visit to each state of one finished episode.

    `states` are s_0 … s_{T−1}, `rewards` r_0 … r_{T−1}. Computed backwards as
    G_t = r_t + γ G_{t+1}; an earlier visit overwrites a later one. Ibid., section 5.1.
    """
    if len(states) != len(rewards):
        raise ValueError(f"{len(states)} states and {len(rewards)} rewards: one of each per step")
    found: dict[int, float] = {}
    following = 0.0
    for state, reward in zip(reversed(states), reversed(rewards), strict=True):
        following = float(reward) + gamma * following
        found[int(state)] = following
    return found


def epsilon_greedy(action_values: Array, *, epsilon: float) -> Array:
    """Probabilities: the best action, or with probability ε any of them: (…, A).

    Equally good actions share.
    """
    if not 0 <= epsilon <= 1:
        raise ValueError(f"epsilon is a probability, got {epsilon}")
    best = action_values == action_values.max(axis=-1, keepdims=True)
    share = best / best.sum(axis=-1, keepdims=True)
    return (1 - epsilon) * share + epsilon / action_values.shape[-1]


def draw_actions(probabilities: Array, *, generator: np.random.Generator) -> Array:
    """One action for each row of probabilities: (…, A) → (…)."""
    points = generator.random(probabilities.shape[:-1])[..., None]
    drawn = (points >= probabilities.cumsum(axis=-1)).sum(axis=-1)
    return np.minimum(drawn, probabilities.shape[-1] - 1)


class TabularModel:
    """An environment model that is a table of what happened. No network is involved.

    `observe` adds one experience. `recall` draws one for Dyna: a seen (s, a) at
    random, then one of its outcomes as often as it occurred. `as_mdp` is what the
    counts say about P and r. Sutton (1990); Sutton & Barto (2018), section 8.2.
    """

    def __init__(self, states: int, actions: int) -> None:
        self.counts = np.zeros((states, actions, states))
        self.reward_sums = np.zeros((states, actions))
        self.terminal = np.zeros(states, dtype=bool)
        self._seen: list[tuple[int, int]] = []
        self._outcomes: dict[tuple[int, int], list[tuple[float, int, bool]]] = {}

    @classmethod
    def believing(cls, mdp: MDP, *, draws: int, generator: np.random.Generator) -> TabularModel:
        """A model filled with `draws` samples of every (s, a) of `mdp`, which may be wrong."""
        model = cls(mdp.state_count, mdp.action_count)
        for state in np.flatnonzero(~mdp.terminal):
            for action in range(mdp.action_count):
                steps = mdp.sample(
                    np.full(draws, state), np.full(draws, action), generator=generator
                )
                for reward, following, ended in zip(*steps, strict=True):
                    model.observe(int(state), action, reward, int(following), bool(ended))
        return model

    def observe(
        self, state: int, action: int, reward: float, next_state: int, terminated: bool
    ) -> None:
        """Add one experience to the table."""
        pair = (state, action)
        if pair not in self._outcomes:
            self._seen.append(pair)
            self._outcomes[pair] = []
        self._outcomes[pair].append((float(reward), next_state, terminated))
        self.counts[state, action, next_state] += 1
        self.reward_sums[state, action] += reward
        self.terminal[next_state] |= terminated

    def recall(self, *, generator: np.random.Generator) -> tuple[int, int, float, int, bool]:
        """An imagined step: state, action, reward, next state, terminated.

        Raises ValueError before anything was observed.
        """
        if not self._seen:
            raise ValueError("an empty model imagines nothing: observe a step first")
        pair = self._seen[int(generator.random() * len(self._seen))]
        outcomes = self._outcomes[pair]
        return *pair, *outcomes[int(generator.random() * len(outcomes))]

    def as_mdp(self, *, start: Array | None = None) -> MDP:
        """The MDP that the counts describe; where nothing was seen, a step stays and pays 0."""
        visits = self.counts.sum(axis=2)
        stay = np.broadcast_to(np.eye(len(self.terminal))[:, None, :], self.counts.shape)
        known = (visits > 0) & ~self.terminal[:, None]
        shares = self.counts / np.maximum(visits, 1)[:, :, None]
        return MDP(
            transition=np.where(known[:, :, None], shares, stay),
            reward=np.where(known, self.reward_sums / np.maximum(visits, 1), 0.0),
            terminal=self.terminal,
            start=start,
        )
