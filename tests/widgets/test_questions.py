"""A quiz that explains the chosen option, and a guess that has to be made before the reveal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from anatomy.widgets import predict, quiz

pytestmark = pytest.mark.browser

OPTIONS = [
    ("It bounds the ratio.", False, "Only the *incentive* vanishes."),
    ("It removes an incentive.", True, "The min is flat there."),
    ("It bounds the KL.", False, "No KL occurs in it."),
]


def test_a_quiz_by_keyboard_alone(open_page: Callable[..., Any]) -> None:
    page = open_page(quiz("What does the clip do?", OPTIONS))
    assert page.locator("fieldset legend").inner_text().endswith("What does the clip do?")
    check = page.get_by_role("button", name="Check")
    assert check.is_disabled()
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    feedback = page.locator("[aria-live=polite]")
    assert "Not this one. Only the incentive vanishes." in " ".join(feedback.inner_text().split())
    assert page.locator(".option").first.inner_text().endswith("✗ no")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("ArrowDown")  # choosing anew takes the old verdict away
    assert feedback.inner_text() == ""
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert "Right. The min is flat there." in " ".join(feedback.inner_text().split())
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert "No KL occurs in it." in feedback.inner_text()


def test_arrow_keys_do_not_give_the_answer_away(open_page: Callable[..., Any]) -> None:
    page = open_page(quiz("What does the clip do?", OPTIONS))
    page.keyboard.press("Tab")
    for _ in OPTIONS:
        page.keyboard.press("ArrowDown")
    assert page.locator("[aria-live=polite]").inner_text() == ""
    assert "right" not in page.locator("fieldset").inner_text()


def test_two_quizzes_keep_their_answers_apart(open_page: Callable[..., Any]) -> None:
    page = open_page(quiz("First?", OPTIONS), quiz("Second?", OPTIONS))
    page.locator("anatomy-quiz").nth(0).locator("input").nth(0).check()
    page.locator("anatomy-quiz").nth(1).locator("input").nth(1).check()
    assert page.locator("input:checked").count() == 2


@pytest.mark.parametrize(
    ("choice", "heading"), [(0, "✗ It comes out differently."), (1, "✓ As you guessed.")]
)
def test_the_reveal_waits_for_a_guess(
    choice: int, heading: str, open_page: Callable[..., Any]
) -> None:
    page = open_page(predict("What will happen?", OPTIONS, "The ratio **leaves** the range."))
    assert "leaves" not in page.locator(".frame").inner_text()
    commit = page.get_by_role("button", name="This is my guess")
    assert commit.is_disabled()
    page.locator("input").nth(choice).check()
    assert "leaves" not in page.locator(".frame").inner_text()
    commit.click()
    text = page.locator(".frame").inner_text()
    assert heading in text
    assert OPTIONS[choice][2].replace("*", "") in text
    assert "The ratio leaves the range." in text
    assert page.locator("input:enabled").count() == 0  # the guess stands
    page.get_by_text("What the other guesses overlook").click()
    assert "No KL occurs in it." in page.locator(".frame").inner_text()
    focused = page.evaluate(
        "document.querySelector('anatomy-predict').shadowRoot.activeElement !== null"
    )
    assert focused


def test_without_javascript_each_option_opens_its_explanation(
    open_page: Callable[..., Any],
) -> None:
    page = open_page(quiz("What does the clip do?", OPTIONS), java_script_enabled=False)
    option = page.locator("details").nth(1)
    assert "flat there" not in page.locator("body").inner_text()
    option.locator("summary").click()
    assert "Right.\n\nThe min is flat there." in option.inner_text()


def test_an_element_added_after_its_definition_still_reads_its_words(
    open_page: Callable[..., Any],
) -> None:
    page = open_page(quiz("First?", OPTIONS))
    added = quiz("Second?", OPTIONS).html.split("<script")[0]
    page.evaluate("html => document.body.insertAdjacentHTML('beforeend', html)", added)
    assert "Second?" in page.locator("anatomy-quiz").nth(1).locator("legend").inner_text()
