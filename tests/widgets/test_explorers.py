"""The explorers' mathematics against hand-computed values and the package, and their controls."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

import pytest
import torch

from anatomy.estimators import effective_sample_share, gae, n_step_advantages
from anatomy.losses import clipped_surrogate
from anatomy.widgets import clip_explorer, gae_explorer, importance_explorer

pytestmark = pytest.mark.browser

# ρ, A → region, ρA, clip(ρ)A, min, gradient at ε = 0.2, by hand
SIX_REGIONS = [
    (0.5, 0.6, "positive-below", 0.3, 0.48, 0.3, 0.6),
    (1.1, 0.6, "positive-inside", 0.66, 0.66, 0.66, 0.6),
    (1.5, 0.6, "positive-above", 0.9, 0.72, 0.72, 0.0),
    (0.5, -0.6, "negative-below", -0.3, -0.48, -0.48, 0.0),
    (1.1, -0.6, "negative-inside", -0.66, -0.66, -0.66, -0.6),
    (1.5, -0.6, "negative-above", -0.9, -0.72, -0.9, -0.6),
]


@pytest.mark.parametrize("row", SIX_REGIONS, ids=lambda row: row[2])
def test_the_six_regions_of_the_clip(row: tuple[Any, ...], call: Callable[..., Any]) -> None:
    ratio, advantage, name, unclipped, clipped, objective, gradient = row
    values = call("clip_explorer", "clippedObjective", ratio, advantage, 0.2)
    assert values == pytest.approx(
        {
            "unclipped": unclipped,
            "clipped": clipped,
            "objective": objective,
            "gradient": gradient,
        }
    )
    assert call("clip_explorer", "region", ratio, advantage, 0.2) == name
    logprob = torch.tensor([[math.log(ratio)]], dtype=torch.float64, requires_grad=True)
    loss = clipped_surrogate(
        logprob,
        torch.zeros_like(logprob),
        torch.full_like(logprob, advantage),
        clip_range=0.2,
    )
    loss.sum().backward()
    assert values["objective"] == pytest.approx(-loss.item())
    assert logprob.grad is not None
    # d/d log ρ = ρ d/dρ, and the loss is the negative objective
    assert values["gradient"] * ratio == pytest.approx(-logprob.grad.item())


@pytest.mark.parametrize("clip_range", [0.2, 0.18, 0.36, 0.43])
def test_the_ends_of_the_range_count_as_inside(clip_range: float, call: Callable[..., Any]) -> None:
    for ratio in (round(1 - clip_range, 2), round(1 + clip_range, 2)):
        assert call("clip_explorer", "place", ratio, clip_range) == "inside"


def test_the_words_for_the_regions(call: Callable[..., Any]) -> None:
    def explain(ratio: float, advantage: float) -> str:
        return call("clip_explorer", "explain", ratio, advantage, 0.2)

    assert "better than expected and is already 30 % likelier" in explain(1.3, 1)
    assert "not forbidden" in explain(1.3, 1)
    assert "not forbidden" in explain(0.7, -1)
    assert "pulls it back down with full force" in explain(1.5, -1)
    assert "pulls it back up with full force" in explain(0.5, 1)
    assert "advantage is zero" in explain(0.5, 0)


def row_now(page: Any) -> list[str]:
    return page.locator("tr.now").first.locator("th, td").all_inner_texts()


def test_dragging_the_point_through_the_clip_range(open_page: Callable[..., Any]) -> None:
    page = open_page(clip_explorer(ratio=1.0), clip_explorer(ratio=0.4))
    plot = page.locator("svg.plot").first
    box = plot.bounding_box()

    def at(ratio: float) -> float:
        return box["x"] + 40 + (box["width"] - 54) * ratio / 2

    y = box["y"] + 150
    page.mouse.move(at(1.0), y)
    page.mouse.down()
    page.mouse.move(at(1.1), y)
    assert row_now(page) == ["inside", "1.10", "1.10", "1.10", "1.10", "+1.0 →"]
    page.mouse.move(at(1.5), y)
    assert row_now(page) == ["ρ > 1+ε", "1.50", "1.50", "1.20", "1.20", "0"]
    assert "already 50 % likelier" in page.locator(".say").first.inner_text()
    page.mouse.up()
    page.mouse.move(at(0.2), y)  # the button is up: nothing follows
    assert row_now(page)[1] == "1.50"
    assert page.locator("[role=slider]").nth(1).get_attribute("aria-valuenow") == "0.40"


def test_a_finger_moves_the_point(open_page: Callable[..., Any]) -> None:
    page = open_page(clip_explorer(), viewport={"width": 360, "height": 740}, has_touch=True)
    box = page.locator("svg.plot").bounding_box()
    page.touchscreen.tap(box["x"] + 40 + (box["width"] - 54) * 0.25, box["y"] + 150)
    assert row_now(page)[:2] == ["ρ < 1−ε", "0.50"]


def test_the_keyboard_moves_the_point(open_page: Callable[..., Any]) -> None:
    page = open_page(clip_explorer(advantage=-1, ratio=1.18))
    page.evaluate("document.addEventListener('keydown', () => { window.keyLeft = true; })")
    handle = page.locator("[role=slider]")
    handle.focus()
    for _ in range(2):
        page.keyboard.press("ArrowRight")
    assert handle.get_attribute("aria-valuetext") == "ratio 1.22, gradient −1.0"
    assert row_now(page)[0] == "ρ > 1+ε"
    page.keyboard.press("Home")
    assert handle.get_attribute("aria-valuetext") == "ratio 0.00, gradient zero"
    page.keyboard.press("PageUp")
    assert handle.get_attribute("aria-valuenow") == "0.20"
    assert not page.evaluate("window.keyLeft")  # an arrow key must not turn the page


def test_a_gradient_step_leaves_the_range_and_then_stops(open_page: Callable[..., Any]) -> None:
    page = open_page(clip_explorer(ratio=1.0))
    seen = []
    for _ in range(4):
        page.get_by_role("button", name="Take one gradient step").click()
        seen.append(row_now(page)[1])
    assert seen == ["1.15", "1.30", "1.30", "1.30"]


def test_sliders_and_the_table_choose_the_region(open_page: Callable[..., Any]) -> None:
    page = open_page(clip_explorer(ratio=1.3))
    page.get_by_label("Clip range").fill("0.4")
    assert row_now(page)[0] == "inside"
    page.get_by_label("Advantage").fill("-0.5")
    assert row_now(page)[-1] == "−0.5 ←"
    page.get_by_role("button", name="better than expected, ρ > 1+ε").click()
    assert row_now(page) == ["ρ > 1+ε", "1.60", "0.80", "0.70", "0.70", "0"]
    assert page.evaluate(
        "document.querySelector('anatomy-clip-explorer').shadowRoot.activeElement.dataset.region"
    ) == ("positive-above")


def random_episode(seed: int) -> dict[str, Any]:
    draw = random.Random(seed)
    count = draw.randint(3, 12)
    return {
        "rewards": [draw.uniform(-2, 2) for _ in range(count)],
        "values": [draw.uniform(-2, 2) for _ in range(count)],
        "lastValue": draw.uniform(-2, 2),
        "end": ["none", "terminated", "truncated"][seed % 3],
        "endStep": draw.randrange(count),
    }


@pytest.mark.parametrize("seed", range(12))
def test_gae_equals_the_double_sum_and_the_package(seed: int, call: Callable[..., Any]) -> None:
    episode = random_episode(seed)
    rewards, values = episode["rewards"], [*episode["values"], episode["lastValue"]]
    end, end_step, count = episode["end"], episode["endStep"], len(rewards)
    for gamma, lam in [(0.9, 0.8), (1.0, 1.0), (0.97, 0.0), (0.0, 0.5)]:
        deltas = []
        for t in range(count):
            alive = not (end == "terminated" and t == end_step)
            deltas.append(rewards[t] + (gamma * values[t + 1] if alive else 0.0) - values[t])
        expected = []
        for t in range(count):
            total = 0.0
            for k in range(count - t):
                if end != "none" and t <= end_step < t + k:
                    break  # what lies beyond an end belongs to another episode
                total += (gamma * lam) ** k * deltas[t + k]
            expected.append(total)
        advantages = call("gae_explorer", "gae", episode, gamma, lam)
        assert advantages == pytest.approx(expected, abs=1e-12)

        row = torch.arange(count) == end_step
        package = (
            torch.tensor([rewards], dtype=torch.float64),
            torch.tensor([values[:-1]], dtype=torch.float64),
            torch.tensor([values[-1]], dtype=torch.float64),
            (row & (end == "terminated"))[None],
            (row & (end == "truncated"))[None],
        )
        assert advantages == pytest.approx(
            gae(*package, gamma=gamma, gae_lambda=lam)[0].tolist(), abs=1e-12
        )
        # The n-step estimates, and GAE as their average.
        for t in (0, end_step):
            steps = call("gae_explorer", "horizon", episode, t)
            estimates = call("gae_explorer", "nStepEstimates", episode, gamma, t)
            assert estimates == pytest.approx(
                [
                    n_step_advantages(*package, gamma=gamma, n=n)[0, t].item()
                    for n in range(1, steps + 1)
                ],
                abs=1e-12,
            )
            shares = call("gae_explorer", "nStepShares", steps, lam)
            assert sum(shares) == pytest.approx(1)
            average = sum(s * e for s, e in zip(shares, estimates, strict=True))
            assert average == pytest.approx(advantages[t], abs=1e-12)


def result(page: Any) -> str:
    return page.locator(".result").inner_text()


HAND: dict[str, Any] = {
    "rewards": [1, 0, 2, 0],
    "values": [0.5, 1, 0, 1],
    "last_value": 2,
    "gamma": 0.5,
    "gae_lambda": 0.5,
    "step": 0,
    "end_step": 1,
}
# δ = 1 + .5·1 − .5 = 1, then 0 + .5·0 − 1 = −1, 2 + .5·1 − 0 = 2.5, 0 + .5·2 − 1 = 0
# Â₀ = 1 − 1/4 + 2.5/16 + 0 = 0.90625; λ = 0: 1; λ = 1: 1 − 1/2 + 2.5/4 = 1.125


def test_lambda_slider_its_ends_and_the_two_kinds_of_end(open_page: Callable[..., Any]) -> None:
    page = open_page(gae_explorer(**HAND))
    assert result(page) == "Â₀ = +0.91."
    page.get_by_role("button", name="Set λ to 0").click()
    assert result(page) == "Â₀ = +1.00."
    assert "TD error δ₀ alone" in page.locator(".say").inner_text()
    page.get_by_role("button", name="Set λ to 1").click()
    assert result(page) == "Â₀ = +1.13."  # 1.125
    page.get_by_label("Trace λ").fill("0.5")
    page.get_by_label("Truncated").check()
    assert result(page) == "Â₀ = +0.75."  # 1 − 1/4
    page.get_by_label("reward of step 2").evaluate("e => e.closest('details').open = true")
    page.get_by_label("value of state 2").fill("1")  # V of the final observation
    assert result(page) == "Â₀ = +0.88."  # δ₁ = .5·1 − 1 = −1/2
    page.get_by_label("Terminated").check()
    assert result(page) == "Â₀ = +0.75."  # that value counts as 0
    assert "counts as 0" in page.locator(".say").inner_text()


def test_numbers_can_be_typed_and_dragged(open_page: Callable[..., Any]) -> None:
    page = open_page(gae_explorer(**HAND))
    page.locator("summary").click()
    page.get_by_label("reward of step 0").fill("2")
    assert result(page) == "Â₀ = +1.91."
    deltas = page.locator("tbody tr").nth(2).locator("td").all_inner_texts()
    assert deltas == ["+2.00", "−1.00", "+2.50", "0.00"]
    dot = page.locator("rect.dot").nth(0).bounding_box()
    page.mouse.move(dot["x"] + dot["width"] / 2, dot["y"] + 13)
    page.mouse.down()
    page.mouse.move(dot["x"] + dot["width"] / 2, dot["y"] + 13 + 36, steps=4)  # 36 px are 1.0
    page.mouse.up()
    assert page.get_by_label("value of state 0").input_value() == "-0.5"
    assert result(page) == "Â₀ = +2.91."


def test_a_press_on_a_column_chooses_the_step(open_page: Callable[..., Any]) -> None:
    page = open_page(gae_explorer())
    page.locator("rect.column").nth(4).click(position={"x": 10, "y": 300})
    assert result(page).startswith("Â₄")
    page.get_by_label("Advantage of step").focus()
    page.keyboard.press("ArrowRight")
    assert result(page).startswith("Â₅")


def test_the_step_of_a_reset_cannot_be_chosen(open_page: Callable[..., Any]) -> None:
    page = open_page(gae_explorer(end="terminated", end_step=3))
    page.get_by_label("Advantage of step").fill("4")
    assert result(page).startswith("Â₃")


def test_effective_share_exact_simulated_and_in_the_package(call: Callable[..., Any]) -> None:
    assert call("importance_explorer", "exactShare", 0.1, 64) == pytest.approx(0.527292, abs=1e-6)
    logs = [0.0, 1.0, -2.0, 0.5]
    assert call("importance_explorer", "effectiveShare", logs) == pytest.approx(
        effective_sample_share(torch.tensor(logs, dtype=torch.float64)).item()
    )
    assert call("importance_explorer", "effectiveShare", [3.0] * 7) == pytest.approx(1)
    assert call("importance_explorer", "effectiveShare", [2000.0, 0.0]) == pytest.approx(0.5)
    sums = call("importance_explorer", "simulate", 1500, 8, 3)
    assert sums[:2] == call("importance_explorer", "simulate", 2, 8, 3)
    assert sums[0] != call("importance_explorer", "simulate", 1, 8, 4)[0]
    last = torch.tensor([row[-1] for row in sums], dtype=torch.float64)
    assert last.mean().item() == pytest.approx(0, abs=4 * (8 / 1500) ** 0.5)
    assert last.var().item() == pytest.approx(8, rel=4 * (2 / 1500) ** 0.5)
    logs = call("importance_explorer", "logWeights", sums, 0.2, 8)
    assert logs[0] == pytest.approx(0.2 * sums[0][7] - 8 * 0.04 / 2)
    assert call("importance_explorer", "effectiveShare", logs) == pytest.approx(
        math.exp(-0.32), abs=0.05
    )


def test_length_and_distance_change_what_is_left(open_page: Callable[..., Any]) -> None:
    page = open_page(importance_explorer(shift=0.1, length=64))
    say = page.locator(".say")
    assert "worth about 527" in say.inner_text()
    page.get_by_label("Sequence length T").focus()
    page.keyboard.press("End")
    assert "worth about 77" in say.inner_text()  # 1000 exp(−2.56)
    page.get_by_label("Distance per step").fill("0.5")
    assert "worth less than one" in say.inner_text()
    page.get_by_label("Distance per step").fill("0")
    assert "every sample counts" in say.inner_text()
