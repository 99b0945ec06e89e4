"""Every internal link and anchor of the built site leads somewhere."""

from __future__ import annotations

from pathlib import Path

import links


def test_no_link_is_broken(site: Path) -> None:
    assert list(links.broken(site)) == []


def test_the_check_finds_missing_files_and_anchors(tmp_path: Path) -> None:
    (tmp_path / "other.html").write_text('<h1 id="here">Other</h1>')
    (tmp_path / "index.html").write_text(
        '<a href="other.html#here">good</a><a href="https://example.org/x">outside</a>'
        '<a href="other.html#gone">bad</a><img src="lost.png"><a href="#nowhere">bad</a>'
    )
    assert list(links.broken(tmp_path)) == [
        "index.html: other.html#gone (no such anchor)",
        "index.html: lost.png (no such file)",
        "index.html: #nowhere (no such anchor)",
    ]
