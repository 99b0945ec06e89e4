"""Render plotly's JSON output: MyST-NB knows HTML and images, and drops the rest.

A page gets the figure's data, a text alternative and a caption; `figures.js` draws it when it
comes near the screen, with the smallest local bundle that has its trace types.
"""

from __future__ import annotations

import html
import json
from typing import Any

from docutils import nodes
from myst_nb.core import render
from sphinx.application import Sphinx

PLOTLY = "application/vnd.plotly.v1+json"
BASIC = {"scatter", "bar", "pie"}
CARTESIAN = BASIC | {"box", "contour", "heatmap", "histogram", "histogram2d"}
CARTESIAN |= {"histogram2dcontour", "image", "violin"}
DEFAULT_HEIGHT = 420


class PlotlyRenderer(render.MimeRenderPlugin):
    """A MyST-NB mime renderer for plotly figures."""

    mime_priority_overrides = (("*", PLOTLY, 1),)

    @staticmethod
    def handle_mime(
        renderer: render.NbElementRenderer, data: render.MimeData, inline: bool
    ) -> list[nodes.Element] | None:
        if data.mime_type != PLOTLY or inline:
            return None
        figure = dict(data.content)
        problem = complaint(figure)
        if problem:
            renderer.logger.warning(problem, subtype="figure", line=data.line)
        return [
            nodes.raw(text=figure_html(figure), format="html", classes=["output"]),
            # What a format without JavaScript shows instead.
            nodes.raw(text=alternative(figure), format="latex text gettext"),
        ]


def register() -> None:
    """Put the renderer beside those that MyST-NB finds as entry points.

    An entry point of the `anatomy` package would name a module that only this folder has.
    """
    found = render.load_mime_renders()
    if PlotlyRenderer not in found:
        found.append(PlotlyRenderer)  # the list is cached, and so is what is appended


def trace_types(figure: dict[str, Any]) -> set[str]:
    frames = [trace for frame in figure.get("frames") or [] for trace in frame.get("data", [])]
    return {trace.get("type", "scatter") for trace in [*figure.get("data", []), *frames]}


def bundle(figure: dict[str, Any]) -> str:
    """The smallest vendored bundle that draws this figure."""
    return "basic" if trace_types(figure) <= BASIC else "cartesian"


def alternative(figure: dict[str, Any]) -> str:
    """The figure in words: `layout.meta.alt`, or its title."""
    layout = figure.get("layout", {})
    meta = layout.get("meta") or {}
    title = layout.get("title") or {}
    title = title.get("text", "") if isinstance(title, dict) else title
    return str((meta.get("alt") if isinstance(meta, dict) else "") or title or "")


def complaint(figure: dict[str, Any]) -> str | None:
    """What a reader would miss in this figure, or None."""
    if unknown := trace_types(figure) - CARTESIAN:
        return f"plotly trace types without a local bundle: {', '.join(sorted(unknown))}"
    if not alternative(figure):
        return "a plotly figure has neither describe(figure, alt=…) nor a title"
    return None


def figure_html(figure: dict[str, Any]) -> str:
    """The figure's place in the page, its data, and what stands there without JavaScript."""
    layout = figure.get("layout", {})
    meta = layout.get("meta") if isinstance(layout.get("meta"), dict) else {}
    wanted = {key: figure[key] for key in ("data", "layout", "frames") if figure.get(key)}
    data = json.dumps(wanted, separators=(",", ":"), ensure_ascii=False).replace("</", "<\\/")
    words = html.escape(alternative(figure), quote=True)
    caption = html.escape(str((meta or {}).get("caption", "")))
    height = layout.get("height") or DEFAULT_HEIGHT
    return (
        f'<figure class="anatomy-figure" data-bundle="{bundle(figure)}">'
        f'<div class="anatomy-plot" role="img" aria-label="{words}"'
        f' style="height:{height:.0f}px"></div>'
        f'<script type="application/json">{data}</script>'
        f'<noscript><p class="anatomy-words">{words}</p></noscript>'
        + (f"<figcaption>{caption}</figcaption>" if caption else "")
        + "</figure>"
    )


def add_script(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any
) -> None:
    """Load figures.js where a page has figures."""
    if "anatomy-figure" in context.get("body", ""):
        app.add_js_file("figures.js", defer="defer")
