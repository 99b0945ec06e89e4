"""With a model and without: six learners in the same house, many seeds, each judged exactly.

Every learner walks the real gridworld for the same number of steps. An episode begins at
a place drawn at random, so that exploration is not what is compared. Every 100 steps
its greedy policy is judged by what no learner sees: the exact mean value of
a place, from the linear solve. The wrong model is an old map, which shows a door where there
is a wall by now.

    python code/experiments/rl_basics_methods.py
"""

from __future__ import annotations

import argparse
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import gymnasium
import numpy as np

import anatomy.envs  # noqa: F401 (registers the gridworld)
from anatomy.algorithms.dynamic_programming import (
    action_values,
    evaluate_exactly,
    greedy,
    optimal_values,
)
from anatomy.algorithms.temporal_difference import (
    TabularModel,
    draw_actions,
    epsilon_greedy,
    first_visit_returns,
    move,
    q_learning_target,
    sarsa_target,
)
from anatomy.envs.gridworld import ACTIONS, Gridworld
from anatomy.envs.mdp import MDP
from anatomy.reporting import progress, receipt, write_result


@dataclass(frozen=True)
class Config:
    layout: str = "house"
    slip: float = 0.1
    gamma: float = 0.95
    epsilon: float = 0.4
    step_size: float = 0.2
    planning: int = 10  # imagined steps for each real one
    believed: int = 5  # samples of each (s, a) in the old map's model
    steps: int = 5_000
    every: int = 100
    limit: int = 200  # steps of an episode


CONFIG = Config()
DOOR = ((1, 1), (1, 3))  # the old map: from the first place, "right" leads to the second


def old_map(world: Gridworld) -> MDP:
    """The house as it was: a door in the wall, which no longer exists."""
    before, behind = (world.number[place] for place in DOOR)
    transition = world.mdp.transition.copy()
    right = ACTIONS.index("right")
    transition[before, right, behind] += transition[before, right, before]
    transition[before, right, before] = 0
    return replace(world.mdp, transition=transition)


def greedy_value(world: Gridworld, q: np.ndarray, config: Config) -> float:
    """Mean value of a place for someone who follows `q` greedily in the real house."""
    values = evaluate_exactly(world.mdp, greedy(q), gamma=config.gamma)
    return float(values[~world.mdp.terminal].mean())


def learn(name: str, seed: int, config: Config) -> list[float]:
    """One learner's greedy value after 0, 100, 200, … real steps."""
    env = gymnasium.make(
        "anatomy/Gridworld-v0",
        layout=config.layout,
        slip=config.slip,
        max_episode_steps=config.limit,
    )
    world: Gridworld = env.unwrapped
    rng = np.random.default_rng(seed)
    q = np.zeros(world.mdp.reward.shape)
    model = None
    if name.startswith("Dyna, wrong"):
        model = TabularModel.believing(old_map(world), draws=config.believed, generator=rng)
    elif name.startswith("Dyna"):
        model = TabularModel(*q.shape)
    listens = name in ("Dyna, learned model", "Dyna, wrong model corrected")

    def anywhere() -> dict[str, int]:
        return {"start": int(rng.choice(np.flatnonzero(~world.mdp.terminal)))}

    curve = [greedy_value(world, q, config)]
    state, _ = env.reset(seed=seed, options=anywhere())
    action = draw_actions(epsilon_greedy(q[state], epsilon=config.epsilon), generator=rng)
    episode: list[tuple[int, int, float]] = []
    for step in range(1, config.steps + 1):
        following, reward, terminated, truncated, _ = env.step(int(action))
        next_action = draw_actions(
            epsilon_greedy(q[following], epsilon=config.epsilon), generator=rng
        )
        here = state, int(action)
        if name == "Monte Carlo":
            episode.append((*here, reward))
        elif name == "SARSA":
            target = sarsa_target(reward, q[following, next_action], terminated, gamma=config.gamma)
            q[here] = move(q[here], target, step_size=config.step_size)
        else:
            target = q_learning_target(reward, q[following], terminated, gamma=config.gamma)
            q[here] = move(q[here], target, step_size=config.step_size)
        if model is not None:
            if listens:
                model.observe(*here, reward, following, terminated)
            for _ in range(config.planning):
                s, a, r, s_next, end = model.recall(generator=rng)
                target = q_learning_target(r, q[s_next], end, gamma=config.gamma)
                q[s, a] = move(q[s, a], target, step_size=config.step_size)
        state, action = following, next_action
        if terminated or truncated:
            if name == "Monte Carlo":
                pairs = [s * q.shape[1] + a for s, a, _ in episode]
                paid = [r for _, _, r in episode]
                for pair, target in first_visit_returns(pairs, paid, gamma=config.gamma).items():
                    s, a = divmod(pair, q.shape[1])
                    q[s, a] = move(q[s, a], target, step_size=config.step_size)
                episode = []
            state, _ = env.reset(options=anywhere())
            action = draw_actions(epsilon_greedy(q[state], epsilon=config.epsilon), generator=rng)
        if step % config.every == 0:
            curve.append(round(greedy_value(world, q, config), 5))
    return curve


LEARNERS = (
    "Dyna, learned model",
    "Dyna, wrong model",
    "Dyna, wrong model corrected",
    "Q-learning",
    "SARSA",
    "Monte Carlo",
)


def all_learners(seed: int, config: Config) -> dict[str, list[float]]:
    return {name: learn(name, seed, config) for name in LEARNERS}


def planned(config: Config) -> dict[str, float]:
    """Value iteration with the true model and with the old map: no step in the house."""
    world = Gridworld(config.layout, slip=config.slip)
    values = {}
    for name, mdp in (("true model", world.mdp), ("wrong model", old_map(world))):
        best = optimal_values(mdp, gamma=config.gamma)
        plan = action_values(mdp, best, gamma=config.gamma)
        values[name] = round(greedy_value(world, plan, config), 5)
        values[f"{name}, promised"] = round(float(best[~mdp.terminal].mean()), 5)
    return values


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20, help="seeds 300, 301, … (default 20)")
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args(argv)
    seeds = list(range(300, 300 + options.seeds))
    started, cpu = time.time(), time.process_time()
    job = partial(all_learners, config=CONFIG)
    if options.workers > 1:
        with ProcessPoolExecutor(options.workers) as pool:
            runs = list(progress(pool.map(job, seeds), "methods", total=len(seeds)))
    else:
        runs = [job(seed) for seed in progress(seeds, "methods")]
    data: dict[str, Any] = {
        "receipt": receipt(
            config=asdict(CONFIG),
            seeds=seeds,
            wall_seconds=time.time() - started,
            cpu_seconds=time.process_time() - cpu if options.workers <= 1 else None,
        ),
        "steps": list(range(0, CONFIG.steps + 1, CONFIG.every)),
        "planned": planned(CONFIG),
        "value": {name: [run[name] for run in runs] for name in LEARNERS},
    }
    print(write_result("rl_basics_methods", data))


if __name__ == "__main__":
    main()
