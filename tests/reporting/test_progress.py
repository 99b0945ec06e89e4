"""The progress bar yields what it was given, seen or unseen."""

from __future__ import annotations

import pytest

from anatomy.reporting import progress


@pytest.mark.parametrize("setting", ["off", "OFF", "0", "no", "", "on"])
def test_every_item_is_yielded_once_and_in_order(monkeypatch, setting, capsys):
    monkeypatch.setenv("ANATOMY_PROGRESS", setting)
    assert list(progress(range(5), "training")) == [0, 1, 2, 3, 4]
    assert list(progress(iter("ab"), total=2)) == ["a", "b"]


def test_off_is_silent_and_on_is_not(monkeypatch, capsys):
    monkeypatch.setenv("ANATOMY_PROGRESS", "off")
    list(progress(range(3), "training"))
    silent = capsys.readouterr()
    assert silent.out + silent.err == ""
    monkeypatch.delenv("ANATOMY_PROGRESS")
    list(progress(range(3), "training"))
    assert "training" in capsys.readouterr().err


def test_an_error_inside_the_loop_comes_through(monkeypatch):
    monkeypatch.setenv("ANATOMY_PROGRESS", "off")

    def items():
        yield 1
        raise KeyError("broken")

    bar = progress(items())
    assert next(bar) == 1
    with pytest.raises(KeyError, match="broken"):
        next(bar)
