"""What a check says: one verdict for each case, in plain text and in HTML."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape

PASSED, FAILED = "✓", "✗"
# Both marks keep a contrast of 3:1 on white and on near-black; the text takes the page's colour.
COLOURS = {PASSED: "#1f8f4e", FAILED: "#d1495b"}

# The site's theme puts HTML outputs on a light ground in the dark; this one needs none.
PLAIN_IN_THE_DARK = (
    "<style>html[data-theme=dark] .text_html:has(.anatomy-report)"
    "{background:none!important;color:inherit!important;padding:0!important}</style>"
)


@dataclass(frozen=True)
class Verdict:
    """Whether one case passed, and a sentence or two when there is something to say."""

    case: str
    passed: bool
    message: str = ""


@dataclass(frozen=True)
class Report:
    """The outcome of a check. True only when everything passed.

    `written` is False for a stub; `diagnosis` names a known mistake that gives
    exactly these answers.
    """

    title: str
    verdicts: tuple[Verdict, ...]
    points: int
    out_of: int
    passed: bool
    written: bool = True
    diagnosis: str = ""

    def __bool__(self) -> bool:
        return self.passed

    @property
    def waiting(self) -> str:
        """What a later cell prints in place of a run that needs the answer."""
        state = "passes its check" if self.written else "is written and passes its check"
        return f"{self.title}: this cell runs your function once it {state}."

    @property
    def headline(self) -> str:
        return f"{self.title} · {self.points} of {self.out_of} points"

    def __repr__(self) -> str:
        lines = [self.headline]
        for verdict in self.verdicts:
            lines.append(f"{PASSED if verdict.passed else FAILED} {verdict.case}")
            lines += [f"    {line}" for line in verdict.message.splitlines()]
        if self.diagnosis:
            lines.append(f"→ {self.diagnosis}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        rows = "".join(_row(verdict) for verdict in self.verdicts)
        diagnosis = (
            f'<p style="margin:.6em 0 0;border-left:3px solid currentColor;padding-left:.7em">'
            f"{_marked_up(self.diagnosis)}</p>"
            if self.diagnosis
            else ""
        )
        return (
            f"{PLAIN_IN_THE_DARK}"
            '<div class="anatomy-report" style="color:inherit;background:transparent;'
            'border:1px solid currentColor;border-radius:6px;padding:.7em 1em;max-width:60em">'
            f'<p style="margin:0 0 .4em"><strong>{_marked_up(self.headline)}</strong></p>'
            f'<ul style="list-style:none;margin:0;padding:0">{rows}</ul>{diagnosis}</div>'
        )


def _marked_up(text: str) -> str:
    """Escaped, with `code` between backticks."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def _row(verdict: Verdict) -> str:
    mark, word = (PASSED, "passed") if verdict.passed else (FAILED, "failed")
    message = "<br>".join(_marked_up(line) for line in verdict.message.splitlines())
    detail = f'<div style="margin:.1em 0 .3em 1.5em">{message}</div>' if message else ""
    return (
        '<li style="margin:.15em 0">'
        f'<span role="img" aria-label="{word}" style="display:inline-block;width:1.5em;'
        f'font:bold 1em sans-serif;color:{COLOURS[mark]}">{mark}</span>'
        f"{_marked_up(verdict.case)}{detail}</li>"
    )
