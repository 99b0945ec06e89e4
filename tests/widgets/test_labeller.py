"""The labeller: turns, buttons, undo, files, the scripted labeller, the static look."""

from __future__ import annotations

import random
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from anatomy.rlhf.label_files import LabelFileError, append_label, read_labels, write_labels
from anatomy.rlhf.labels import Choice, Label, Pair, left_share, self_agreement
from anatomy.widgets.labeller import INSTRUCTGPT_AGREEMENT, Labeller
from anatomy.widgets.labeller_panel import DOUBLE_CLICK
from anatomy.widgets.labelling import Session, reader_present, schedule

PAIRS = [Pair(f"p{i:02d}", f"a{i}", f"b{i}", f"prompt {i}") for i in range(40)]


def prefers_a(pair: Pair) -> Choice:
    return "left" if pair.left.startswith("a") else "right"


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def ready(labeller: Labeller) -> Clock:
    """Let the test say how late it is."""
    clock = Clock()
    labeller.session._clock = clock
    labeller.session.shown()
    clock.now = 2.0
    return clock


# ------------------------------------------------------------------- turns


def test_every_pair_comes_once_and_ten_of_the_first_half_again_later() -> None:
    turns = schedule(PAIRS, repeats=10, seed=0)
    first = [turn.pair.id for turn in turns if not turn.repeated]
    again = [turn.pair.id for turn in turns if turn.repeated]
    assert first == [pair.id for pair in PAIRS]
    assert len(again) == len(set(again)) == 10
    assert set(again) <= set(first[:20])
    for turn in turns:
        if turn.repeated:
            place = turns.index(turn)
            assert place > 20
            assert (turn.pair.id, False) in [earlier.key for earlier in turns[: place - 1]]
    assert len(schedule(PAIRS[:5], repeats=10, seed=0)) == 7
    assert len(schedule(PAIRS[:1], repeats=10, seed=0)) == 1
    assert len(schedule(PAIRS, repeats=0, seed=0)) == 40


def test_sides_are_drawn_by_the_seed() -> None:
    many = [Pair(str(i), "a", "b") for i in range(400)]
    swapped = [turn.pair.left == "b" for turn in schedule(many, repeats=0, seed=3)]
    assert 160 < sum(swapped) < 240
    assert schedule(many, repeats=9, seed=3) == schedule(many, repeats=9, seed=3)
    assert schedule(many, repeats=9, seed=3) != schedule(many, repeats=9, seed=4)
    again = [turn for turn in schedule(many, repeats=200, seed=3) if turn.repeated]
    as_before = sum((turn.pair.left == "b") == swapped[int(turn.pair.id)] for turn in again)
    assert 70 < as_before < 130  # the second time on either side


def test_position_bias_and_taste_can_be_told_apart() -> None:
    always_left = Labeller(PAIRS, scripted=lambda pair: "left")
    by_taste = Labeller(PAIRS, scripted=prefers_a)
    assert left_share(always_left.labels).share == 1.0
    assert 0.3 < left_share(by_taste.labels).share < 0.7
    assert self_agreement(by_taste.labels) == (10, 10)
    assert self_agreement(always_left.labels).hits < 10


@pytest.mark.parametrize(
    ("pairs", "why"),
    [([], "no pair to label"), ([Pair("x", "a", "b"), Pair("x", "c", "d")], "called 'x'")],
)
def test_pairs_that_cannot_be_labelled_are_refused(pairs: list[Pair], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Labeller(pairs)


def test_plain_tuples_get_names() -> None:
    assert Labeller([("a", "b"), ("c", "d")]).turns[1].pair.id == "pair-002"


# ---------------------------------------------------------- answers and files


def test_answers_are_saved_as_they_are_given_and_undone_one_by_one(tmp_path: Path) -> None:
    file = tmp_path / "labels.jsonl"
    clock = Clock()
    session = Session(schedule(PAIRS, repeats=0, seed=0), file=file, name="ann", clock=clock)
    clock.now = 2.5
    first = session.answer("right")
    assert (first.seconds, first.labeller, first.pair, first.prompt) == (
        2.5,
        "ann",
        "p00",
        "prompt 0",
    )
    assert (first.left, first.right) == (session.turns[0].pair.left, session.turns[0].pair.right)
    assert read_labels(file) == [first]
    clock.now = 3.0
    assert session.answer("skip").seconds == 0.5
    session.undo()
    assert read_labels(file) == [first]
    assert session.turn == session.turns[1]
    session.undo()
    assert (read_labels(file), session.turn) == ([], session.turns[0])
    with pytest.raises(ValueError, match="nothing to undo"):
        session.undo()


def test_a_second_labeller_on_the_file_goes_on_where_the_first_stopped(tmp_path: Path) -> None:
    file = tmp_path / "labels.jsonl"
    stranger = Label("elsewhere", "x", "y", "left", 1, "you", "2026-11-23T12:00:00+00:00")
    append_label(file, stranger)
    first = Labeller(PAIRS, file=file)
    for _ in range(3):
        first.answer("left")
    second = Labeller(PAIRS, file=file)
    assert second.labels == first.labels
    assert second.session.turn == second.turns[3]
    assert second.session.other_labels == 1
    second.undo()
    second.answer("equal")
    assert read_labels(file)[0] == stranger
    assert [label.choice for label in read_labels(file)[1:]] == ["left", "left", "equal"]
    changed = [Pair(pair.id, pair.left + "!", pair.right) for pair in PAIRS]
    assert Labeller(changed, file=file).labels == []  # other things under the same names
    assert Labeller(PAIRS, file=file, name="ben").labels == []


def test_a_malformed_file_is_refused_and_stays_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "labels.jsonl"
    file.write_text("{broken\n")
    with pytest.raises(LabelFileError, match="line 1: this is not JSON"):
        Labeller(PAIRS, file=file)
    assert file.read_text() == "{broken\n"


def test_what_cannot_be_saved_is_not_counted(tmp_path: Path) -> None:
    file = tmp_path / "labels.jsonl"
    labeller = Labeller(PAIRS, file=file)
    panel = labeller.panel
    file.mkdir()  # as full as a disk can be
    ready(labeller)
    panel.buttons["left"].click()
    assert labeller.reader_labels == []
    assert "could not be saved (Is a directory)" in panel.status.value
    file.rmdir()
    panel.buttons["left"].click()
    assert len(read_labels(file)) == 1
    assert "could not" not in panel.status.value


def test_export_writes_json_lines(tmp_path: Path) -> None:
    labeller = Labeller(PAIRS)
    labeller.answer("left")
    labeller.export(tmp_path / "out.jsonl")
    assert read_labels(tmp_path / "out.jsonl") == labeller.labels


# ------------------------------------------------------------------ the panel


def test_the_buttons_answer_the_pair_that_is_shown() -> None:
    labeller = Labeller(PAIRS, render=lambda name: f"<b>clip {name}</b>")
    panel = labeller.panel
    clock = ready(labeller)
    for choice, button in panel.buttons.items():
        turn = labeller.session.turn
        assert turn is not None
        assert f"<b>clip {turn.pair.left}</b>" in panel.left.value
        assert f"<b>clip {turn.pair.right}</b>" in panel.right.value
        assert turn.pair.prompt in panel.header.value
        button.click()
        clock.now += 2
        assert labeller.labels[-1].choice == choice
        assert labeller.labels[-1].pair == turn.pair.id
        assert f"{len(labeller.labels)} of 50 labelled" in panel.progress.value
    panel.undo_button.click()
    assert [label.choice for label in labeller.labels] == ["left", "right", "equal"]
    assert "3 of 50 labelled" in panel.progress.value


def test_a_double_click_answers_once() -> None:
    labeller = Labeller(PAIRS)
    panel = labeller.panel
    clock = ready(labeller)
    panel.buttons["left"].click()
    clock.now += DOUBLE_CLICK / 2
    panel.buttons["left"].click()
    assert len(labeller.labels) == 1
    clock.now += DOUBLE_CLICK
    panel.buttons["left"].click()
    assert len(labeller.labels) == 2


def test_undo_after_somebody_took_the_file_away_says_what_to_do(tmp_path: Path) -> None:
    labeller = Labeller(PAIRS, file=tmp_path / "labels.jsonl")
    clock = ready(labeller)
    panel = labeller.panel
    panel.undo_button.click()  # nothing to undo, nothing happens
    assert labeller.reader_labels == []
    assert "Not undone" not in panel.status.value
    panel.buttons["left"].click()
    (tmp_path / "labels.jsonl").unlink()
    clock.now += 2
    panel.undo_button.click()
    assert "run this cell again to go on from what it holds" in panel.status.value
    assert len(labeller.reader_labels) == 1  # kept until then


def test_texts_are_escaped() -> None:
    labeller = Labeller([Pair("p", "<script>alert(1)</script>", "a & b", "<i>prompt</i>")])
    shown = labeller.panel.left.value + labeller.panel.right.value + labeller.panel.header.value
    assert "&lt;script&gt;" in shown
    assert "a &amp; b" in shown
    assert "&lt;i&gt;prompt" in shown


def test_the_end_says_how_steady_the_reader_was() -> None:
    labeller = Labeller(PAIRS, scripted=prefers_a)
    assert "answers of a scripted labeller" in labeller.panel.status.value
    rng = random.Random(0)
    while labeller.session.turn is not None:
        assert "InstructGPT" not in labeller.panel.status.value  # it would sway what follows
        labeller.answer(rng.choice(["left", "right"]))
    said = labeller.panel.status.value
    again = self_agreement(labeller.labels)
    assert again.total == 10
    assert f"{again.hits} of 10" in said
    assert INSTRUCTGPT_AGREEMENT in said
    assert "You agree with the scripted labeller on" in said
    assert "That was the last pair" in labeller.panel.header.value
    assert all(button.disabled for button in labeller.panel.buttons.values())
    with pytest.raises(ValueError, match="all pairs are labelled"):
        labeller.answer("left")
    labeller.panel.undo_button.click()
    assert not any(button.disabled for button in labeller.panel.buttons.values())


# ------------------------------------------------------------ nobody is there


def test_the_first_answer_of_a_reader_replaces_the_script() -> None:
    labeller = Labeller(PAIRS, scripted=prefers_a)
    assert not labeller.by_reader
    assert len(labeller.labels) == 50
    assert {label.labeller for label in labeller.labels} == {"scripted"}
    assert labeller.labels == Labeller(PAIRS, scripted=prefers_a).labels  # no clock in them
    labeller.answer("left")
    assert labeller.by_reader
    assert [label.labeller for label in labeller.labels] == ["you"]
    labeller.undo()
    assert len(labeller.labels) == 50
    assert Labeller(PAIRS).labels == []


def test_a_script_that_says_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match="choice must be one of left, right, equal, skip"):
        Labeller(PAIRS, scripted=lambda pair: pair.left)  # type: ignore[arg-type, return-value]


def test_a_build_neither_reads_nor_writes_a_readers_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "labels.jsonl"
    mine = Labeller(PAIRS, file=file)
    mine.answer("left")
    write_labels(tmp_path / "copy.jsonl", read_labels(file))
    assert reader_present()
    monkeypatch.setenv("ANATOMY_READER", "none")
    built = Labeller(PAIRS, file=file, scripted=prefers_a)
    assert not built.by_reader
    assert len(built.labels) == 50
    built.show()
    assert "a program answered all 40 pairs, 10 of them twice" in capsys.readouterr().out
    assert file.read_bytes() == (tmp_path / "copy.jsonl").read_bytes()


def test_the_static_look_says_that_a_program_answered() -> None:
    html = Labeller(PAIRS, scripted=prefers_a, static_pairs=4).static().html
    words = html.split("<script")[0]
    assert "a program answered all 40 pairs, 10 of them twice" in words
    assert words.count("Answer: ") == 4
    assert INSTRUCTGPT_AGREEMENT in words
    assert "Nobody has answered" in Labeller(PAIRS).static().html


@pytest.mark.browser
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_static_labeller_turns_pages(open_page: Callable[..., Any], theme: str) -> None:
    labeller = Labeller(PAIRS, scripted=prefers_a, static_pairs=3)
    page = open_page(labeller.static(), theme=theme, viewport={"width": 360, "height": 800})
    frame = page.locator("anatomy-labeller .frame")
    for turn in labeller.turns[:3]:
        assert turn.pair.prompt in frame.inner_text()
        side = 0 if turn.pair.left.startswith("a") else 1
        assert "chosen" in frame.locator(".side").nth(side).get_attribute("class")
        assert "chosen" not in frame.locator(".side").nth(1 - side).get_attribute("class")
        assert f"the {('left', 'right')[side]} one" in frame.locator(".said").inner_text()
        if turn is not labeller.turns[2]:
            frame.get_by_role("button", name="Next pair").click()
    assert frame.get_by_role("button", name="Next pair").is_disabled()
    frame.get_by_role("button", name="Previous").click()
    assert "prompt 1" in frame.inner_text()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


@pytest.mark.browser
def test_without_javascript_the_pairs_and_answers_are_there(open_page: Callable[..., Any]) -> None:
    page = open_page(Labeller(PAIRS, scripted=prefers_a).static(), java_script_enabled=False)
    text = page.locator("body").inner_text()
    assert "a0" in text
    assert "Answer: left" in text
    assert "a program answered" in text


# ------------------------------------------------------------ the keys, in a browser

BUTTONS_OF_THE_LAST_PAIR = """
<div class="anatomy-labeller">
<button class="anatomy-answer-left">Left</button>
<button class="anatomy-answer-right">Right</button>
<button class="anatomy-answer-undo">Undo</button></div> <p>elsewhere</p> <input>
<script>
var pressed = [], heard = [];
const buttons = [...document.querySelectorAll("button")];
for (const button of buttons) button.onclick = () => {
  pressed.push(button.textContent);  // the kernel answers later, and switches the buttons off
  setTimeout(() => { for (const other of buttons.slice(0, 2)) other.disabled = true; }, 20);
};
document.addEventListener("keydown", (event) => heard.push(event.key));  // the notebook's shortcuts
</script>"""


@pytest.mark.browser
@pytest.mark.parametrize("how", ["mouse", "Tab and Enter"])
def test_keys_stay_with_the_labeller_when_its_buttons_are_switched_off(
    browser: Any, how: str
) -> None:
    page = browser.new_page()
    page.set_content(BUTTONS_OF_THE_LAST_PAIR)
    page.add_script_tag(
        content=(resources.files("anatomy.widgets") / "labeller_keys.js").read_text("utf-8")
    )
    if how == "mouse":
        page.locator("button").first.click()
    else:
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
    page.wait_for_function("document.querySelector('button').disabled")
    page.keyboard.press("2")
    page.keyboard.press("Backspace")
    assert page.evaluate("pressed") == ["Left", "Undo"]
    assert set(page.evaluate("heard")) <= {"Tab", "Enter"}  # neither 2 nor Backspace
    page.get_by_text("elsewhere").click()  # outside, keys belong to the notebook again
    page.keyboard.press("2")
    page.locator("input").click()
    page.keyboard.press("1")
    assert page.evaluate("heard.slice(-2)") == ["2", "1"]
    assert page.evaluate("pressed") == ["Left", "Undo"]
    page.close()
