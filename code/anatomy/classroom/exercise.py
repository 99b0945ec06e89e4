"""An exercise: a reference, cases with known answers, and the wrong answers people give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import torch

from anatomy.classroom.attempt import attempt, same_answer, what_differs
from anatomy.classroom.case import Case, Function
from anatomy.classroom.report import Report, Verdict


@dataclass(frozen=True)
class WrongAnswer:
    """A mistake that people make, and a function that makes it."""

    mistake: str
    function: Function


class Checkable(Protocol):
    """What `check` asks of an exercise."""

    @property
    def id(self) -> str: ...

    @property
    def points(self) -> int: ...

    def examine(self, function: Function, *, seed: int) -> Report: ...


@dataclass(frozen=True)
class Exercise:
    """A function to write. All cases pass, or there are no points."""

    id: str
    title: str
    points: int
    reference: Function
    cases: tuple[Case, ...]
    wrong_answers: tuple[WrongAnswer, ...]

    def examine(self, function: Function, *, seed: int = 0) -> Report:
        """Run every case; name the mistake when a known one gives the same answers."""
        answers, verdicts = [], []
        for number, case in enumerate(self.cases):
            answer = attempt(function, case, seed + 1000 * number)
            if not answer.written:
                stub = Verdict("not written yet", False, "Replace `raise NotImplementedError`.")
                return Report(self.title, (stub,), 0, self.points, passed=False, written=False)
            problem = answer.problem or what_differs(answer.value, self.expected(number, seed))
            # a hint is about an answer, and misleads below an exception
            hint = "" if answer.problem else f"\n{case.hint}"
            message = f"{problem}{hint}" if problem else ""
            verdicts.append(Verdict(case.name, not problem, message))
            answers.append(answer)
        passed = all(verdict.passed for verdict in verdicts)
        return Report(
            self.title,
            tuple(verdicts),
            self.points if passed else 0,
            self.points,
            passed=passed,
            diagnosis="" if passed else self.diagnose([a.value for a in answers], seed),
        )

    def expected(self, number: int, seed: int) -> Any:
        """The right answer to a case: the hand-computed one where there is one."""
        case = self.cases[number]
        known = case.expected
        if known is None:
            known = attempt(self.reference, case, seed + 1000 * number).value
        return torch.tensor(known) if isinstance(known, list) else known

    def diagnose(self, answers: list[Any], seed: int) -> str:
        """Return the mistake that gives these answers in every case, or nothing."""
        for wrong in self.wrong_answers:
            if all(
                same_answer(answer, attempt(wrong.function, case, seed + 1000 * number).value)
                for number, (case, answer) in enumerate(zip(self.cases, answers, strict=True))
            ):
                return wrong.mistake
        return ""
