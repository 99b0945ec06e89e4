"""Looking at a model card: are its fields there, do its numbers come from the results?"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from anatomy.classroom.attempt import describe, is_stub
from anatomy.classroom.exercise import WrongAnswer
from anatomy.classroom.report import Report, Verdict

Measured = Mapping[str, Mapping[str, float]]  # name → mean, low, high
Card = Callable[[Measured], str]

SECTIONS = (
    "Model",
    "Intended use",
    "Not for",
    "Training data",
    "Evaluation",
    "Limitations",
    "Whose judgement",
)
WORDS = 12  # a field with fewer says nothing
_HEADING = re.compile(r"^##\s+(.+?)\s*$", re.MULTILINE)
# A decimal point or comma; "4,000" is a thousand's comma.
_DECIMAL = re.compile(r"-?\d*\.\d+(?:e-?\d+)?|-?\d+,\d{1,2}(?!\d)|-?\d+e-\d+")
_SHARE = re.compile(r"(?<![\d.,])\d+(?= ?(?:%|per ?cent))")
CONFIDENCE = "95"  # the one percentage that no measurement need hold
_WORD = re.compile(r"[^\W\d_]{3,}")  # what is shorter says little

MADE_UP: Measured = {
    "gold score": {"mean": 0.614, "low": 0.583, "high": 0.645},
    "win rate against SFT": {"mean": 0.677, "low": 0.651, "high": 0.703},
    "unanswerable, answered wrongly": {"mean": 0.047, "low": 0.031, "high": 0.063},
}


def sections(card: str) -> dict[str, str]:
    """The text under each `## heading`."""
    parts = _HEADING.split(card)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def decimals(text: str) -> list[str]:
    """The decimal numbers of a text, an en dash or a true minus read as a minus."""
    return _DECIMAL.findall(text.replace("−", "-"))


def wanted(summary: Mapping[str, float]) -> list[str]:
    """Mean, low and high with two decimals."""
    return [f"{summary[key]:.2f}" for key in ("mean", "low", "high")]


def fields(card: str) -> list[Verdict]:
    """One verdict for each section."""
    found = sections(card)
    verdicts = []
    for name in SECTIONS:
        words = len({word.lower() for word in _WORD.findall(found.get(name, ""))})
        message = ""
        if name not in found:
            message = f"There is no line `## {name}`."
        elif words < WORDS:
            message = f"{words} different words of three letters or more; say at least {WORDS}."
        verdicts.append(Verdict(f"the field {name}", not message, message))
    return verdicts


def missing_numbers(card: str, measured: Measured) -> str:
    """The first measurement that the evaluation does not report in full, in a sentence."""
    evaluation = sections(card).get("Evaluation", "")
    lines = evaluation.splitlines()
    for name, summary in measured.items():
        line = next((line for line in lines if name in line), None)
        if line is None:
            return f"No line of the evaluation names {name!r}."
        expected = wanted(summary)
        if decimals(line) != expected:
            said = ", ".join(decimals(line)) or "none"
            return (
                f"The line of {name!r} should hold {', '.join(expected)}, "
                f"mean and interval with two decimals; its decimals are: {said}."
            )
    return ""


def invented_number(card: str, measured: Measured) -> str:
    """A decimal of the card that no measurement holds, in a sentence."""
    known = {number for summary in measured.values() for number in wanted(summary)}
    strange = next((number for number in decimals(card) if number not in known), None)
    if strange:
        return f"The card says {strange}; nothing measured is {strange}."
    shares = [share for share in _SHARE.findall(card) if share != CONFIDENCE]
    if shares:
        return (
            f"The card says {shares[0]} %. Write what was measured as it came, with two decimals, "
            "so that its number follows the results."
        )
    return ""


def no_weakness(card: str, measured: Measured) -> str:
    """A sentence when the limitations quote no measurement."""
    text = sections(card).get("Limitations", "")
    quoted = any(wanted(summary)[0] in decimals(text) for summary in measured.values())
    return "" if quoted else "The limitations quote the mean of no measurement."


def varied(seed: int) -> Measured:
    """Other results, so that numbers typed by hand are found out."""
    generator = torch.Generator().manual_seed(seed + 6)
    result = {}
    for name in (*MADE_UP, "web loss"):
        low, mean, high = (torch.rand(3, generator=generator).sort().values * 0.9).tolist()
        result[name] = {"mean": mean, "low": low, "high": high}
    return result


@dataclass(frozen=True)
class ModelCardExercise:
    """A function from measurements to a text in Markdown; each field is a verdict."""

    id: str
    title: str
    points: int
    reference: Card
    wrong_answers: tuple[WrongAnswer, ...]

    def examine(self, card: Card, *, seed: int = 0) -> Report:
        """Write the card for results made up here and for others; look at fields and numbers."""
        texts: list[tuple[str, Measured]] = []
        for measured in (MADE_UP, varied(seed)):
            problem, text = written_card(card, measured)
            if text is None and not problem:
                stub = Verdict("not written yet", False, "Replace `raise NotImplementedError`.")
                return Report(self.title, (stub,), 0, self.points, passed=False, written=False)
            if text is None:
                verdict = Verdict("the card is a text", False, problem)
                return Report(self.title, (verdict,), 0, self.points, passed=False)
            texts.append((text, measured))
        verdicts = fields(texts[0][0])
        for name, look in {
            "every measurement, with its interval": missing_numbers,
            "no other decimal": invented_number,
            "a measured weakness among the limitations": no_weakness,
        }.items():
            message = look(*texts[0])
            verdicts.append(Verdict(name, not message, message))
        message = missing_numbers(*texts[1]) or invented_number(*texts[1])
        verdicts.append(Verdict("the numbers follow the results", not message, message))
        passed = all(verdict.passed for verdict in verdicts)
        return Report(
            self.title,
            tuple(verdicts),
            self.points if passed else 0,
            self.points,
            passed=passed,
            diagnosis="" if passed else self.diagnose([text for text, _ in texts], seed),
        )

    def diagnose(self, texts: list[str], seed: int) -> str:
        """The mistake that writes exactly these cards, or nothing."""
        for wrong in self.wrong_answers:
            if texts == [wrong.function(measured) for measured in (MADE_UP, varied(seed))]:
                return wrong.mistake
        return ""


def written_card(card: Card, measured: Measured) -> tuple[str, str | None]:
    """A problem in a sentence, or the text of the card; neither for a stub."""
    if not callable(card):
        return f"This should be a function, but it is a {type(card).__name__}.", None
    given = {name: dict(summary) for name, summary in measured.items()}
    try:
        text: Any = card(given)
    except (Exception, SystemExit) as error:
        return ("", None) if is_stub(error) else (describe(error, card), None)
    if type(text) is not str:
        return f"It should return a text, not a {type(text).__name__}.", None
    if given != measured:
        return "It changes its inputs in place; the caller still needs them.", None
    return "", text
