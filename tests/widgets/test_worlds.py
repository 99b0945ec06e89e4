"""The explorers of chapter 2: their mathematics against the package, and their controls."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html import unescape
from typing import Any

import numpy as np
import pytest

from anatomy.algorithms.dynamic_programming import (
    action_values,
    bellman_optimality,
    evaluate_exactly,
    greedy,
    optimal_values,
    uniform,
)
from anatomy.algorithms.temporal_difference import q_learning_target, sarsa_target
from anatomy.envs.gridworld import Gridworld
from anatomy.envs.token_mdp import language_mdp
from anatomy.widgets import Element, prefix_tree, q_learning_explorer, value_explorer

MAKERS = {"value": value_explorer, "q": q_learning_explorer, "tree": prefix_tree}


def options(made: Element) -> dict[str, Any]:
    found = re.search(r'data-options="([^"]*)"', made.html)
    assert found
    return json.loads(unescape(found[1]))


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_self_contained_and_readable_without_javascript(make: Callable[[], Element]) -> None:
    made = make()
    assert set(re.findall(r"https?://[^\s\"'`]+", made.html)) <= {"http://www.w3.org/2000/svg"}
    assert "needs JavaScript" in made.text
    assert "needs JavaScript" in made.html.split("<script")[0]


def test_the_fallback_holds_the_values() -> None:
    world = Gridworld("house")
    start = optimal_values(world.mdp, gamma=0.8)[world.first]
    assert f"{start:.2f}" in value_explorer(gamma=0.8).text
    assert "(empty): -0.33" in prefix_tree().text


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: value_explorer(gamma=1.0), "gamma must lie in"),
        (lambda: q_learning_explorer(alpha=0.0), "alpha must lie in"),
        (lambda: q_learning_explorer(epsilon=2.0), "epsilon must lie in"),
        (lambda: q_learning_explorer(rule="dqn"), "rule must be 'q' or 'sarsa'"),  # type: ignore[arg-type]
        (lambda: prefix_tree(max_length=9), "max_length must lie in"),
        (lambda: prefix_tree(policy="worst"), "policy must be 'even' or 'best'"),  # type: ignore[arg-type]
    ],
)
def test_a_wrong_argument_is_named(make: Callable[[], Element], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.browser
@pytest.mark.parametrize("gamma", [0.0, 0.5, 0.95])
def test_sweeps_and_solution_are_the_packages(gamma: float, call: Callable[..., Any]) -> None:
    mdp = Gridworld("house").mdp
    world = options(value_explorer())["world"]
    values = np.zeros(mdp.state_count)
    for _ in range(3):
        values = bellman_optimality(mdp, values, gamma=gamma)
    found = call("value_explorer", "iterate", world, gamma, 3)
    np.testing.assert_allclose(found["values"], values, atol=1e-12)
    solved = call("value_explorer", "iterate", world, gamma, None)["values"]
    np.testing.assert_allclose(solved, optimal_values(mdp, gamma=gamma), atol=1e-8)
    q = call("value_explorer", "actionValues", world, solved, gamma)
    np.testing.assert_allclose(q, action_values(mdp, np.array(solved), gamma=gamma), atol=1e-10)


@pytest.mark.browser
def test_targets_are_the_packages(call: Callable[..., Any]) -> None:
    row = [0.5, -1.0, 2.0, 0.0]
    for ended in (False, True):
        found = call("q_learning_explorer", "target", "q", 0.3, row, 1, ended, 0.9)
        assert found == pytest.approx(q_learning_target(0.3, row, ended, gamma=0.9))
        found = call("q_learning_explorer", "target", "sarsa", 0.3, row, 1, ended, 0.9)
        assert found == pytest.approx(sarsa_target(0.3, row[1], ended, gamma=0.9))


@pytest.mark.browser
@pytest.mark.parametrize("gamma", [1.0, 0.4])
def test_tree_values_are_the_packages(gamma: float, call: Callable[..., Any]) -> None:
    mdp, _ = language_mdp(max_length=3)
    nodes = options(prefix_tree())["nodes"]
    even = call("prefix_tree", "treeValues", nodes, gamma, "even")["values"]
    exact = evaluate_exactly(mdp, uniform(mdp), gamma=gamma)
    np.testing.assert_allclose(even, exact, atol=1e-12)
    best = call("prefix_tree", "treeValues", nodes, gamma, "best")
    values = optimal_values(mdp, gamma=gamma)
    np.testing.assert_allclose(best["values"], values, atol=1e-12)
    policy = greedy(action_values(mdp, values, gamma=gamma))
    for state in np.flatnonzero(~mdp.terminal):
        np.testing.assert_allclose(best["probabilities"][state], policy[state], atol=1e-12)


@pytest.mark.browser
def test_sweeps_are_made_one_by_one_and_gamma_turns_the_plan(open_page: Callable[..., Any]) -> None:
    page = open_page(value_explorer(gamma=0.9))
    say = page.locator(".say")
    assert "Solved" in say.inner_text()
    page.get_by_role("button", name="Back to zero").click()
    assert "every value is 0" in say.inner_text()
    page.get_by_role("button", name="One sweep").click()
    page.get_by_role("button", name="One sweep").click()
    assert "After 2 sweeps" in say.inner_text()
    page.get_by_role("button", name="Solve").click()
    page.get_by_label("Discount").fill("0.6")
    world = Gridworld("house")
    start = optimal_values(world.mdp, gamma=0.6)[world.first]
    assert f"= {start:.3f}" in say.inner_text()
    page.locator("svg.canvas rect.place").first.click()  # the near goal
    assert "The episode ends here" in say.inner_text()


@pytest.mark.browser
def test_one_step_changes_one_entry_and_many_episodes_find_a_goal(
    open_page: Callable[..., Any],
) -> None:
    page = open_page(q_learning_explorer())
    element = page.locator("anatomy-q-learning-explorer")
    changed = "e => e.learner.q.flat().filter(v => v !== 0).length"
    page.get_by_role("button", name="One episode").click()
    assert element.evaluate(changed) == 1  # only the entry beside the first reward
    assert "1 episode." in page.locator(".say").inner_text()
    for _ in range(4):
        page.get_by_role("button", name="50 episodes").click()
    world = Gridworld("house")
    best = optimal_values(world.mdp, gamma=0.95)[world.first]
    found = element.evaluate("e => Math.max(...e.learner.q[e.world.first])")
    assert 0.1 < found < best + 0.3
    page.get_by_role("button", name="Start again").click()
    assert element.evaluate(changed) == 0


@pytest.mark.browser
def test_the_tree_says_what_the_best_policy_writes(open_page: Callable[..., Any]) -> None:
    page = open_page(prefix_tree())
    say = page.locator(".say")
    assert "worth −0.33" in say.inner_text()
    page.get_by_label("the best policy").check()
    assert "“very good .”" in say.inner_text()
    assert "worth 2.00" in say.inner_text()
    page.get_by_label("Discount").fill("0.4")
    assert "“good .”" in say.inner_text()


@pytest.mark.browser
@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_two_fit_a_phone_and_controls_are_big_enough(
    make: Callable[[], Element], open_page: Callable[..., Any]
) -> None:
    page = open_page(make(), make(), viewport={"width": 360, "height": 740})
    assert page.locator(".frame").count() == 2
    assert page.locator("svg.canvas").nth(1).bounding_box()["height"] > 150
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    small = page.evaluate(
        """() => [...document.querySelectorAll('*')].filter(e => e.shadowRoot).flatMap(e =>
          [...e.shadowRoot.querySelectorAll('button, input[type=range], summary')]
            .filter(b => b.getBoundingClientRect().height < 42).map(b => b.textContent))"""
    )
    assert small == []
    for control in page.locator("input:visible, button:visible").all():
        name = control.evaluate(
            "e => e.ariaLabel || [...(e.labels ?? [])].map(l => l.textContent).join()"
            " || e.textContent"
        )
        assert name.strip()
