"""A Markov decision process as a table: the environment model, exact and complete.

Tabular learning is scalar work: each step reads and writes a few numbers, no
gradient flows and no batch waits. So this chapter's tables are NumPy arrays in
float64, where an index costs a tenth of what it costs in torch and where a
linear solve is exact to 1e-12. Tensors return with the first network.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[Any]

ROUNDING = 1e-9  # what the sum of a row of probabilities may miss


@dataclass(frozen=True, eq=False)
class MDP:
    """P(s'|s,a), the expected reward r(s,a), and which states end the episode.

    A terminal state stays where it is and pays nothing, so its value is 0. The
    arrays are float64 copies that nobody can write to. Raises ValueError, with
    the row's name, for rows that are no probabilities, for shapes that do not
    fit, and for a terminal state that pays or leads on.
    """

    transition: Array  # (S, A, S)
    reward: Array  # (S, A)
    terminal: Array  # (S,) bool
    start: Array | None = None  # (S,) probabilities of the first state; without it, state 0
    states: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        transition = _read_only(self.transition, np.float64)
        if transition.ndim != 3 or transition.shape[0] != transition.shape[2]:
            raise ValueError(f"transition must be (S, A, S), got {transition.shape}")
        count, choices, _ = transition.shape
        reward = _read_only(self.reward, np.float64)
        if reward.shape != (count, choices):
            raise ValueError(f"reward must be (S, A) = ({count}, {choices}), got {reward.shape}")
        terminal = _read_only(self.terminal, np.bool_)
        if terminal.shape != (count,):
            raise ValueError(f"terminal must be (S,) = ({count},), got {terminal.shape}")
        start = _read_only(np.eye(count)[0] if self.start is None else self.start, np.float64)
        if start.shape != (count,):
            raise ValueError(f"start must be (S,) = ({count},), got {start.shape}")
        states = tuple(self.states) or tuple(str(s) for s in range(count))
        actions = tuple(self.actions) or tuple(str(a) for a in range(choices))
        for names, wanted, what in ((states, count, "states"), (actions, choices, "actions")):
            if len(names) != wanted:
                raise ValueError(f"{what} must name {wanted}, and names {len(names)}")
        fields = {"transition": transition, "reward": reward, "terminal": terminal, "start": start}
        for name, value in (fields | {"states": states, "actions": actions}).items():
            object.__setattr__(self, name, value)
        self._require_probabilities()

    def _require_probabilities(self) -> None:
        if not np.isfinite(self.reward).all():
            raise ValueError("reward must be finite")
        total = self.transition.sum(axis=2)
        wrong = np.argwhere(
            ~(np.abs(total - 1) <= ROUNDING) | (self.transition < 0).any(axis=2)
        )  # written so that NaN is wrong, too
        if wrong.size:
            s, a = wrong[0]
            raise ValueError(
                f"P(·|{self.states[s]}, {self.actions[a]}) must be probabilities that sum to 1, "
                f"and sums to {total[s, a]:.6g}"
            )
        if self.start is None or (self.start < 0).any() or abs(self.start.sum() - 1) > ROUNDING:
            raise ValueError("start must be probabilities that sum to 1")
        for s in np.flatnonzero(self.terminal):
            if (self.transition[s, :, s] < 1 - ROUNDING).any() or self.reward[s].any():
                raise ValueError(f"terminal state {self.states[s]} must stay and pay nothing")

    @property
    def state_count(self) -> int:
        return self.transition.shape[0]

    @property
    def action_count(self) -> int:
        return self.transition.shape[1]

    @cached_property
    def continues(self) -> Array:
        """P(s'|s,a) where s' is not terminal, 0 where it is: (S, A, S). V(terminal) is 0."""
        return self.transition * ~self.terminal

    @cached_property
    def _cumulative(self) -> Array:
        return self.transition.cumsum(axis=2)

    def sample(
        self, states: ArrayLike, actions: ArrayLike, *, generator: np.random.Generator
    ) -> tuple[Array, Array, Array]:
        """Draw one step for each (state, action): rewards, next states, terminated.

        Works on single numbers and on arrays of one shape, so that many seeds can
        walk side by side. The reward is the expected one, r(s,a).
        """
        states, actions = np.asarray(states), np.asarray(actions)
        draws = generator.random(states.shape)[..., None]
        following = (draws >= self._cumulative[states, actions]).sum(axis=-1)
        following = np.minimum(following, self.state_count - 1)  # a cumulative sum of 1 − 1e-16
        return self.reward[states, actions], following, self.terminal[following]

    def first_states(self, count: int, *, generator: np.random.Generator) -> Array:
        """Draw `count` first states."""
        return generator.choice(self.state_count, size=count, p=self.start)


def random_walk(length: int = 5) -> MDP:
    """`length` places in a row between two ends; stepping off the right end pays 1.

    Actions: left, right. The walk starts in the middle. Under the uniform policy
    V(k) = k / (length + 1) at γ = 1; the best policy goes right and has
    V*(k) = γ^(length − k), for places k = 1 … length. Sutton & Barto (2018), example 6.2.
    """
    if length < 1:
        raise ValueError(f"a walk needs at least one place, got {length}")
    count = length + 2  # states 0 and length + 1 are the ends
    transition, reward = np.zeros((count, 2, count)), np.zeros((count, 2))
    for place in range(1, length + 1):
        transition[place, 0, place - 1] = transition[place, 1, place + 1] = 1
    transition[0, :, 0] = transition[-1, :, -1] = 1
    reward[length, 1] = 1
    return MDP(
        transition=transition,
        reward=reward,
        terminal=np.isin(np.arange(count), [0, count - 1]),
        start=np.eye(count)[(count - 1) // 2],
        states=("left end", *(str(place) for place in range(1, length + 1)), "right end"),
        actions=("left", "right"),
    )


def random_mdp(states: int, actions: int, *, generator: np.random.Generator) -> MDP:
    """An MDP drawn at random, its last state terminal: what a property is tested on."""
    transition = generator.dirichlet(np.full(states, 0.5), size=(states, actions))
    reward = generator.normal(size=(states, actions))
    terminal = np.arange(states) == states - 1
    transition[-1], reward[-1] = np.eye(states)[-1], 0
    return MDP(transition, reward, terminal)


def _read_only(given: ArrayLike, kind: type) -> Array:
    array: Array = np.array(given, dtype=kind)
    array.setflags(write=False)
    return array
