"""Every link between the built pages, and what it leads to."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    """The links and the anchors of one page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if not value:
                continue
            if name == "id" or (tag == "a" and name == "name"):
                self.anchors.add(value)
            if name == "href" or (name == "src" and tag != "iframe"):
                self.links.append(value)


def broken(site: Path) -> Iterator[str]:
    """Each internal link of the site that leads nowhere, as 'page: link (why)'."""
    found = [path for path in sorted(site.rglob("*.html")) if "_static" not in path.parts]
    pages = {path: Page(path.read_text()) for path in found}
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = path if not parts.path else (path.parent / unquote(parts.path)).resolve()
            if parts.path.startswith("/"):
                target = site / unquote(parts.path).lstrip("/")
            if target.is_dir():
                target /= "index.html"
            where = f"{path.relative_to(site)}: {link}"
            if not target.is_file():
                yield f"{where} (no such file)"
            elif parts.fragment and target in pages and parts.fragment != "top":
                known = pages[target].anchors
                if unquote(parts.fragment) not in known:
                    yield f"{where} (no such anchor)"
