"""The buttons above a page: open its exported notebook in Colab, or download it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import export
from repository import repository
from sphinx.application import Sphinx
from sphinx.config import Config

FOLDER = "notebooks"


def follow_repository(app: Sphinx, config: Config) -> None:
    """Point the theme's repository links at this clone's or fork's repository."""
    config.html_theme_options["repository_url"] = repository().url


def page_is_notebook(app: Sphinx, page: str) -> bool:
    path = Path(app.env.doc2path(page))
    return path.exists() and export.is_notebook(path.read_text())


def rewrite(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any
) -> None:
    """Colab and .ipynb for pages with cells; no source downloads, which would show solutions."""
    header = context.get("header_buttons", [])
    notebook = doctree is not None and page_is_notebook(app, pagename)
    for group in header:
        if group.get("label") != "download-buttons":
            continue
        kept = [b for b in group["buttons"] if b["label"] == "download-pdf-button"]
        if notebook:
            address = context["pathto"](f"{FOLDER}/{pagename}.ipynb", 1)
            kept.insert(0, download_button(address))
        group["buttons"] = kept
    if notebook:
        header.insert(0, colab_button(repository().colab(pagename)))


def download_button(address: str) -> dict[str, str]:
    return {
        "type": "link",
        "url": address,
        "text": ".ipynb",
        "icon": "fas fa-code",
        "tooltip": "Download this page as a notebook",
        "label": "download-notebook-button",
    }


def colab_button(address: str) -> dict[str, str]:
    return {
        "type": "link",
        "url": address,
        "text": "Open in Colab",
        "icon": "_static/images/logo_colab.png",
        "tooltip": "Run this page in Google Colab",
        "label": "colab",
    }


def write_notebooks(app: Sphinx, problem: Exception | None) -> None:
    """Put the exported notebooks where the download buttons point."""
    if problem is None and app.builder.format == "html":
        export.export_all(Path(app.srcdir), Path(app.outdir) / FOLDER)
        (Path(app.outdir) / ".nojekyll").touch()
