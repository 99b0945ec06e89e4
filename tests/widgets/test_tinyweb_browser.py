"""The browser of TinyWeb: what it holds is the world's, and its controls turn it over."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from anatomy.tinyweb import DOCUMENT_KINDS, KINDS, World, readable
from anatomy.widgets.tinyweb_browser import tinyweb_browser


def options(**arguments: Any) -> dict[str, Any]:
    data = re.search(r'data-options="([^"]*)"', tinyweb_browser(**arguments).html)
    assert data
    return json.loads(html.unescape(data[1]))


def test_it_holds_documents_and_scored_tasks_of_every_kind() -> None:
    shown = options()
    assert {page["kind"] for page in shown["documents"]} == set(DOCUMENT_KINDS)
    assert {task["kind"] for task in shown["tasks"]} == set(KINDS)
    assert {task["split"] for task in shown["tasks"]} == {"train", "dev", "test"}
    first = next(World().documents(0, kind="story"))
    assert "\n".join(shown["documents"][0]["lines"]) == readable(first.text)
    for task in shown["tasks"]:
        scores = {answer["written"]: answer["score"] for answer in task["answers"]}
        assert scores["right"] == 1 == max(scores.values())
        for answer in task["answers"]:
            total = sum(points for _, points in answer["parts"])
            assert total == pytest.approx(answer["score"], abs=2e-3)


def test_the_same_seed_shows_the_same() -> None:
    few = {"documents": 7, "tasks": 6}
    assert options(seed=1, **few) == options(seed=1, **few)
    assert options(seed=1, **few) != options(seed=2, **few)
    assert len(options(**few)["documents"]) == 7
    with pytest.raises(ValueError, match="1 to 1000 documents and tasks, not 0 and 6"):
        tinyweb_browser(documents=0, tasks=6)


@pytest.mark.browser
def test_its_mathematics(call: Callable[..., Any]) -> None:
    assert call("tinyweb_browser", "step", 0, -1, 5) == 4
    assert call("tinyweb_browser", "step", 4, 1, 5) == 0
    assert call("tinyweb_browser", "bar", 1) == {"start": 50, "width": 50}
    assert call("tinyweb_browser", "bar", -0.5) == {"start": 25, "width": 25}
    said = call("tinyweb_browser", "speech", "Mia: Where is Vex?")
    assert said == {"speaker": "Mia", "words": "Where is Vex?"}
    assert call("tinyweb_browser", "speech", "All about Vex")["speaker"] is None


@pytest.mark.browser
def test_turning_filtering_and_hiding(open_page: Callable[..., Any]) -> None:
    page = open_page(tinyweb_browser(documents=14, tasks=12))
    browser = page.locator("anatomy-tinyweb-browser")
    counter = browser.locator("output")
    hide = browser.locator("[part=hide]")
    assert counter.inner_text() == "1 of 14"
    assert not hide.is_visible()
    before = browser.locator(".sheet").inner_text()
    browser.locator("[part=previous]").click()
    assert counter.inner_text() == "14 of 14"
    browser.locator("[part=next]").click()
    assert browser.locator(".sheet").inner_text() == before
    browser.locator("select").select_option("quiz")
    assert counter.inner_text() == "1 of 2"
    assert "quiz" in browser.locator(".sheet").inner_text()
    browser.get_by_role("radio", name="Tasks").check()
    assert counter.inner_text() == "1 of 12"
    assert browser.locator(".answer").count() == 4
    assert browser.locator(".track").count() == 4
    hide.click()
    assert browser.locator(".track").count() == 0
    assert browser.locator(".answer").count() == 4
    browser.locator("[part=next]").click()
    assert counter.inner_text() == "2 of 12"  # hidden scores stay hidden, the place is kept
    assert browser.locator(".track").count() == 0
    hide.click()
    assert counter.inner_text() == "2 of 12"
    assert "+1.00" in browser.locator(".answers").inner_text()


@pytest.mark.browser
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_fits_a_phone_and_follows_the_theme(open_page: Callable[..., Any], theme: str) -> None:
    page = open_page(tinyweb_browser(), theme=theme, viewport={"width": 360, "height": 740})
    browser = page.locator("anatomy-tinyweb-browser")
    browser.get_by_role("radio", name="Tasks").check()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert (browser.get_attribute("data-dark") is not None) == (theme == "dark")
    for part in ("previous", "next", "hide"):
        assert browser.locator(f"[part={part}]").bounding_box()["height"] >= 44


@pytest.mark.browser
def test_without_javascript_there_are_samples(open_page: Callable[..., Any]) -> None:
    page = open_page(tinyweb_browser(), java_script_enabled=False)
    text = page.locator("body").inner_text()
    assert "needs JavaScript" in text
    assert "(+1.00)" in text
