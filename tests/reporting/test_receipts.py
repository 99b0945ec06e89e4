"""Results with receipts: what repeats a run is written with it, or it is not written."""

from __future__ import annotations

import json
import math
import platform
import re
import subprocess

import pytest
import torch

from anatomy.algorithms.ppo import PPOConfig
from anatomy.reporting import read_result, receipt, receipts, write_result
from anatomy.version import __version__


@pytest.fixture(autouse=True)
def results(tmp_path, monkeypatch):
    monkeypatch.setattr(receipts, "RESULTS", tmp_path / "results")
    return tmp_path / "results"


def example(**changes) -> dict:
    made = receipt(config=PPOConfig(), seeds=range(3), wall_seconds=1.234, cpu_seconds=2.0)
    return {"receipt": made | changes, "score": [1.5, 2.5], "word": "λ"}


def test_a_receipt_says_what_repeats_the_run():
    made = example()["receipt"]
    assert made["config"]["gae_lambda"] == 0.95
    assert made["seeds"] == [0, 1, 2]
    assert made["wall_seconds"] == 1.2
    assert made["cpu_seconds"] == 2.0
    assert (made["anatomy"], made["torch"]) == (__version__, torch.__version__)
    assert made["python"] == platform.python_version()
    assert made["threads"] == torch.get_num_threads()
    assert made["processor"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", made["date"])
    json.dumps(made)


def test_the_commit_is_that_of_this_checkout():
    try:
        head = subprocess.run(
            ["git", "-C", receipts.__file__.rsplit("/", 1)[0], "rev-parse", "HEAD"],
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("the package does not live in a git checkout here")
    commit = example()["receipt"]["commit"]
    assert re.fullmatch(r"[0-9a-f]{7,}\+?", commit)
    assert head.startswith(commit.rstrip("+"))


def test_the_commit_of_someone_elses_repository_is_not_claimed(tmp_path, monkeypatch):
    """The course installed in a virtual environment inside a reader's own project."""
    project = tmp_path / "project"
    package = project / ".venv" / "anatomy" / "reporting"
    package.mkdir(parents=True)
    (project / "mine.txt").touch()
    identity = ["-c", "user.name=r", "-c", "user.email=r@example.org"]
    try:
        for command in (["init", "-q"], ["add", "mine.txt"], ["commit", "-qm", "mine"]):
            subprocess.run(["git", "-C", str(project), *identity, *command], check=True)
    except OSError:
        pytest.skip("git is not installed here")
    monkeypatch.setattr(receipts, "__file__", str(package / "receipts.py"))
    assert receipts._commit() is None


def test_without_git_there_is_no_commit(monkeypatch):
    def missing(*_, **__):
        raise FileNotFoundError("git")

    monkeypatch.setattr(subprocess, "run", missing)
    assert example()["receipt"]["commit"] is None


def test_what_is_written_is_read(results):
    path = write_result("table", example())
    assert path == results / "table.json"
    assert read_result("table") == example()
    assert "λ" in path.read_text(encoding="utf-8")


def test_a_result_without_a_receipt_is_refused(results):
    with pytest.raises(ValueError, match="needs a 'receipt'"):
        write_result("bare", {"score": 1})
    results.mkdir()
    (results / "bare.json").write_text('{"score": 1}')
    with pytest.raises(ValueError, match=r"bare\.json has no receipt"):
        read_result("bare")
    (results / "list.json").write_text("[]")
    with pytest.raises(ValueError, match="has no receipt"):
        read_result("list")


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_numbers_that_json_lacks_are_refused_and_the_old_file_stays(results, bad):
    write_result("table", example())
    before = (results / "table.json").read_bytes()
    with pytest.raises(ValueError, match="JSON"):
        write_result("table", {**example(), "score": bad})
    assert (results / "table.json").read_bytes() == before


def test_a_missing_result_names_those_there_are():
    with pytest.raises(ValueError, match="there are: none yet"):
        read_result("table")
    write_result("health", example())
    with pytest.raises(ValueError, match=r"no result 'table'; there are: health\. .*table\.py"):
        read_result("table")


def test_a_damaged_result_is_named(results):
    write_result("table", example())
    path = results / "table.json"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ValueError, match=r"table\.json is not a result file"):
        read_result("table")


def test_every_result_in_the_repository_can_be_quoted(monkeypatch):
    """Each has a receipt with a configuration, seeds and a commit."""
    monkeypatch.undo()
    for path in receipts.RESULTS.glob("*.json"):
        made = read_result(path.stem)["receipt"]
        missing = {"config", "seeds", "torch", "processor", "wall_seconds", "date"} - made.keys()
        assert not missing, path.name
        assert made["seeds"], path.name
