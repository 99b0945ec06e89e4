"""Open a page as a reader would, and list everything that is wrong with it."""

from __future__ import annotations

import contextlib
from typing import Any

WALK = """async () => {
  document.querySelectorAll("details").forEach((d) => { d.open = true; });
  for (let y = 0; y < document.documentElement.scrollHeight; y += 400) {
    scrollTo(0, y);
    await new Promise((next) => setTimeout(next, 30));
  }
  scrollTo(0, 0);
}"""
DRAWN = """() => [...document.querySelectorAll(".anatomy-plot")]
  .every((plot) => plot.querySelector("svg.main-svg"))"""
TYPESET = """() => document.querySelectorAll(".math").length === 0
  || (window.MathJax?.startup?.promise !== undefined
      && [...document.querySelectorAll(".math")].every((m) => m.querySelector("mjx-container")))"""
INK = """() => [...document.querySelectorAll(".anatomy-plot :is(.xtick, .ytick) text")]
  .map((text) => getComputedStyle(text).fill)"""
WIDE = """() => {
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= width) return [];
  const clipped = (e) => {
    for (let p = e.parentElement; p && p !== document.body; p = p.parentElement)
      if (getComputedStyle(p).overflowX !== "visible") return true;
    return false;
  };
  return [...document.querySelectorAll("body *")]
    .filter((e) => e.getBoundingClientRect().right > width + 1 && !clipped(e)).slice(0, 5)
    .map((e) => `${e.tagName.toLowerCase()}.${e.className}`);
}"""


def visit(browser: Any, address: str, page: str, **context: Any) -> tuple[Any, list[str]]:
    """The page, opened and scrolled through, and what went wrong on the way."""
    problems: list[str] = []
    tab = browser.new_context(**context).new_page()

    def note(kind: str, text: str) -> None:
        problems.append(f"{kind}: {text}")

    def request(made: Any) -> None:
        if not made.url.startswith((address, "data:", "blob:")):
            note("outside request", made.url)

    tab.on("console", lambda m: note("console", m.text) if m.type == "error" else None)
    tab.on("pageerror", lambda error: note("error", str(error)))
    tab.on("requestfailed", lambda made: note("failed request", made.url))
    tab.on("response", lambda r: note(f"status {r.status}", r.url) if r.status >= 400 else None)
    tab.on("request", request)
    tab.goto(f"{address}/{page}", wait_until="load")
    tab.evaluate(WALK)
    for what, probe in (("a plotly figure was not drawn", DRAWN), ("maths was not set", TYPESET)):
        try:
            tab.wait_for_function(probe, timeout=20_000)
        except Exception:
            note("missing", what)
    return tab, problems


def wait_for_new_ink(tab: Any, old: list[str]) -> None:
    """Give the figures up to a minute to be drawn again in other colours."""
    with contextlib.suppress(Exception):
        changed = f"(old) => ({INK})().every((fill) => !old.includes(fill))"
        tab.wait_for_function(changed, arg=old, timeout=60_000)
