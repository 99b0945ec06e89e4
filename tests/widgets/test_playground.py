"""The live panel, without a browser: its callbacks train, stop, compare and report."""

from __future__ import annotations

import math

import pytest

from anatomy.widgets import playground
from anatomy.widgets.playground import ppo_playground


def test_the_knobs_reach_the_run_and_the_run_reaches_the_figure() -> None:
    panel = ppo_playground(total_steps=3_000, seed=3)
    panel.clip_range.value, panel.epochs.value, panel.learning_rate.value = 0.3, 2, 1e-3
    run = panel.train()
    assert (run.config.clip_range, run.config.epochs, run.seed) == (0.3, 2, 3)
    assert run.config.learning_rate == pytest.approx(1e-3)
    assert run.steps[-1] >= 3_000
    assert math.isfinite(run.returns[-1])
    assert "Finished" in panel.status.value
    assert "polyline" in panel.figure.value
    assert not panel.train_button.disabled
    assert panel.stop_button.disabled


def test_the_same_seed_gives_the_same_curve() -> None:
    first, second = (ppo_playground(total_steps=2_000, seed=1).train() for _ in range(2))
    assert first.returns == second.returns


def test_the_train_button_works_in_the_background_and_stop_ends_it() -> None:
    panel = ppo_playground(total_steps=10_000_000)
    panel.train_button.click()
    assert panel.train_button.disabled
    assert not panel.stop_button.disabled
    panel.start()  # a second press while it runs starts nothing
    panel.stop_button.click()
    panel.wait(timeout=60)
    assert len(panel.runs) == 1
    assert panel.runs[0].steps[-1] < 100_000
    assert "Stopped" in panel.status.value
    assert not panel.train_button.disabled


def test_earlier_runs_stay_for_comparison_but_not_for_ever() -> None:
    panel = ppo_playground(total_steps=1_000)
    for _ in range(playground.KEPT_RUNS + 3):
        panel.train()
    assert panel.figure.value.count("<polyline") == playground.KEPT_RUNS + 1


def test_a_diverging_run_is_reported_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def diverge(*_: object) -> dict[str, float]:
        raise FloatingPointError("the gradient is not finite. Look for NaN.")

    monkeypatch.setattr(playground, "update", diverge)
    panel = ppo_playground(total_steps=1_000)
    panel.train()
    assert panel.status.value == "Diverged: the gradient is not finite. Look for NaN."
    assert not panel.train_button.disabled


def test_an_empty_budget_is_refused() -> None:
    with pytest.raises(ValueError, match="total_steps"):
        ppo_playground(total_steps=0)


@pytest.mark.learning
def test_the_default_knobs_learn() -> None:
    run = ppo_playground(total_steps=60_000).train()
    assert max(run.returns) > 300
