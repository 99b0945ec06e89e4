"""History: rows in, columns out, and a file that survives an interruption."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from anatomy.reporting import History


def test_rows_are_read_as_columns():
    history = History()
    history.add(step=1, kl=0.5)
    history.add(step=2, loss=torch.tensor(3.0))
    assert history.columns == ["step", "kl", "loss"]
    assert history["step"].tolist() == [1.0, 2.0]
    np.testing.assert_array_equal(history["kl"], [0.5, math.nan])
    assert list(history) == [{"step": 1.0, "kl": 0.5}, {"step": 2.0, "loss": 3.0}]
    assert len(history) == 2


def test_an_unknown_column_names_those_there_are():
    history = History()
    with pytest.raises(KeyError, match="nothing yet"):
        history["kl"]
    history.add(step=1, kl=0.5)
    with pytest.raises(KeyError, match="no column 'KL'; this history has: step, kl"):
        history["KL"]


def test_a_value_that_is_no_number_is_refused_before_anything_is_written(tmp_path):
    history = History(tmp_path / "run.jsonl")
    with pytest.raises((TypeError, ValueError)):
        history.add(step=1, note="fine")
    assert len(history) == 0
    assert not (tmp_path / "run.jsonl").exists()


def write(path, rows: int = 3) -> History:
    history = History(path)
    for step in range(rows):
        history.add(step=step, kl=step / 3, odd=math.nan if step else math.inf)
    return history


def test_a_file_holds_every_row_as_it_comes(tmp_path):
    path = tmp_path / "new" / "folder" / "run.jsonl"
    history = History(path)
    for step in range(3):
        history.add(step=step, kl=step / 3)
        assert History.load(path).rows == history.rows
    assert len(path.read_text().splitlines()) == 3


def test_nan_and_infinity_survive(tmp_path):
    write(tmp_path / "run.jsonl")
    odd = History.load(tmp_path / "run.jsonl")["odd"]
    np.testing.assert_array_equal(odd, [math.inf, math.nan, math.nan])


def test_a_last_line_cut_anywhere_loses_only_itself(tmp_path):
    path = tmp_path / "run.jsonl"
    rows = write(path).rows
    whole = path.read_bytes()
    start = whole[:-1].rindex(b"\n") + 1
    for length in range(start, len(whole) - 1):
        path.write_bytes(whole[:length])
        assert repr(History.load(path).rows) == repr(rows[:2]), whole[start:length]


def test_an_interrupted_run_can_be_continued_in_the_same_file(tmp_path):
    """The cut line must not swallow the row that is appended after it."""
    path = tmp_path / "run.jsonl"
    rows = write(path).rows
    path.write_bytes(path.read_bytes()[:-9])
    History(path).add(step=7)
    assert repr(History.load(path).rows) == repr([*rows[:2], {"step": 7.0}])


def test_a_last_row_that_only_lacks_its_line_end_is_kept(tmp_path):
    path = tmp_path / "run.jsonl"
    rows = write(path).rows
    path.write_bytes(path.read_bytes()[:-1])
    History(path).add(step=7)
    assert repr(History.load(path).rows) == repr([*rows, {"step": 7.0}])


def test_a_file_of_another_kind_is_not_cut(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("Dear diary")
    History(path)
    assert path.read_text() == "Dear diary"


def test_a_complete_file_is_continued_unchanged(tmp_path):
    path = tmp_path / "run.jsonl"
    rows = write(path).rows
    History(path).add(step=7)
    assert repr(History.load(path).rows) == repr([*rows, {"step": 7.0}])


@pytest.mark.parametrize("bad", ["{broken", "[1, 2]", '{"kl": "high"}', "null", '{"kl": null}'])
def test_any_other_malformed_line_is_named(tmp_path, bad):
    path = tmp_path / "run.jsonl"
    path.write_text(f'{{"step": 1}}\n{bad}\n{{"step": 2}}\n')
    with pytest.raises(ValueError, match=r"run\.jsonl, line 2: not a row of named numbers"):
        History.load(path)


def test_a_foreign_file_of_one_line_is_not_an_empty_history(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("Dear diary\n")
    with pytest.raises(ValueError, match="line 1: not a row"):
        History.load(path)


def test_an_empty_file_is_an_empty_history(tmp_path):
    (tmp_path / "run.jsonl").touch()
    assert len(History.load(tmp_path / "run.jsonl")) == 0


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing"):
        History.load(tmp_path / "nothing.jsonl")
