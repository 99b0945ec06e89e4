"""The mutation lab: the reader writes tests, and seeded bugs try to survive them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

import torch

from anatomy.classroom.attempt import describe, is_stub
from anatomy.classroom.report import Report, Verdict
from anatomy.estimators import gae, k3
from anatomy.losses import adapt_kl_coef, clipped_surrogate, clipped_value_loss
from anatomy.masking import masked_mean, whiten
from anatomy.rlhf.respond import token_rewards

Function = Callable[..., Any]
Tests = Callable[["Implementation"], object]  # raise, or return None


@dataclass(frozen=True)
class Implementation:
    """The functions that the reader's tests examine: the package's, or one of them broken."""

    gae: Function = gae
    clipped_surrogate: Function = clipped_surrogate
    clipped_value_loss: Function = clipped_value_loss
    k3: Function = k3
    adapt_kl_coef: Function = adapt_kl_coef
    masked_mean: Function = masked_mean
    whiten: Function = whiten
    token_rewards: Function = token_rewards

    def disguised(self) -> Implementation:
        """The same, every function wrapped anew: tests shall call, not recognise, them."""
        return Implementation(
            **{f.name: _wrap(getattr(self, f.name), f.name) for f in fields(self)}
        )


def _wrap(function: Function, name: str) -> Function:
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    wrapped.__name__ = wrapped.__qualname__ = name
    return wrapped


@dataclass(frozen=True)
class Mutant:
    """A bug: which function it breaks, how, and what it means."""

    target: str
    function: Function
    explanation: str

    def implementation(self) -> Implementation:
        return replace(Implementation(), **{self.target: self.function})


@dataclass(frozen=True)
class MutationLab:
    """Tests to write: they accept the right implementation and reject the mutants.

    `needed` kills are a pass. Tests that reject the right implementation, even
    once in several runs, kill nothing.
    """

    id: str
    title: str
    points: int
    needed: int
    mutants: tuple[Mutant, ...]
    reference: Tests  # tests that kill all

    def examine(self, tests: Tests, *, seed: int = 0) -> Report:
        """Run the tests on the right implementation and on every mutant, in mixed order."""
        if not callable(tests):
            return self._refused(f"This should be a function, but it is a {type(tests).__name__}.")
        right = Implementation()
        # The right one again and again: tests that count calls or roll dice are found out.
        queue: list[Mutant | None] = [*self.mutants, *[None] * 4]
        order = torch.randperm(len(queue), generator=torch.Generator().manual_seed(seed)).tolist()
        survived: list[Mutant] = []
        for mutant in [None, *(queue[i] for i in order), None]:
            error = run(tests, mutant.implementation() if mutant else right)
            if error is not None and is_stub(error):
                stub = Verdict("not written yet", False, "Replace `raise NotImplementedError`.")
                return Report(self.title, (stub,), 0, self.points, passed=False, written=False)
            if mutant is None and error is not None:
                returned = isinstance(error, ReturnedInsteadOfRaising)
                return self._refused(str(error) if returned else describe(error, tests))
            if mutant is not None and error is None:
                survived.append(mutant)
        return self._report(survived)

    def _refused(self, problem: str) -> Report:
        message = f"{problem}\nTests that reject right code kill nothing; no mutant is counted."
        verdict = Verdict("the right implementation passes", False, message)
        return Report(self.title, (verdict,), 0, self.points, passed=False)

    def _report(self, survived: list[Mutant]) -> Report:
        verdicts = [Verdict("the right implementation passes", True)]
        for number, mutant in enumerate(self.mutants, start=1):
            alive = any(mutant is one for one in survived)
            name = f"mutant {number}, in `{mutant.target}`"
            verdicts.append(
                Verdict(f"{name}: still alive", False)
                if alive
                else Verdict(f"{name}: killed", True, mutant.explanation)
            )
        killed = len(self.mutants) - len(survived)
        return Report(
            f"{self.title}: {killed} of {len(self.mutants)} mutants killed",
            tuple(verdicts),
            min(self.points, self.points * killed // self.needed),
            self.points,
            passed=killed >= self.needed,
        )


class ReturnedInsteadOfRaising(Exception):
    """The tests gave their verdict back; nobody reads it."""


def run(tests: Tests, implementation: Implementation) -> BaseException | None:
    """What the tests raise on an implementation, or None when they accept it."""
    try:
        verdict = tests(implementation.disguised())
    except (Exception, SystemExit) as error:
        return error
    if verdict is not None:
        return ReturnedInsteadOfRaising(f"It returns {verdict!r}. A test must raise: use `assert`.")
    return None
