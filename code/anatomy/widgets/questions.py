"""Questions that explain: a quiz with a word on every option, and predict, then reveal.

Texts may use **bold**, *italic*, `code` and blank lines between paragraphs; formulas
are plain Unicode. Everything else is shown as written.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from typing import Any

from anatomy.widgets.element import Element, element

Option = tuple[str, bool, str]  # what it says, whether it is right, why or why not

_CODE = re.compile(r"`([^`]+)`")
_BOLD = re.compile(r"\*\*(?=\S)(.+?)(?<=\S)\*\*")
_ITALIC = re.compile(r"(?<![\w*])\*(?=[^\s*])([^*]+?)(?<=[^\s*])\*(?![\w*])")


def _inline(text: str) -> str:
    """Escape `text` and turn its few marks into HTML; nothing is marked inside `code`."""
    pieces = _CODE.split(text)  # outside, inside, outside, …
    for i, piece in enumerate(pieces):
        piece = escape(piece)
        if i % 2:
            pieces[i] = f"<code>{piece}</code>"
        else:
            pieces[i] = _ITALIC.sub(r"<em>\1</em>", _BOLD.sub(r"<strong>\1</strong>", piece))
    return "".join(pieces)


def _paragraphs(text: str) -> str:
    blocks = [" ".join(block.split()) for block in re.split(r"\n\s*\n", text.strip())]
    return "".join(f"<p>{_inline(block)}</p>" for block in blocks)


def _check(question: str, options: Sequence[Option]) -> None:
    if not question.strip():
        raise ValueError("the question is empty")
    if len(options) < 2:
        raise ValueError(f"a question needs at least two options, got {len(options)}")
    for text, _, explanation in options:
        if not text.strip() or not explanation.strip():
            raise ValueError(f"every option needs a text and an explanation, see {text!r}")
    if sum(bool(correct) for _, correct, _ in options) != 1:
        raise ValueError("exactly one option must be right")


def _list(question: str, options: Sequence[Option], verdicts: tuple[str, str]) -> str:
    """Return the question as a list of <details>, for readers without JavaScript."""
    items = "".join(
        f'<details class="anatomy-option" data-correct="{"true" if correct else "false"}">'
        f"<summary>{_inline(text)}</summary>"
        f"<p><strong>{verdicts[0] if correct else verdicts[1]}</strong></p>"
        f'<div class="anatomy-explanation">{_paragraphs(explanation)}</div></details>'
        for text, correct, explanation in options
    )
    return f'<div class="anatomy-question">{_paragraphs(question)}</div>{items}'


def _words(question: str, options: Sequence[Option], reveal: str = "") -> dict[str, Any]:
    """Return the texts as HTML, in the shape that questions.js reads."""
    return {
        "question": _paragraphs(question),
        "options": [
            {"text": _inline(text), "correct": correct, "explanation": _paragraphs(explanation)}
            for text, correct, explanation in options
        ],
        "reveal": _paragraphs(reveal),
    }


def quiz(question: str, options: Sequence[Option]) -> Element:
    """Ask a question and explain the option that the reader chose, right or wrong.

    `options` holds (text, correct, explanation); exactly one is correct.
    """
    _check(question, options)
    choices = "\n".join(f"  ( ) {text}" for text, _, _ in options)
    return element(
        "anatomy-quiz",
        "questions",
        options=_words(question, options),
        fallback=_list(question, options, ("Right.", "Not this one.")),
        text=f"Quiz: {question}\n{choices}",
    )


def predict(question: str, options: Sequence[Option], reveal: str) -> Element:
    """Let the reader commit to a guess, then show what happens and what a wrong guess overlooks.

    `options` holds (text, correct, explanation); a wrong one's explanation names
    the misconception behind it. `reveal` is shown after any guess.
    """
    _check(question, options)
    if not reveal.strip():
        raise ValueError("the reveal is empty")
    choices = "\n".join(f"  ( ) {text}" for text, _, _ in options)
    fallback = (
        _list(question, options, ("This is what happens.", "It comes out differently."))
        + "<details><summary>Reveal</summary>"
        + f'<div class="anatomy-reveal">{_paragraphs(reveal)}</div></details>'
    )
    return element(
        "anatomy-predict",
        "questions",
        options=_words(question, options, reveal),
        fallback=fallback,
        text=f"Predict: {question}\n{choices}",
    )
