"""Each page of the built site in a headless browser: desktop, light and dark, and phone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import inspection
import pytest

pytestmark = pytest.mark.browser

SITE = Path(__file__).resolve().parents[2] / "_build" / "html"
PAGES = sorted(
    path.relative_to(SITE).as_posix()
    for path in SITE.rglob("*.html")
    if not path.is_relative_to(SITE / "_static") and path != SITE / "index.html"
) or ["book/index.html"]
DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}


@pytest.mark.parametrize("page", PAGES)
def test_page_on_a_desktop(browser: Any, address: str, page: str) -> None:
    tab, problems = inspection.visit(browser, address, page, viewport=DESKTOP, color_scheme="light")
    light = tab.evaluate(inspection.INK)
    tab.emulate_media(color_scheme="dark")
    inspection.wait_for_new_ink(tab, light)
    dark = tab.evaluate(inspection.INK)
    tab.context.close()
    assert problems == []
    assert len(light) == len(dark)
    assert not light or set(light).isdisjoint(dark), "figures do not follow the dark mode"


@pytest.mark.parametrize("page", PAGES)
def test_page_on_a_phone_in_the_dark(browser: Any, address: str, page: str) -> None:
    tab, problems = inspection.visit(
        browser, address, page, viewport=PHONE, color_scheme="dark", has_touch=True
    )
    wide = tab.evaluate(inspection.WIDE)
    tab.context.close()
    assert problems == []
    assert wide == [], "wider than the phone"


def test_root_leads_to_the_landing_page(browser: Any, address: str) -> None:
    tab = browser.new_page()
    tab.goto(f"{address}/")
    tab.wait_for_url(f"{address}/book/index.html")
    tab.context.close()


def test_favicon(browser: Any, address: str) -> None:
    tab, problems = inspection.visit(browser, address, "book/index.html")
    icon = tab.locator("link[rel='icon']").first.get_attribute("href") or ""
    found = tab.request.get(str(tab.evaluate("(x) => new URL(x, location).href", icon)))
    tab.context.close()
    assert problems == []
    assert found.ok
    assert "svg" in found.headers["content-type"]


def test_the_inspection_finds_what_is_wrong(browser: Any, tmp_path: Path) -> None:
    import functools
    import http.server
    import threading

    (tmp_path / "bad.html").write_text(
        "<!doctype html><link rel='icon' href='data:,'><script>console.error('loud')</script>"
        "<script src='missing.js'></script><script>throw new Error('thrown')</script>"
        "<img src='http://127.0.0.1:9/outside.png'><div style='width:900px'>wide</div>"
    )
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        tab, problems = inspection.visit(browser, address, "bad.html", viewport=PHONE)
        wide = tab.evaluate(inspection.WIDE)
        tab.context.close()
        server.shutdown()
    said = "\n".join(problems)
    for sign in ("console: loud", "status 404", "error: thrown", "outside request"):
        assert sign in said
    assert wide == ["div."]
