"""A gridworld: a map that can be read, walked in as an environment, and known as a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from anatomy.envs.mdp import MDP

MOVES = ((-1, 0), (0, 1), (1, 0), (0, -1))  # up, right, down, left
ACTIONS = ("up", "right", "down", "left")
WALL, START, BACK_TO_START = "#", "S", "C"
ENDS = "GgH"


@dataclass(frozen=True)
class Layout:
    """A map and what its places pay.

    `S` start, `.` floor, `#` wall, `G` and `g` goals and `H` a hole (all three end
    the episode), `C` a cliff: whoever steps there is put back to the start.
    `pays` is the reward for arriving on a kind of place, `step_reward` elsewhere.
    """

    rows: tuple[str, ...]
    pays: Mapping[str, float] = field(default_factory=dict)
    step_reward: float = 0.0

    def __post_init__(self) -> None:
        if not self.rows or len({len(row) for row in self.rows}) != 1:
            raise ValueError("the rows of a map must be equally long, and there must be some")
        text = "".join(self.rows)
        unknown = sorted(set(text) - set(f"{WALL}{START}{BACK_TO_START}{ENDS}."))
        if unknown:
            raise ValueError(f"unknown signs on the map: {' '.join(unknown)}")
        if text.count(START) != 1:
            raise ValueError(f"a map needs one start S, and has {text.count(START)}")


# A small reward near the start, a large one far away, and a hole beside the short cut.
HOUSE = Layout(
    ("g.#..G", "..#..H", "S.....", ".#..#."),
    pays={"G": 1.0, "g": 0.3, "H": -1.0},
)
# Sutton & Barto (2018), example 6.6.
CLIFF = Layout(
    ("............", "............", "............", "SCCCCCCCCCCG"),
    pays={"C": -100.0},
    step_reward=-1.0,
)
LAYOUTS: dict[str, Layout] = {"house": HOUSE, "cliff": CLIFF}


class Gridworld(gymnasium.Env):
    """Walk up, right, down or left; with probability `slip` the floor turns the step aside.

    A slip goes to either side of the intended direction with slip/2 each; who runs
    into a wall stays. An observation is the number of a state, and `mdp.states`
    names its row and column. `mdp` is the exact environment model. There is no
    time limit here: gymnasium's `TimeLimit` wrapper truncates, as it should be.
    """

    metadata = {"render_modes": ["ansi"], "render_fps": 4}  # noqa: RUF012 (declared so by gymnasium)

    def __init__(
        self,
        layout: str | Layout = "house",
        *,
        slip: float = 0.1,
        render_mode: str | None = None,
    ) -> None:
        if isinstance(layout, str):
            if layout not in LAYOUTS:
                raise ValueError(f"no map {layout!r}; there are: {', '.join(LAYOUTS)}")
            layout = LAYOUTS[layout]
        if not 0 <= slip <= 1:
            raise ValueError(f"slip is a probability, got {slip}")
        self.layout, self.slip, self.render_mode = layout, slip, render_mode
        self.places = [
            (row, column)
            for row, line in enumerate(layout.rows)
            for column, sign in enumerate(line)
            if sign not in (WALL, BACK_TO_START)
        ]
        self.number = {place: state for state, place in enumerate(self.places)}
        self.first = next(s for s, place in enumerate(self.places) if self.sign(place) == START)
        self.mdp = self._table()
        self.observation_space = spaces.Discrete(len(self.places))
        self.action_space = spaces.Discrete(len(MOVES))

    def sign(self, place: tuple[int, int]) -> str:
        """What the map shows at (row, column); a wall beyond its edge."""
        row, column = place
        rows = self.layout.rows
        inside = 0 <= row < len(rows) and 0 <= column < len(rows[0])
        return rows[row][column] if inside else WALL

    def outcomes(self, state: int, action: int) -> list[tuple[float, int, float]]:
        """What may follow (state, action): probability, next state, reward."""
        row, column = self.places[state]
        if self.sign((row, column)) in ENDS:
            return [(1.0, state, 0.0)]
        aside = self.slip / 2
        found = []
        for turn, probability in ((0, 1 - self.slip), (1, aside), (-1, aside)):
            down, right = MOVES[(action + turn) % len(MOVES)]
            place = (row + down, column + right)
            if self.sign(place) == WALL:
                place = (row, column)
            reward = self.layout.pays.get(self.sign(place), self.layout.step_reward)
            following = self.first if self.sign(place) == BACK_TO_START else self.number[place]
            if probability > 0:
                found.append((probability, following, reward))
        return found

    def _table(self) -> MDP:
        count = len(self.places)
        transition, reward = np.zeros((count, len(MOVES), count)), np.zeros((count, len(MOVES)))
        for state in range(count):
            for action in range(len(MOVES)):
                for probability, following, paid in self.outcomes(state, action):
                    transition[state, action, following] += probability
                    reward[state, action] += probability * paid
        return MDP(
            transition=transition,
            reward=reward,
            terminal=np.array([self.sign(place) in ENDS for place in self.places]),
            start=np.eye(count)[self.first],
            states=tuple(f"row {row}, column {column}" for row, column in self.places),
            actions=ACTIONS,
        )

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[int, dict[str, Any]]:
        """Begin at the map's start, or at the state `options["start"]`."""
        super().reset(seed=seed)
        self.state = int((options or {}).get("start", self.first))
        if not 0 <= self.state < len(self.places):
            raise ValueError(f"there is no state {self.state}; there are {len(self.places)}")
        return self.state, {}

    def step(self, action: int) -> tuple[int, float, bool, bool, dict[str, Any]]:
        draw, outcomes = self.np_random.random(), self.outcomes(self.state, int(action))
        for probability, following, reward in outcomes:  # noqa: B007 (the last one is kept)
            draw -= probability
            if draw < 0:
                break
        self.state = following
        return following, reward, bool(self.mdp.terminal[following]), False, {}

    def render(self) -> str | None:
        """The map with the agent as @."""
        if self.render_mode != "ansi":
            return None
        row, column = self.places[self.state]
        lines = [list(line) for line in self.layout.rows]
        lines[row][column] = "@"
        return "\n".join("".join(line) for line in lines)
