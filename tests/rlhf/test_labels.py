"""Labels: what they mean for training, how two labellers compare, and files that lose nothing."""

from __future__ import annotations

import json
import math
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import pytest

from anatomy.rlhf.label_files import (
    LabelFileError,
    append_label,
    read_labels,
    remove_label,
    rescue,
    write_labels,
)
from anatomy.rlhf.labels import (
    Choice,
    Label,
    Pair,
    Preference,
    Target,
    agreement,
    from_json,
    left_share,
    preferences,
    self_agreement,
    targets,
    to_json,
)

NOON = "2026-11-23T12:00:00+00:00"


def label(
    pair: str = "p1", choice: Choice = "left", *, swapped: bool = False, again: bool = False
) -> Label:
    left, right = ("b", "a") if swapped else ("a", "b")
    return Label(pair, left, right, choice, 1.5, "ann", NOON, again, "why ?")


def test_a_label_is_frozen_and_knows_what_won() -> None:
    assert label().preferred == "a"
    assert label(choice="right").preferred == "b"
    assert label(choice="equal").preferred is label(choice="skip").preferred is None
    with pytest.raises(FrozenInstanceError):
        label().choice = "right"  # type: ignore[misc]
    assert Pair("p", "a", "b", "q").swapped() == Pair("p", "b", "a", "q")


def test_training_pairs_leave_out_what_decides_nothing_and_second_judgements() -> None:
    labels = [
        label("p1", "left"),
        label("p2", "right"),
        label("p3", "equal"),
        label("p4", "skip"),
        label("p1", "right", again=True),
    ]
    assert preferences(labels) == [Preference("why ?", "a", "b"), Preference("why ?", "b", "a")]
    assert targets(labels) == [
        Target("why ?", "a", "b", 1.0),
        Target("why ?", "a", "b", 0.0),
        Target("why ?", "a", "b", 0.5),
    ]
    assert len(preferences(labels, repeats=True)) == 3
    assert len(targets(labels, repeats=True)) == 4


def test_self_agreement_follows_the_thing_and_not_its_side() -> None:
    labels = [
        label("same", "left"),
        label("same", "right", swapped=True, again=True),  # a both times
        label("turned", "left"),
        label("turned", "left", swapped=True, again=True),  # a, then b
        label("equal", "equal"),
        label("equal", "equal", swapped=True, again=True),
        label("half", "equal"),
        label("half", "left", again=True),
        label("skipped", "skip"),
        label("skipped", "left", again=True),  # says nothing about steadiness
        label("once", "left"),
    ]
    assert self_agreement(labels) == (2, 4)
    assert self_agreement(labels).share == 0.5
    assert math.isnan(self_agreement([label()]).share)


def test_two_labellers_are_compared_on_what_both_judged() -> None:
    mine = [label("p1", "left"), label("p2", "left"), label("p3", "left")]
    theirs = [label("p1", "right", swapped=True), label("p2", "right"), label("p9", "left")]
    assert agreement(mine, theirs) == (1, 2)


def test_left_share_counts_decided_labels() -> None:
    assert left_share([label(choice=c) for c in ("left", "left", "right", "equal", "skip")]) == (
        2,
        3,
    )


def test_a_file_gives_back_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "labels.jsonl"
    strange = replace(label("p2"), left="ü 好 \u2028 \n two lines", labeller='"quoted"')
    assert read_labels(path) == []
    append_label(path, label())
    append_label(path, strange)
    assert read_labels(path) == [label(), strange]
    assert path.read_bytes().count(b"\n") == 2
    assert from_json(to_json(strange)) == strange


def test_appending_to_a_line_that_an_editor_left_open(tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl"
    path.write_text("\n" + to_json(label("p1")))  # no newline at the end
    append_label(path, label("p2"))
    assert [found.pair for found in read_labels(path)] == ["p1", "p2"]


def test_remove_takes_out_the_last_equal_line_only(tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl"
    write_labels(path, [label("p1"), label("p2"), label("p1"), label("p3")])
    remove_label(path, label("p1"))
    assert [found.pair for found in read_labels(path)] == ["p1", "p2", "p3"]
    with pytest.raises(ValueError, match="'p9' any more"):
        remove_label(path, label("p9"))


GOOD = json.loads(to_json(label()))


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b'{"pair": "p1", "le', "this is not JSON"),
        (b"[1, 2]", "this is not a JSON object"),
        (b"\xff\xfe", "this is not UTF-8 text"),
        (json.dumps({**GOOD, "choice": "both"}).encode(), "choice must be one of left, right"),
        (json.dumps({**GOOD, "choice": ["left"]}).encode(), "choice must be one of left, right"),
        (json.dumps({**GOOD, "seconds": -1}).encode(), "seconds must be a number of at least 0"),
        (json.dumps({**GOOD, "seconds": math.nan}).encode(), "seconds must be a number"),
        (json.dumps({**GOOD, "seconds": "1"}).encode(), "seconds must be a number"),
        (json.dumps({**GOOD, "repeated": 1}).encode(), "repeated must be true or false"),
        (json.dumps({**GOOD, "time": "noon"}).encode(), "time must be an ISO 8601 time"),
        (json.dumps({**GOOD, "left": None}).encode(), "left must be a text"),
        (json.dumps({**GOOD, "pair": ""}).encode(), "must not be empty"),
        (json.dumps({**GOOD, "colour": 1}).encode(), "a label has no colour"),
        (json.dumps({k: GOOD[k] for k in GOOD if k != "pair"}).encode(), "there is no pair"),
    ],
)
def test_a_malformed_file_is_refused_by_line_left_alone_and_can_be_rescued(
    tmp_path: Path, line: bytes, why: str
) -> None:
    path = tmp_path / "labels.jsonl"
    good = [to_json(label(pair)).encode() for pair in ("p1", "p2")]
    content = b"\n".join([good[0], b"", line, good[1]]) + b"\n"
    path.write_bytes(content)
    with pytest.raises(LabelFileError) as refused:
        read_labels(path)
    said = str(refused.value)
    assert f"{path}, line 3: " in said
    assert why in said
    assert "nothing was changed" in said
    assert "\n" not in said
    with pytest.raises(LabelFileError):
        remove_label(path, label("p1"))
    assert path.read_bytes() == content
    assert why in rescue(path, tmp_path / "rescued.jsonl")[3]
    assert [found.pair for found in read_labels(tmp_path / "rescued.jsonl")] == ["p1", "p2"]
    assert path.read_bytes() == content
    with pytest.raises(FileExistsError, match="name a file that does not"):
        rescue(path, tmp_path / "rescued.jsonl")


def test_a_file_that_is_not_there_cannot_be_rescued(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no label file .*lost\.jsonl"):
        rescue(tmp_path / "lost.jsonl", tmp_path / "rescued.jsonl")
    assert not list(tmp_path.iterdir())
