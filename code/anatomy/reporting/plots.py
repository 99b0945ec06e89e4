"""Figures from data: intervals drawn, lines labelled directly, every figure described in words.

A plot takes data and returns a figure; it never trains, samples or saves. Its colours are
those of the palette, its intervals those of `intervals`; both are reached from here, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike

from anatomy.reporting.intervals import bootstrap_interval, t_interval
from anatomy.reporting.palette import (
    CATEGORIES,
    COLOURS,
    FAINT,
    HEIGHT,
    MARGIN,
    colour_of,
    faded,
)

__all__ = [
    "CATEGORIES",
    "COLOURS",
    "FAINT",
    "HEIGHT",
    "MARGIN",
    "bars_with_intervals",
    "bootstrap_interval",
    "colour_of",
    "describe",
    "faded",
    "label_ends",
    "learning_curves",
    "lines",
    "spread",
    "t_interval",
]


def describe(figure: go.Figure, alt: str, caption: str = "") -> go.Figure:
    """Say in words what a figure shows, for those who cannot see it; optionally caption it.

    The site turns `alt` into the figure's text alternative and prints `caption` beneath it.
    Raises ValueError for an empty `alt`.
    """
    if not alt.strip():
        raise ValueError("a figure's text alternative must not be empty")
    meta = {**(figure.layout.meta or {}), "alt": alt}
    figure.update_layout(meta=meta | ({"caption": caption} if caption else {}))
    return figure


def spread(positions: Sequence[float], gap: float) -> list[float]:
    """Move positions apart until neighbours are at least `gap` away, keeping order and centre."""
    order = sorted(range(len(positions)), key=lambda i: positions[i])
    moved = [float(positions[i]) for i in order]
    groups = [[value] for value in moved]
    centres = list(moved)
    i = 0
    while i + 1 < len(groups):
        reach = gap * (len(groups[i]) + len(groups[i + 1])) / 2
        if centres[i + 1] - centres[i] >= reach - 1e-9:
            i += 1
            continue
        groups[i] += groups.pop(i + 1)
        centres[i] = sum(groups[i]) / len(groups[i])
        del centres[i + 1]
        i = max(i - 1, 0)
    placed = [
        centre + gap * (rank - (len(group) - 1) / 2)
        for group, centre in zip(groups, centres, strict=True)
        for rank in range(len(group))
    ]
    answer = [0.0] * len(positions)
    for place, i in zip(placed, order, strict=True):
        answer[i] = place
    return answer


def label_ends(
    figure: go.Figure, ends: Mapping[str, tuple[float, float, str]], low: float, high: float
) -> None:
    """Write each line's name (its end x, end y, colour) beside its end, without overlaps.

    Positions and range are in axis units: logarithms to base 10 on a log axis.
    """
    height = figure.layout.height or HEIGHT
    per_pixel = (high - low or 1.0) * 1.1 / (height - MARGIN["t"] - MARGIN["b"])
    places = spread([y for _, y, _ in ends.values()], 18 * per_pixel)
    right = max((x for x, _, _ in ends.values()), default=0.0)
    for (name, (x, y, colour)), place in zip(ends.items(), places, strict=True):
        figure.add_annotation(
            # Beside the plot's edge rather than at its x, which would widen the axis.
            **({"x": 1, "xref": "paper"} if x == right else {"x": x}),
            y=y,
            yshift=(place - y) / per_pixel,
            text=f"<b>{name}</b>",
            font={"color": colour},
            showarrow=False,
            xanchor="left",
            xshift=6,
        )
    longest = max((len(name) for name in ends), default=0)
    figure.update_layout(margin={**MARGIN, "r": min(24 + 8 * longest, 170)}, showlegend=False)


def lines(
    series: Mapping[str, tuple[ArrayLike, ArrayLike]],
    *,
    x_title: str,
    y_title: str,
    colours: Mapping[str, str] | None = None,
    log_x: bool = False,
    log_y: bool = False,
) -> go.Figure:
    """One line for each name, labelled at its end."""
    bands = {name: (x, np.asarray(y, dtype=float)[None]) for name, (x, y) in series.items()}
    return learning_curves(
        bands, x_title=x_title, y_title=y_title, colours=colours, log_x=log_x, log_y=log_y
    )


def learning_curves(
    curves: Mapping[str, tuple[ArrayLike, ArrayLike]],
    *,
    x_title: str = "environment steps",
    y_title: str = "return",
    colours: Mapping[str, str] | None = None,
    level: float = 0.95,
    log_x: bool = False,
    log_y: bool = False,
) -> go.Figure:
    """The mean over seeds of each curve, its t interval as a band, its name at its end.

    `curves` maps a name to (x, ys): x (steps,), ys (seeds, steps). Raises ValueError where the
    shapes do not fit. A band needs two seeds.
    """
    figure = go.Figure()
    ends: dict[str, tuple[float, float, str]] = {}
    extremes: list[float] = []
    for index, (name, (x, ys)) in enumerate(curves.items()):
        steps, values = np.asarray(x, dtype=float), np.asarray(ys, dtype=float)
        if values.ndim != 2 or values.shape[1] != steps.shape[0]:
            raise ValueError(
                f"{name!r}: ys must be (seeds, {steps.shape[0]}) for x of shape {steps.shape}, "
                f"and is {values.shape}"
            )
        if not np.isfinite(values).any():
            raise ValueError(f"{name!r} has no number to draw: all of its values are NaN")
        colour = colour_of(name, index, colours)
        mean, low, high = t_interval(values, level)
        if values.shape[0] > 1:
            edge = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "showlegend": False}
            figure.add_scatter(x=steps, y=high, **edge)
            figure.add_scatter(
                x=steps, y=low, fill="tonexty", fillcolor=faded(colour, 0.18), **edge
            )
            extremes += [float(np.nanmin(low)), float(np.nanmax(high))]
        line = {"color": colour, "width": 2.5}
        figure.add_scatter(x=steps, y=mean, mode="lines", line=line, name=name)
        extremes += [float(np.nanmin(mean)), float(np.nanmax(mean))]
        last = np.flatnonzero(np.isfinite(mean))[-1]
        ends[name] = (float(steps[last]), float(mean[last]), colour)
    figure.update_layout(xaxis_title_text=x_title, yaxis_title_text=y_title)
    if log_x:
        figure.update_xaxes(type="log")
        ends = {name: (float(np.log10(x)), y, colour) for name, (x, y, colour) in ends.items()}
    if log_y:
        figure.update_yaxes(type="log")
        ends = {name: (x, float(np.log10(y)), colour) for name, (x, y, colour) in ends.items()}
        extremes = [float(np.log10(value)) for value in extremes if value > 0]
    label_ends(figure, ends, min(extremes, default=0.0), max(extremes, default=1.0))
    return figure


def bars_with_intervals(
    samples: Mapping[str, ArrayLike],
    *,
    y_title: str,
    colours: Mapping[str, str] | None = None,
    level: float = 0.95,
    show_samples: bool = True,
) -> go.Figure:
    """The mean of each named sample (one value per seed) with its t interval and the values."""
    figure = go.Figure()
    for index, (name, given) in enumerate(samples.items()):
        values = np.asarray(given, dtype=float)
        colour = colour_of(name, index, colours)
        mean, low, high = t_interval(values, level)
        error = {"type": "data", "array": [high - mean], "arrayminus": [mean - low]}
        figure.add_bar(
            x=[name],
            y=[mean],
            name=name,
            marker={"color": faded(colour, 0.55), "line": {"color": colour, "width": 1.5}},
            error_y=error | {"thickness": 1.8, "width": 7, "color": colour, "visible": True},
            width=0.62,
        )
        if show_samples and values.size > 1:
            figure.add_scatter(
                x=[name] * values.size,
                y=values,
                mode="markers",
                marker={"color": colour, "size": 5, "opacity": 0.5},
                hoverinfo="skip",
                showlegend=False,
            )
    figure.update_layout(yaxis_title_text=y_title, showlegend=False)
    return figure
