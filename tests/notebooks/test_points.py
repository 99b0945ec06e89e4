"""Points of submissions: right, wrong, stalling, lying about itself, and files that are none."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import points
import pytest
import submissions

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
    assert submission.chapters == ("02_rl_basics",)
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


GAE = "def my_gae(rewards, values, last_values, terminated, truncated, *, gamma, gae_lambda):\n"
SHORT = "    return gae(rewards, values, last_values, terminated, truncated, gamma=gamma, "
EXPONENT = "def my_exponent(T, t):\n"


@pytest.mark.parametrize(
    "cells",
    [
        # a local name is no name of the notebook's
        ["rewards = open('my_rollout.pt')", GAE + SHORT + "gae_lambda=gae_lambda)"],
        [GAE + "    loss = gamma\n" + SHORT + "gae_lambda=gae_lambda)", "loss = 1 / 0"],
        # what a function reads may be made in any way
        ["less = 0\nless += 1", EXPONENT + "    return T - t - less"],
        ["less = {}\nless['one'] = 1", EXPONENT + "    return T - t - less['one']"],
        ["less = []\nless.append(1)", EXPONENT + "    return T - t - less[0]"],
        ["with torch.no_grad():\n    less = 1", EXPONENT + "    return T - t - less"],
        ["for less in range(2):\n    pass", EXPONENT + "    return T - t - less"],
        ["try:\n    less = 1\nexcept OSError:\n    less = 2", EXPONENT + "    return T-t-less"],
        ["if True:\n    " + EXPONENT.strip() + " return T - t - 1"],
        ["my_exponent = lambda T, t: T - t - 1"],
        # what is no Python, but notebooks understand it
        [EXPONENT + "    return T - t - 1", "my_exponent??"],
        ["%%time\n" + EXPONENT + "    return (T - t - 1\n    % 100)\n!ls"],
    ],
)
def test_an_answer_gets_what_it_needs_and_nothing_else(cells: list[str], tmp_path: Path) -> None:
    setup = "import torch\nfrom anatomy.estimators import gae\ntorch.no_such_function()"
    path = notebook(tmp_path / "grace.ipynb", setup, *cells, 'report = check("ppo.gae", my_gae)')
    found = answers(path)
    asked = "ppo.gae" if "my_gae" in cells[-1] + cells[0] else "ppo.exponent"
    assert found[asked].points == found[asked].out_of, found[asked].said


def test_what_one_answer_changes_does_not_reach_the_next(tmp_path: Path) -> None:
    clip = (
        "def my_clipped_loss(logprobs, old_logprobs, advantages, *, clip_range):\n"
        "    return clipped_surrogate(logprobs, old_logprobs, advantages, clip_range=clip_range)"
    )
    (name,) = (name for e, name in points.chapters()["05_ppo"].items() if e == "ppo.clip")
    path = notebook(
        tmp_path / "alan.ipynb",
        "import torch\nfrom anatomy.losses import clipped_surrogate\n"
        "from anatomy.estimators import gae",
        GAE + "    torch.set_grad_enabled(False)\n" + SHORT + "gae_lambda=gae_lambda)",
        clip.replace("my_clipped_loss", name),
        'report = check("ppo.clip", f)',
    )
    found = answers(path)
    assert found["ppo.gae"].points == 3
    assert found["ppo.clip"].points == 3, found["ppo.clip"].said


def test_a_notebook_of_two_chapters_gets_the_points_of_both(tmp_path: Path) -> None:
    path = notebook(
        tmp_path / "week.ipynb",
        "import numpy as np",
        TARGET + RIGHT,
        EXPONENT + "    return T - t - 1",
        'report = check("rl.truncation", my_target)',
        'report = check("ppo.exponent", my_exponent)',
    )
    submission = points.read(path, ["ppo.exponent", "rl.truncation"])
    assert submission.chapters == ("02_rl_basics", "05_ppo")
    found = list(points.examine(submission, seed=3, seconds=20))
    assert [r.points for r in found] == [2, 1]


def test_exercises_have_the_numbers_of_their_pages() -> None:
    numbers = submissions.numbers()
    assert numbers["ppo.gae"] == numbers["ppo.exponent"] == "5.1"
    assert numbers["rl.shaping"] == "2.6"
    assert sorted(numbers) == sorted(EXERCISES)
    assert points.exercises("5.1,rl.shaping") == ["ppo.gae", "ppo.exponent", "rl.shaping"]


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
        (b'{"cells": [{"cell_type": "code", "source": "a = ' + b"-" * 9000 + b'1"}]}', "deeply"),
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
    rows = read_table(table)
    assert [row["file"] for row in rows] == [str(path), str(path)]
    assert said in rows[0]["notes"]


def read_table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


def test_a_folder_a_table_and_a_page_for_each_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, body in (("ada", RIGHT), ("bob", WRONG)):
        (tmp_path / "in" / name).mkdir(parents=True)
        notebook(
            tmp_path / "in" / name / "exercises.ipynb",
            "import numpy as np",
            TARGET + body,
            'report = check("rl.truncation", my_target)',
        )
    (tmp_path / "in" / "bob" / ".ipynb_checkpoints").mkdir()
    (tmp_path / "in" / "bob" / ".ipynb_checkpoints" / "old.ipynb").write_text("old")
    table, pages = tmp_path / "points.csv", tmp_path / "pages"
    arguments = ["--only", "2.5", "--seed", "7", "--csv", str(table), "--feedback", str(pages)]
    monkeypatch.setattr("sys.argv", ["points.py", str(tmp_path / "in"), *arguments])
    assert points.main() == 0
    assert "bob/exercises.ipynb: 02_rl_basics, 0 of 2 points" in capsys.readouterr().out
    rows = read_table(table)
    assert [row["2.5 rl.truncation"] for row in rows] == ["2", "0"]
    assert {row["seed"] for row in rows} == {"7"}
    assert "truncations too" in rows[1]["notes"]
    ada, bob = (pages / name / "exercises.md" for name in ("ada", "bob"))
    assert "2 of 2 points" in ada.read_text("utf-8")
    assert "- 2.5 `rl.truncation`, 0 of 2: " in bob.read_text("utf-8")


def test_one_file_that_cannot_be_judged_does_not_stop_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(path: Path, only: object) -> points.Submission:
        raise RecursionError("too deep")

    monkeypatch.setattr(points, "read", fails)
    row = points.look(tmp_path / "odd.ipynb", [], 1, 1)
    assert row.said == ("It cannot be judged: RecursionError: too deep",)
    assert not row.results


def test_an_interruption_keeps_the_rows_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
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
    assert points.main() == 130
    assert "interrupted: 1 of 2 files" in capsys.readouterr().out
    assert [row["file"] for row in read_table(table)] == [str(first)]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["a.ipynb", "--csv", "a.ipynb"], "would be overwritten"),
        (["a.ipynb", "--csv", "no/such/folder.csv"], "cannot be written: No such file"),
        (["a.ipynb", "--seconds", "0"], "whole number above 0"),
        (["a.ipynb", "--only", "rl.td0,gae"], "no exercise 'gae'; there are: 1.1 lm.sight"),
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
