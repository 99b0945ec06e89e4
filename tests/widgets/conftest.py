"""Pages that hold explorers and questions, and a way to call a module's mathematics."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from anatomy.widgets.element import Element, module_source

# What the book's theme does to HTML outputs, and the variables it sets.
THEME = """
html { --pst-color-text-base: #222832; --pst-color-background: #fff; }
html[data-theme=dark] { --pst-color-text-base: #ced6dd; --pst-color-background: #14181e; }
html[data-theme=dark] .bd-content div.cell_output .text_html { background: #ced6dd; }
body { color: var(--pst-color-text-base); background: var(--pst-color-background); margin: 16px; }
"""


@pytest.fixture
def open_page(browser: Any) -> Iterator[Callable[..., Any]]:
    """Open a page that holds the given elements; no error, message or request is allowed."""
    contexts, complaints = [], []

    def show(*elements: Element, theme: str = "light", **options: Any) -> Any:
        context = browser.new_context(**{"viewport": {"width": 800, "height": 900}, **options})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(8_000)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: complaints.append(message.text))
        page.on("request", lambda request: complaints.append(f"request: {request.url}"))
        outputs = "".join(
            f'<div class="cell_output"><div class="output text_html">{element.html}</div></div>'
            for element in elements
        )
        page.set_content(
            f'<!doctype html><html lang="en" data-theme="{theme}"><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width">'
            f'<style>{THEME}</style><body><div class="bd-content">{outputs}</div>'
        )
        return page

    yield show
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def call(browser: Any) -> Iterator[Callable[..., Any]]:
    """Call a function that a module exports: call("clip_explorer", "region", 1.3, 1, 0.2)."""
    page = browser.new_page()

    def run(module: str, function: str, *arguments: Any) -> Any:
        return page.evaluate(
            """async ([source, name, given]) => {
                const url = URL.createObjectURL(new Blob([source], {type: "text/javascript"}));
                return (await import(url))[name](...given);
            }""",
            [module_source(module), function, list(arguments)],
        )

    yield run
    page.close()
