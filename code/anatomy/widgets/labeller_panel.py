"""The labeller's panel of ipywidgets, for version 7.7 (Colab) and 8."""

from __future__ import annotations

import base64
from functools import cache
from html import escape
from importlib import resources
from typing import TYPE_CHECKING

import ipywidgets as widgets

from anatomy.rlhf.label_files import LabelFileError
from anatomy.rlhf.labels import CHOICES, Choice, to_json

if TYPE_CHECKING:
    from anatomy.widgets.labeller import Labeller

# A second click within this many seconds was meant for the pair that is gone.
DOUBLE_CLICK = 0.25
BUTTONS: dict[Choice, tuple[str, str]] = {
    "left": ("← Left", "The left one is better (key ← or 1)"),
    "right": ("Right →", "The right one is better (key → or 2)"),
    "equal": ("↑ Equal", "Neither is better (key ↑ or 3)"),
    "skip": ("↓ Skip", "I cannot tell, leave it out (key ↓ or 4)"),
}
HINT = (
    "Keys: ← → ↑ ↓ or 1 2 3 4, and Backspace to undo. "
    "They work once you have clicked into this frame."
)


@cache
def panel_style() -> str:
    """The panel's style sheet, to stand in one of its HTML parts."""
    sheet = resources.files("anatomy.widgets") / "labeller_panel.css"
    return f"<style>{sheet.read_text('utf-8')}</style>"


def _grid(children: list[widgets.Widget], smallest: str) -> widgets.GridBox:
    columns = f"repeat(auto-fit, minmax(min({smallest}, 100%), 1fr))"
    layout = widgets.Layout(
        grid_template_columns=columns, grid_gap="10px", width="100%", margin="8px 0"
    )
    return widgets.GridBox(children, layout=layout)


class Panel(widgets.VBox):  # type: ignore[misc, unused-ignore]
    """Question, two sides, four buttons, undo, progress, and what is known so far."""

    def __init__(self, labeller: Labeller) -> None:
        self._labeller = labeller
        self.header, self.status = widgets.HTML(), widgets.HTML()
        self.left, self.right = widgets.HTML(), widgets.HTML()
        for side in (self.left, self.right):
            side.add_class("anatomy-side")
        self.buttons = {}
        for choice in CHOICES:
            text, tooltip = BUTTONS[choice]
            button = widgets.Button(description=text, tooltip=tooltip)
            button.add_class(f"anatomy-answer-{choice}")
            button.on_click(lambda _, choice=choice: self._press(choice))
            self.buttons[choice] = button
        self.undo_button = widgets.Button(
            description="Undo", tooltip="Take the last answer back (key Backspace)"
        )
        self.undo_button.add_class("anatomy-answer-undo")
        self.undo_button.on_click(lambda _: self._undo())
        self.progress = widgets.HTML()
        footer = widgets.HBox([self.progress, self.undo_button])
        footer.add_class("anatomy-footer")
        self.redraw()
        super().__init__(
            [
                self.header,
                _grid([self.left, self.right], "250px"),
                _grid([*self.buttons.values()], "105px"),
                footer,
                self.status,
            ]
        )
        self.add_class("anatomy-labeller")

    def redraw(self, problem: str = "") -> None:
        """Show the present pair and what has been said so far."""
        labeller, turn = self._labeller, self._labeller.session.turn
        done, total = len(labeller.session.labels), len(labeller.turns)
        if turn is None:
            self.header.value = (
                f'{panel_style()}<p class="anatomy-question">That was the last pair.</p>'
            )
            self.left.value = self.right.value = ""
        else:
            prompt = f'<p class="anatomy-prompt">{escape(turn.pair.prompt)}</p>'
            self.header.value = (
                f'{panel_style()}<p class="anatomy-question">{escape(labeller.question)}</p>'
                + (prompt if turn.pair.prompt else "")
            )
            self.left.value = f"<h4>Left</h4>{labeller.render(turn.pair.left)}"
            self.right.value = f"<h4>Right</h4>{labeller.render(turn.pair.right)}"
        for side in (self.left, self.right):
            side.layout.display = "none" if turn is None else ""
        for button in self.buttons.values():
            button.disabled = turn is None
        self.progress.value = (
            f'<div class="anatomy-progress" role="progressbar" aria-label="Labelled pairs" '
            f'aria-valuemin="0" aria-valuemax="{total}" aria-valuenow="{done}">'
            f'<div style="width:{100 * done / total:.1f}%"></div></div>'
            f'<p class="anatomy-small">{done} of {total} labelled. {HINT}</p>'
        )
        self.status.value = f'<div aria-live="polite">{self._status(problem)}</div>'

    def _status(self, problem: str) -> str:
        labeller, session = self._labeller, self._labeller.session
        parts = []
        if problem:
            parts.append(f'<p class="anatomy-warning"><b>{escape(problem)}</b></p>')
        if session.turn is None:  # earlier it would sway the next answer
            parts.append(f"<p>{escape(labeller.summary())}</p>")
        if labeller.by_reader:
            lines = "".join(f"{to_json(label)}\n" for label in session.labels)
            data = base64.b64encode(lines.encode()).decode()
            where = f"Saved in {session.file}. " if session.file else "Kept in this notebook only. "
            parts.append(
                f'<p class="anatomy-small">{escape(where)}The cells below use these labels when '
                "they are run again. "
                f'<a download="labels.jsonl" href="data:application/jsonl;base64,{data}">'
                "Download as JSON Lines</a></p>"
            )
        elif labeller.scripted_labels:
            parts.append(
                '<p class="anatomy-small">Until your first answer, the cells below use the '
                "answers of a scripted labeller.</p>"
            )
        if session.other_labels:
            parts.append(
                f'<p class="anatomy-small">{escape(str(session.file))} also holds '
                f"{session.other_labels} labels of other pairs or people; they stay there.</p>"
            )
        return "".join(parts)

    def _press(self, choice: Choice) -> None:
        session = self._labeller.session
        if session.turn is None or session.seconds < DOUBLE_CLICK:
            return
        try:
            self._labeller.answer(choice)
        except OSError as error:
            self.redraw(
                f"This answer could not be saved ({error.strerror}): make room in "
                f"{session.file}, then answer again."
            )

    def _undo(self) -> None:
        try:
            if self._labeller.session.labels:
                self._labeller.undo()
        except (OSError, LabelFileError) as error:
            self.redraw(f"Not undone: {error}")
        except ValueError as error:  # somebody changed the file meanwhile
            self.redraw(f"Not undone: {error}; run this cell again to go on from what it holds.")
