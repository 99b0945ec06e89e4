"""One palette and one small template for every figure.

Colours are roles, the same for the same thing through the whole book, and `--anatomy-*` in
the site's stylesheet are the same values. They differ for colour-blind readers within each
group that is shown together, and reach a contrast of 3 on white and on the dark theme's
background.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import plotly.graph_objects as go
import plotly.io as pio

COLOURS: dict[str, str] = {
    "base": "#7b8794",
    "sft": "#2a6fbb",
    "ppo": "#d1570a",
    "ppo_ptx": "#149a70",
    "proxy": "#a259b8",
    "gold": "#a67c00",
    "old": "#7b8794",
    "new": "#2a6fbb",
    "neutral": "#7b8794",
}
# For things without a role, in this order. More than five lines need another figure.
CATEGORIES = ("#2a6fbb", "#d1570a", "#149a70", "#a259b8", "#7b8794")
FAINT = "rgba(128, 136, 146, 0.28)"
HEIGHT = 380
MARGIN = {"l": 52, "r": 24, "t": 20, "b": 52}


def _template() -> go.layout.Template:
    axis = {
        "automargin": True,
        "gridcolor": FAINT,
        "linecolor": COLOURS["neutral"],
        "tickcolor": COLOURS["neutral"],
        "tickfont": {"size": 13},
        "title": {"font": {"size": 14}, "standoff": 10},
        "zeroline": False,
    }
    return go.layout.Template(
        layout={
            "colorway": list(CATEGORIES),
            "colorscale": {"sequential": "Cividis", "diverging": "RdBu"},
            "font": {"size": 14, "color": "#6b7580"},
            "height": HEIGHT,
            "hoverlabel": {"font": {"size": 13}},
            "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
            "margin": MARGIN,
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "title": {"x": 0, "xanchor": "left", "xref": "paper", "font": {"size": 16}},
            "xaxis": axis | {"showgrid": False, "showline": True, "ticks": "outside"},
            "yaxis": axis | {"showline": False, "ticks": ""},
        }
    )


pio.templates["anatomy"] = _template()
pio.templates.default = "anatomy"


def colour_of(name: str, index: int, colours: Mapping[str, str] | None = None) -> str:
    """The colour of a named thing: as asked for, its role's, or the next category's.

    `colours` maps names to roles ("ppo") or to colours ("#2a6fbb").
    """
    asked = (colours or {}).get(name, name)
    if asked in COLOURS:
        return COLOURS[asked]
    if colours and name in colours:
        if not re.fullmatch("#[0-9a-fA-F]{6}", asked):
            known = ", ".join(COLOURS)
            raise ValueError(f"{asked!r} is no colour: write #rrggbb, or one of {known}")
        return asked
    return CATEGORIES[index % len(CATEGORIES)]


def faded(colour: str, opacity: float) -> str:
    """A #rrggbb colour with an opacity."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, {opacity})"
