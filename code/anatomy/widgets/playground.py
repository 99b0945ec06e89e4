"""A panel for live notebooks: turn PPO's knobs, train on CartPole, compare the runs.

Works with ipywidgets 7.7 (Colab) and 8. It needs a kernel, so a static page shows
only its first state. The training loop is the chapter's: act, judge, update.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import ipywidgets as widgets
import numpy as np

from anatomy.algorithms.ppo import PPOConfig, judge, make_optimizer, update
from anatomy.envs.interact import Actors
from anatomy.models.actor_critic import CategoricalActorCritic
from anatomy.runtime import initial_weights, make_generator

OBSERVATION_SIZE, ACTIONS, BEST_RETURN = 4, 2, 500  # of CartPole-v1
KEPT_RUNS = 4  # earlier runs that stay in the figure
REDRAW_SECONDS = 0.25


@dataclass
class Run:
    """One training: its settings and one point per rollout."""

    config: PPOConfig
    seed: int
    steps: list[int] = field(default_factory=list)  # environment steps so far
    returns: list[float] = field(default_factory=list)  # mean of the last 20 episodes
    kl: list[float] = field(default_factory=list)
    clip_fraction: list[float] = field(default_factory=list)

    @property
    def name(self) -> str:
        c = self.config
        return f"ε {c.clip_range:g}, K {c.epochs}, rate {c.learning_rate:.1e}, seed {self.seed}"


def training(run: Run, *, total_steps: int, actors: int = 32) -> Iterator[Run]:
    """Train PPO on CartPole-v1; yield `run` after every rollout, with its new point."""
    generator = make_generator(run.seed)
    with initial_weights(run.seed):
        policy = CategoricalActorCritic(OBSERVATION_SIZE, ACTIONS)
    optimizer = make_optimizer(policy, run.config)
    envs = Actors("CartPole-v1", actors, seed=run.seed)
    while envs.steps < total_steps:
        rollout = envs.run(policy, run.config.steps, generator)
        stats = update(
            policy, optimizer, judge(rollout, run.config).flatten(), run.config, generator
        )
        recent = envs.episode_returns[-20:]
        run.steps.append(envs.steps)
        run.returns.append(float(np.mean(recent)) if recent else math.nan)
        run.kl.append(stats["kl"])
        run.clip_fraction.append(stats["clip_fraction"])
        yield run


class Playground(widgets.VBox):  # type: ignore[misc, unused-ignore]
    """The panel. `train()` blocks until the run ends; the buttons use a thread."""

    def __init__(self, *, total_steps: int = 60_000, seed: int = 0) -> None:
        if total_steps < 1:
            raise ValueError(f"total_steps must be positive, got {total_steps}")
        self.total_steps = total_steps
        self.runs: list[Run] = []
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        wide = {
            "style": {"description_width": "140px"},
            "layout": widgets.Layout(width="min(460px, 100%)"),
            "continuous_update": False,
        }
        self.clip_range = widgets.FloatSlider(
            value=0.2, min=0.05, max=1.0, step=0.05, description="clip range ε", **wide
        )
        self.epochs = widgets.IntSlider(value=8, min=1, max=20, description="epochs K", **wide)
        self.learning_rate = widgets.FloatLogSlider(
            value=10**-2.5, base=10, min=-4, max=-1.5, step=0.25, description="learning rate",
            readout_format=".1e", **wide,
        )  # fmt: skip
        self.seed = widgets.BoundedIntText(
            value=seed, min=0, max=9_999, description="seed",
            style={"description_width": "140px"}, layout=widgets.Layout(width="240px"),
        )  # fmt: skip
        self.train_button = widgets.Button(description="Train", button_style="primary")
        self.stop_button = widgets.Button(description="Stop", disabled=True)
        self.train_button.on_click(lambda _: self.start())
        self.stop_button.on_click(lambda _: self.stop())
        self.figure = widgets.HTML(draw([], total_steps))
        self.status = widgets.HTML("Choose the knobs, guess what the curve will do, then train.")
        super().__init__(
            [
                self.clip_range,
                self.epochs,
                self.learning_rate,
                self.seed,
                widgets.HBox([self.train_button, self.stop_button]),
                self.figure,
                self.status,
            ]
        )

    def start(self) -> None:
        """Train in the background, so that the notebook still hears the Stop button."""
        if self._thread is not None and self._thread.is_alive():
            return
        self._prepare()
        self._thread = threading.Thread(target=self._train, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ask the run to end after the present rollout; what it has learned stays drawn."""
        self._stop.set()

    def wait(self, timeout: float | None = None) -> None:
        """Block until the background run has ended."""
        if self._thread is not None:
            self._thread.join(timeout)

    def train(self) -> Run:
        """Train with the present knobs, here and now."""
        self._prepare()
        self._train()
        return self.runs[-1]

    def _prepare(self) -> None:
        self._stop.clear()
        self.train_button.disabled, self.stop_button.disabled = True, False
        self.status.value = "Training…"

    def _train(self) -> None:
        config = replace(
            PPOConfig(),
            clip_range=self.clip_range.value,
            epochs=self.epochs.value,
            learning_rate=self.learning_rate.value,
        )
        run = Run(config, self.seed.value)
        self.runs = [*self.runs[-KEPT_RUNS:], run]
        drawn = 0.0
        try:
            ended = "Finished"
            for _ in training(run, total_steps=self.total_steps):
                if time.monotonic() - drawn > REDRAW_SECONDS:
                    self._show(run, "Training")
                    drawn = time.monotonic()
                if self._stop.is_set():
                    ended = "Stopped"
                    break
            self._show(run, ended)
        except FloatingPointError as error:
            self._show(run, f"Diverged: {str(error).rstrip('.')}")
        finally:
            self.train_button.disabled, self.stop_button.disabled = False, True

    def _show(self, run: Run, state: str) -> None:
        self.figure.value = draw(self.runs, self.total_steps)
        if run.steps:
            self.status.value = (
                f"{state}. {run.steps[-1]:,} steps, return {run.returns[-1]:.0f} "
                f"over the last 20 episodes, KL to the old policy {run.kl[-1]:.4f}, "
                f"{run.clip_fraction[-1]:.0%} of the ratios outside 1 ± ε."
            )
        else:
            self.status.value = f"{state}."


def draw(runs: list[Run], total_steps: int) -> str:
    """Draw the learning curves as an SVG: the last run in colour, earlier ones in grey."""
    width, height, left, right, top, bottom = 640, 300, 44, 12, 14, 34

    def x(steps: float) -> float:
        return left + (width - left - right) * steps / total_steps

    def y(value: float) -> float:
        return height - bottom - (height - top - bottom) * value / BEST_RETURN

    marks = []
    for tick in range(0, BEST_RETURN + 1, 100):
        marks.append(
            f'<line x1="{left}" x2="{width - right}" y1="{y(tick):.1f}" y2="{y(tick):.1f}" '
            'stroke="currentColor" stroke-opacity=".14"/>'
            f'<text x="{left - 8}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick}</text>'
        )
    for part in range(5):
        steps = total_steps * part / 4
        label = f"{steps / 1000:g}k" if total_steps >= 4_000 else f"{steps:g}"
        marks.append(
            f'<text x="{x(steps):.1f}" y="{height - 14}" text-anchor="middle">{label}</text>'
        )
    for run in runs:
        points = [
            f"{x(steps):.1f},{y(value):.1f}"
            for steps, value in zip(run.steps, run.returns, strict=True)
            if math.isfinite(value)
        ]
        last = run is runs[-1]
        colour = "var(--anatomy-new, #2a6fbb)" if last else "var(--anatomy-old, #7b8794)"
        marks.append(
            f'<polyline points="{" ".join(points)}" fill="none" stroke="{colour}" '
            f'stroke-width="{3 if last else 1.5}" stroke-linejoin="round">'
            f"<title>{run.name}</title></polyline>"
        )
    names = "".join(
        f"<li>{'<b>' if run is runs[-1] else ''}{run.name}: {run.returns[-1]:.0f}"
        f"{'</b>' if run is runs[-1] else ''}</li>"
        for run in runs
        if run.returns
    )
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" style="width:100%;max-width:{width}px;'
        'font:13px sans-serif" fill="currentColor" '
        'aria-label="Mean return of the last 20 episodes against environment steps">'
        f"{''.join(marks)}</svg>"
        "<div>Mean return of the last 20 episodes against environment steps; "
        f"the last run in bold.</div><ul>{names}</ul>"
    )


def ppo_playground(*, total_steps: int = 60_000, seed: int = 0) -> Playground:
    """Return a panel with sliders for ε, K and the learning rate that trains PPO on CartPole."""
    return Playground(total_steps=total_steps, seed=seed)
