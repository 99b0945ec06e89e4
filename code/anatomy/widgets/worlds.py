"""Explorers of chapter 2: values of a gridworld, Q-learning step by step, the tree of prefixes."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any, Literal

from anatomy.widgets.element import Element, element

if TYPE_CHECKING:  # the environments import torch, which an explorer does not need until it is made
    from anatomy.envs.gridworld import Gridworld


def _world(world: Gridworld) -> dict[str, Any]:
    """The map and its environment model, as a page can hold them."""
    layout = world.layout
    states = range(world.mdp.state_count)
    return {
        "rows": list(layout.rows),
        "places": [list(place) for place in world.places],
        "pays": dict(layout.pays),
        "terminal": [bool(end) for end in world.mdp.terminal],
        "first": world.first,
        "outcomes": [
            [
                [[float(p), int(s), float(r)] for p, s, r in world.outcomes(state, action)]
                for action in range(world.mdp.action_count)
            ]
            for state in states
        ],
    }


def _require_share(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ValueError(f"{name} must lie in [{low:g}, {high:g}], got {value}")


def value_explorer(world: Gridworld | None = None, *, gamma: float = 0.9) -> Element:
    """Show V of every place of a gridworld, with a slider for γ and sweeps to make one by one.

    Without a world, the house with a slip of 0.1. Sutton & Barto (2018), section 4.4.
    """
    from anatomy.algorithms.dynamic_programming import optimal_values
    from anatomy.envs.gridworld import Gridworld

    _require_share("gamma", gamma, 0, 0.99)
    world = Gridworld("house") if world is None else world
    values = optimal_values(world.mdp, gamma=gamma)
    lines = []
    for row, line in enumerate(world.layout.rows):
        cells = [
            f"{values[world.number[row, column]]:6.2f}"
            if (row, column) in world.number
            else f"{sign:>6}"
            for column, sign in enumerate(line)
        ]
        lines.append(" ".join(cells))
    words = f"Value explorer (needs JavaScript). Optimal values of every place at γ = {gamma:g}:"
    picture = "\n".join(lines)
    return element(
        "anatomy-value-explorer",
        "value_explorer",
        options={"world": _world(world), "gamma": gamma},
        fallback=f"<p>{escape(words)}</p><pre>{escape(picture)}</pre>",
        text=f"{words}\n{picture}",
    )


def q_learning_explorer(
    world: Gridworld | None = None,
    *,
    gamma: float = 0.95,
    alpha: float = 0.5,
    epsilon: float = 0.3,
    rule: Literal["q", "sarsa"] = "q",
    seed: int = 1,
) -> Element:
    """Let the reader make the updates of Q-learning or SARSA one by one and see their numbers.

    Without a world, the house with a slip of 0.1.
    """
    from anatomy.envs.gridworld import Gridworld

    _require_share("gamma", gamma, 0, 1)
    _require_share("alpha", alpha, 0.05, 1)
    _require_share("epsilon", epsilon, 0, 1)
    if rule not in ("q", "sarsa"):
        raise ValueError(f"rule must be 'q' or 'sarsa', got {rule!r}")
    world = Gridworld("house") if world is None else world
    text = (
        "Q-learning explorer (needs JavaScript). At every step one entry moves: Q(s,a) + α (r + "
        "γ max Q(s′,·) − Q(s,a)); for SARSA the action that is taken next stands in place of the "
        "max. The first reward changes the entry beside it, the next episode the one before that."
    )
    return element(
        "anatomy-q-learning-explorer",
        "q_learning_explorer",
        options={
            "world": _world(world),
            "gamma": gamma,
            "alpha": alpha,
            "epsilon": epsilon,
            "rule": rule,
            "seed": seed,
        },
        fallback=f"<p>{escape(text)}</p>",
        text=text,
    )


def prefix_tree(
    *, max_length: int = 3, gamma: float = 1.0, policy: Literal["even", "best"] = "even"
) -> Element:
    """Show every prefix of the three-token language, coloured by its value.

    `policy` writes at first: a die, or the best policy for γ.
    """
    from anatomy.algorithms.dynamic_programming import evaluate_exactly, uniform
    from anatomy.envs.token_mdp import TOKENS, language_mdp

    _require_share("gamma", gamma, 0, 1)
    _require_share("max_length", max_length, 1, 4)
    if policy not in ("even", "best"):
        raise ValueError(f"policy must be 'even' or 'best', got {policy!r}")
    mdp, prefixes = language_mdp(max_length=max_length)
    number = {prefix: state for state, prefix in enumerate(prefixes)}
    nodes = []
    for state, prefix in enumerate(prefixes):
        ended = mdp.terminal[state]
        children = [] if ended else [number[(*prefix, token)] for token in range(len(TOKENS))]
        paid = float(mdp.reward[number[prefix[:-1]], prefix[-1]]) if prefix else 0.0
        nodes.append(
            {
                "token": TOKENS[prefix[-1]] if prefix else "",
                "depth": len(prefix),
                "reward": paid,
                "children": children,
            }
        )
    values = evaluate_exactly(mdp, uniform(mdp), gamma=gamma)
    worth = "; ".join(
        f"{name}: {value:.2f}"
        for name, value, end in zip(mdp.states, values, mdp.terminal, strict=True)
        if not end
    )
    text = (
        "Prefix tree (needs JavaScript). Values of the open prefixes when a die writes, at "
        f"γ = {gamma:g}: {worth}."
    )
    return element(
        "anatomy-prefix-tree",
        "prefix_tree",
        options={"nodes": nodes, "gamma": gamma, "policy": policy},
        fallback=f"<p>{escape(text)}</p>",
        text=text,
    )
