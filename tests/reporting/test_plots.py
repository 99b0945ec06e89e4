"""Intervals by hand, labels that do not overlap, and a palette measured rather than trusted."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
import pytest

from anatomy.reporting import plots

ROOT = Path(__file__).resolve().parents[2]
LIGHT, DARK = "#ffffff", "#121417"
# Simulations of colour blindness on linear RGB (Machado, Oliveira and Fernandes 2009).
VISION = {
    "usual": np.eye(3),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
}
SHOWN_TOGETHER = (("base", "sft", "ppo", "ppo_ptx"), ("proxy", "gold"), ("old", "new"))


def linear(colour: str) -> np.ndarray:
    channels = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def contrast(one: str, other: str) -> float:
    """WCAG 2 contrast ratio."""
    weights = np.array([0.2126, 0.7152, 0.0722])
    low, high = sorted((linear(one) @ weights, linear(other) @ weights))
    return float((high + 0.05) / (low + 0.05))


def distance(one: str, other: str, vision: np.ndarray) -> float:
    """CIE 1976 ΔE as seen with this vision."""

    def lab(colour: str) -> np.ndarray:
        to_xyz = np.array(
            [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
        )
        xyz = to_xyz @ np.clip(vision @ linear(colour), 0, 1) / np.array([0.9505, 1, 1.089])
        f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
        return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])

    return float(np.linalg.norm(lab(one) - lab(other)))


def test_contrast_formula_on_known_pairs() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("colour", sorted({*plots.COLOURS.values(), *plots.CATEGORIES}))
def test_every_colour_is_seen_on_light_and_dark(colour: str) -> None:
    assert contrast(colour, LIGHT) >= 3
    assert contrast(colour, DARK) >= 3


@pytest.mark.parametrize("vision", VISION)
def test_colours_shown_together_differ_for_colour_blind_readers(vision: str) -> None:
    groups = [[plots.COLOURS[role] for role in group] for group in SHOWN_TOGETHER]
    for group in [*groups, plots.CATEGORIES[:3]]:
        for one, other in itertools.combinations(group, 2):
            assert distance(one, other, VISION[vision]) > 15, (one, other)


def test_stylesheet_has_the_same_colours() -> None:
    css = (ROOT / "book" / "assets" / "anatomy.css").read_text()
    for role, colour in plots.COLOURS.items():
        assert f"--anatomy-{role.replace('_', '-')}: {colour};" in css


def test_t_interval_by_hand() -> None:
    # mean 2, s = 1, n = 3, t_{0.975, 2} = 4.302653: half width 4.302653 / sqrt(3) = 2.484138
    mean, low, high = plots.t_interval([1.0, 2.0, 3.0])
    assert (mean, low, high) == pytest.approx((2.0, -0.484138, 4.484138), abs=1e-5)


def test_t_interval_runs_over_seeds_only() -> None:
    mean, low, high = plots.t_interval([[1.0, 10.0], [2.0, 10.0], [3.0, 10.0]])
    np.testing.assert_allclose(mean, [2, 10])
    np.testing.assert_allclose(low, [-0.484138, 10], atol=1e-5)
    np.testing.assert_allclose(high, [4.484138, 10], atol=1e-5)


def test_one_seed_has_no_interval() -> None:
    _, low, high = plots.t_interval([[1.0, 2.0]])
    assert np.isnan(low).all()
    assert np.isnan(high).all()


def test_bootstrap_interval_is_repeatable_and_near_the_normal_one() -> None:
    sample = np.random.default_rng(3).normal(5.0, 2.0, size=400)
    point, low, high = plots.bootstrap_interval(sample)
    half = 1.96 * sample.std(ddof=1) / 20  # standard error: s / sqrt(400)
    assert point == pytest.approx(sample.mean())
    assert (low, high) == pytest.approx((point - half, point + half), abs=0.03)
    assert plots.bootstrap_interval(sample) == (point, low, high)
    assert plots.bootstrap_interval(sample, np.median)[0] == np.median(sample)


def test_learning_curves_draw_mean_band_and_label() -> None:
    x = [0, 100, 200]
    ys = [[0.0, 1.0, 2.0], [0.0, 3.0, 4.0]]
    figure = plots.learning_curves({"ppo": (x, ys)}, x_title="steps", y_title="return")
    upper, lower, mean = figure.data
    np.testing.assert_allclose(mean.y, [0, 2, 3])
    # n = 2, s = √2 at the second step: 12.7062 · √2 / √2
    np.testing.assert_allclose(upper.y, [0, 14.7062, 15.7062], atol=1e-3)
    np.testing.assert_allclose(lower.y, [0, -10.7062, -9.7062], atol=1e-3)
    assert lower.fill == "tonexty"
    assert mean.line.color == plots.COLOURS["ppo"]
    label = figure.layout.annotations[0]
    assert (label.xref, label.x, label.y, label.text) == ("paper", 1, 3, "<b>ppo</b>")
    assert figure.layout.showlegend is False
    assert figure.layout.xaxis.title.text == "steps"


def test_wrong_shape_is_named() -> None:
    with pytest.raises(ValueError, match=r"'ppo': ys must be \(seeds, 3\)"):
        plots.learning_curves({"ppo": ([0, 1, 2], [0.0, 1.0, 2.0])})


def test_a_line_that_ends_early_is_labelled_at_its_last_number() -> None:
    short, long = ([0, 1, 2], [1.0, 2.0, np.nan]), ([0, 1, 2], [5.0, 5.0, 5.0])
    figure = plots.lines({"short": short, "long": long}, x_title="x", y_title="y")
    first, second = figure.layout.annotations
    assert (first.xref, first.x, first.y) == (None, 1, 2)
    assert (second.xref, second.x, second.y) == ("paper", 1, 5)


def test_spread_separates_and_keeps_order() -> None:
    assert plots.spread([0.0, 10.0], 5) == [0, 10]
    assert plots.spread([1.0, 1.0], 4) == [-1, 3]
    moved = plots.spread([5.0, 0.0, 0.2, 0.1], 1)
    assert np.diff(sorted(moved)).min() >= 1 - 1e-9
    assert np.argsort(moved).tolist() == [1, 3, 2, 0]


def test_bars_have_the_interval_as_error_bars() -> None:
    figure = plots.bars_with_intervals({"sft": [1.0, 2.0, 3.0], "new thing": [4.0]}, y_title="y")
    bar = figure.data[0]
    assert bar.y == (2.0,)
    assert bar.error_y.array[0] == pytest.approx(2.484138, abs=1e-5)
    assert bar.marker.line.color == plots.COLOURS["sft"]
    assert figure.data[-1].marker.line.color == plots.CATEGORIES[1]


def test_colours_may_name_roles_or_values() -> None:
    assert plots.colour_of("clip", 0, {"clip": "new"}) == plots.COLOURS["new"]
    assert plots.colour_of("clip", 0, {"clip": "#123456"}) == "#123456"
    assert plots.colour_of("gold", 3) == plots.COLOURS["gold"]
    assert plots.colour_of("clip", 1) == plots.CATEGORIES[1]


def test_describe_sets_the_words_and_wants_some() -> None:
    figure = plots.describe(go.Figure(), "A rising line.", caption="It rises.")
    assert figure.layout.meta == {"alt": "A rising line.", "caption": "It rises."}
    with pytest.raises(ValueError, match="text alternative"):
        plots.describe(go.Figure(), " ")


def test_template_is_registered_and_small() -> None:
    figure = go.Figure()
    assert figure.layout.template.layout.paper_bgcolor == "rgba(0,0,0,0)"
    assert len(figure.layout.template.to_plotly_json()["layout"]) > 5
    assert len(figure.to_json()) < 2_500


def test_importing_the_package_does_not_import_plotly() -> None:
    probe = "import anatomy, anatomy.reporting, sys; sys.exit('plotly' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", probe]).returncode == 0


def test_labels_stand_at_the_ends_of_lines_on_log_axes_too() -> None:
    figure = plots.lines(
        {"a": ([1, 10, 100], [1, 10, 1000])}, x_title="x", y_title="y", log_x=True, log_y=True
    )
    (label,) = figure.layout.annotations
    assert (label.xref, label.x) == ("paper", 1)
    assert label.y == pytest.approx(3)
    assert (figure.layout.xaxis.type, figure.layout.yaxis.type) == ("log", "log")


def test_a_colour_that_is_none_and_a_curve_without_a_number_are_named() -> None:
    two = {"a": ([0, 1], [[1.0, 2.0], [2.0, 3.0]])}
    for colour in ("red", "#abc", "rgb(1, 2, 3)"):
        with pytest.raises(ValueError, match="is no colour: write #rrggbb"):
            plots.learning_curves(two, x_title="x", y_title="y", colours={"a": colour})
    with pytest.raises(ValueError, match="'a' has no number to draw"):
        plots.learning_curves({"a": ([0, 1], [[np.nan, np.nan]])}, x_title="x", y_title="y")
