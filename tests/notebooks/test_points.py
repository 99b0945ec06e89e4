"""Points of submissions: right, wrong, stalling, lying about itself, and files that are none."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import points
import pytest

from anatomy.classroom import EXERCISES

TARGET = "def my_target(rewards, next_values, terminated, truncated, *, gamma):\n"
RIGHT = "    return rewards + gamma * np.where(terminated, 0.0, next_values)"
WRONG = "    return rewards + gamma * np.where(terminated | truncated, 0.0, next_values)"


def notebook(path: Path, *cells: str) -> Path:
    code = [{"cell_type": "code", "source": cell.splitlines(keepends=True)} for cell in cells]
    path.write_text(json.dumps({"cells": code}))
    return path


def answers(path: Path, *, seconds: int = 20) -> dict[str, points.Result]:
    found = points.examine(points.read(path), seed=3, seconds=seconds)
    return {result.exercise: result for result in found}


def test_every_exercise_is_asked_for_once() -> None:
    asked = [exercise for chapter in points.chapters().values() for exercise in chapter]
    assert sorted(asked) == sorted(EXERCISES)


def test_only_what_an_answer_needs_is_run(tmp_path: Path) -> None:
    path = notebook(
        tmp_path / "ada.ipynb",
        "%pip install something\nfrom __future__ import annotations\nimport numpy as np",
        "scale = 1.0\nraise RuntimeError('a training loop would run here')",
        TARGET + "    return scale * (" + RIGHT.strip().removeprefix("return ") + ")",
        "report = check('rl.truncation', my_target)",
        "def my_rates(sweeps):\n    return sweeps +",
    )
    submission = points.read(path)
    assert submission.chapter == "02_rl_basics"
    assert "code cell 5 is no Python" in submission.broken[0]
    found = answers(path)
    assert found["rl.truncation"] == points.Result("rl.truncation", 2, 2)
    assert found["rl.rates"].said == "there is no function my_rates"
    assert len(found) == 8


def test_only_what_was_assigned_counts_and_another_chapter_is_noticed(tmp_path: Path) -> None:
    # the same name in chapters 1 and 2: the check's identifier tells them apart
    step = "def my_step(prefix, token, **rest):\n    raise NotImplementedError"
    path = notebook(tmp_path / "bob.ipynb", step, 'report = check("rl.token_step", my_step)')
    assert points.read(path, ["rl.td0", "rl.token_step"]).asked == {
        "rl.token_step": "my_step",
        "rl.td0": "my_td0",
    }
    with pytest.raises(points.SubmissionError, match="belongs to 02_rl_basics, which has none"):
        points.read(path, ["ppo.gae"])


def test_wrong_stalling_and_ending_answers_cost_only_their_own(tmp_path: Path) -> None:
    path = notebook(
        tmp_path / "eve.ipynb",
        "import numpy as np, os, time",
        "def my_evaluate(mdp, policy, *, gamma):\n    time.sleep(1000)",
        "def my_rates(sweeps):\n    os._exit(0)",
        "def my_sweep(mdp, values, *, gamma):\n    raise NotImplementedError",
        "def my_bias_variance(estimates, truth):\n    raise ValueError('\\x1b[2J gone')",
        TARGET + WRONG,
        "def my_shaped(mdp, potential, *, gamma):\n"
        "    bonus = gamma * (mdp.continues @ potential) - potential[:, None]\n"
        "    return np.where(mdp.terminal[:, None], 0.0, mdp.reward + bonus)",
    )
    found = answers(path, seconds=2)
    assert found["rl.evaluation"].said == "no answer within 2 s"
    assert found["rl.rates"].said == "it ends its process"
    assert found["rl.sweep"].said == points.NOT_WRITTEN
    assert "?[2J gone" in found["rl.bias_variance"].said
    assert found["rl.truncation"].points == 0
    assert "truncations too" in found["rl.truncation"].said
    assert found["rl.shaping"].points == 4


def test_lines_that_nobody_asked_for_are_noticed(tmp_path: Path) -> None:
    forging = (
        "    import os\n    for number in range(3, 20):\n        try:\n"
        '            os.write(number, b\'["rl.shaping", 99, ""]\\n\')\n'
        "        except OSError:\n            pass\n"
    )
    path = notebook(tmp_path / "mallory.ipynb", "import numpy as np", TARGET + forging + RIGHT)
    with pytest.raises(points.SubmissionError, match="list of its own points"):
        answers(path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "It is empty"),
        (b"Dear professor", "no notebook, or one that was cut off"),
        (b'{"cells": [{"cell_type": "code", "sou', "no notebook, or one that was cut off"),
        (b'{"cells": [3]}', "no notebook, or one that was cut off"),
        (b"[1, 2]", "no notebook, or one that was cut off"),
        (b"\x89PNG\xff\x00", "not text"),
        (b'{"cells": []}', "no function that an exercise asks for"),
        (None, "There is no such file"),
    ],
)
def test_what_is_no_submission_gets_a_sentence_and_the_others_go_on(
    content: bytes | None,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path, table = tmp_path / "bad.ipynb", tmp_path / "points.csv"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.setattr("sys.argv", ["points.py", str(path), str(path), "--csv", str(table)])
    assert points.main() == 1
    assert capsys.readouterr().out.count(said) == 2
    with table.open() as file:
        rows = list(csv.reader(file))
    assert [row[0] for row in rows] == ["file", str(path), str(path)]
    assert said in rows[1][4]


def test_an_interruption_keeps_the_rows_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = tmp_path / "first.ipynb", tmp_path / "second.ipynb"
    first.write_text("")
    table = tmp_path / "points.csv"

    def interrupted(path: Path, only: object) -> points.Submission:
        if path == second:
            raise KeyboardInterrupt
        raise points.SubmissionError("It is empty.")

    monkeypatch.setattr(points, "read", interrupted)
    monkeypatch.setattr("sys.argv", ["points.py", str(first), str(second), "--csv", str(table)])
    with pytest.raises(KeyboardInterrupt):
        points.main()
    assert [row[0] for row in csv.reader(table.read_text().splitlines())] == ["file", str(first)]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["a.ipynb", "--csv", "a.ipynb"], "would be overwritten"),
        (["a.ipynb", "--csv", "no/such/folder.csv"], "folder that exists"),
        (["a.ipynb", "--seconds", "0"], "whole number above 0"),
        (["a.ipynb", "--only", "rl.td0,gae"], "no exercise 'gae'; there are: lm.sight"),
        ([], "required"),
    ],
)
def test_wrong_arguments_are_refused_before_anything_runs(
    arguments: list[str],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("sys.argv", ["points.py", *arguments])
    with pytest.raises(SystemExit):
        points.main()
    assert said in capsys.readouterr().err


def test_the_instructors_page_names_what_there_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (points.ROOT / "book" / "instructors.md").read_text("utf-8")
    section = page.split("(instructors-points)=")[1].split("(instructors-security)=")[0]
    assert f"`{points.NOT_WRITTEN}`" in section
    assert "`no answer within 60 s`" in section
    monkeypatch.setattr("sys.argv", ["points.py", "--help"])
    with pytest.raises(SystemExit):
        points.main()
    said = capsys.readouterr().out
    flags = set(re.findall(r"--\w+", section))
    assert flags
    assert all(flag in said for flag in flags)
    assert "default: 60" in said
    for chapter, number in re.findall(r"[|;] (\d)\.(\d) \w", page):
        exercises = next((points.ROOT / "chapters").glob(f"0{chapter}_*/exercises.md")).read_text()
        assert f"\n## {number} · " in exercises, f"exercise {chapter}.{number}"
