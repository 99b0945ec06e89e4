"""Figures from data: one palette, one small template, intervals drawn, lines labelled directly.

A plot takes data and returns a figure; it never trains, samples or saves. Colours are roles,
the same for the same thing through the whole book, and `--anatomy-*` in the site's stylesheet
are the same values. They differ for colour-blind readers within each group that is shown
together, and reach a contrast of 3 on white and on the dark theme's background.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
import plotly.io as pio
from numpy.typing import ArrayLike
from scipy import stats

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


def t_interval(samples: ArrayLike, level: float = 0.95) -> tuple[Any, Any, Any]:
    """Mean and Student-t confidence interval over the first axis (the seeds).

    mean ± t_{(1+level)/2, n−1} · s/√n. One sample has no interval: low and high are NaN.
    """
    values = np.asarray(samples, dtype=float)
    count = values.shape[0]
    mean = values.mean(axis=0)
    if count < 2:
        return mean, np.full_like(mean, np.nan), np.full_like(mean, np.nan)
    half = stats.t.ppf((1 + level) / 2, count - 1) * values.std(axis=0, ddof=1) / np.sqrt(count)
    return mean, mean - half, mean + half


def bootstrap_interval(
    samples: ArrayLike,
    statistic: Callable[..., Any] = np.mean,
    level: float = 0.95,
    resamples: int = 5_000,
    seed: int = 0,
) -> tuple[Any, Any, Any]:
    """A statistic and its percentile bootstrap interval over the first axis (the seeds)."""
    values = np.asarray(samples, dtype=float)
    point = statistic(values, axis=0)
    if values.shape[0] < 2:
        return point, np.full_like(point, np.nan), np.full_like(point, np.nan)
    answer = stats.bootstrap(
        (values,),
        statistic,
        n_resamples=resamples,
        confidence_level=level,
        method="percentile",
        axis=0,
        rng=np.random.default_rng(seed),
    )
    return point, answer.confidence_interval.low, answer.confidence_interval.high


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


def colour_of(name: str, index: int, colours: Mapping[str, str] | None = None) -> str:
    """The colour of a named thing: as asked for, its role's, or the next category's.

    `colours` maps names to roles ("ppo") or to colours ("#2a6fbb").
    """
    asked = (colours or {}).get(name, name)
    if asked in COLOURS:
        return COLOURS[asked]
    if colours and name in colours:
        return asked
    return CATEGORIES[index % len(CATEGORIES)]


def faded(colour: str, opacity: float) -> str:
    """A #rrggbb colour with an opacity."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, {opacity})"


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
