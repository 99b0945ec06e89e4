"""The built site, a server for it, and a browser to look at it with."""

from __future__ import annotations

import functools
import http.server
import os
import shutil
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "book"))

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "_build" / "html"
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
NO_SITE = "There is no built site in _build/html: run `make book` first."
NO_BROWSER = (
    "The browser tests need Chromium: install it (on Debian `apt-get install chromium`, elsewhere "
    "`.venv/bin/playwright install chromium`), or leave them out with ANATOMY_NO_BROWSER=1."
)


def chromium() -> str | None:
    """An installed Chromium, or None for the one that Playwright brings."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return next(filter(None, map(shutil.which, names)), None)


@pytest.fixture(scope="session")
def site() -> Path:
    if not (SITE / "index.html").exists():
        pytest.fail(NO_SITE, pytrace=False)
    return SITE


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: pytest shows what failed."""


@pytest.fixture(scope="session")
def address(site: Path) -> Iterator[str]:
    """Where the built site is served, without a trailing slash."""
    handler = functools.partial(Quiet, directory=str(site))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    if os.environ.get("ANATOMY_NO_BROWSER") == "1":
        pytest.skip("ANATOMY_NO_BROWSER=1")
    from playwright.sync_api import Error, sync_playwright

    with sync_playwright() as playwright:
        try:
            found = playwright.chromium.launch(executable_path=chromium(), args=QUIET)
        except Error as problem:
            if "Executable doesn't exist" not in str(problem):
                raise
            pytest.fail(NO_BROWSER, pytrace=False)
        yield found
        found.close()
