"""Run the checks over submissions and list the points: a first look, no evidence for a grade.

    python book/points.py SUBMISSION.ipynb ... [--only EXERCISES] [--seed N] [--seconds N]
                          [--csv FILE] [--feedback FOLDER]

A folder stands for all notebooks below it. Of each notebook only the functions that an exercise
asks for are run, with what they need, each exercise in a process of its own, on random cases of
a fresh seed. Saved output is not read. A submission and its checks share a process, so it can
lie (book/instructors.md). Ends with 1 when a file could not be read as a submission.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import json
import linecache
import os
import secrets
import signal
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import submissions
from submissions import ROOT, Submission, SubmissionError, chapters, needed, printable, read

FILENAME = "<submission>"
NOT_WRITTEN = "not written yet"
FORGED = "It writes into the list of its own points. Read its code."
MISSING: Any = None  # in the place of a function that is not there

START = 120.0  # seconds that importing the package may take on a busy machine
LONGEST = 400  # characters of a sentence in the list


@dataclass(frozen=True)
class Result:
    """What one exercise of a submission earned, and why not more."""

    exercise: str
    points: int
    out_of: int
    said: str = ""


@dataclass(frozen=True)
class Row:
    """One file: what its exercises earned, and what else there is to say of it."""

    path: Path
    chapters: str = ""
    results: tuple[Result, ...] = ()
    said: tuple[str, ...] = ()  # why it is no submission, or what could not be read in it

    @property
    def points(self) -> int:
        """The sum over its exercises."""
        return sum(result.points for result in self.results)

    @property
    def out_of(self) -> int:
        """What all of them are worth."""
        return sum(result.out_of for result in self.results)


# --- running ---------------------------------------------------------------------------


def examine(submission: Submission, *, seed: int, seconds: int) -> Iterator[Result]:
    """The points of each exercise. What ends or stalls its process costs only its own."""
    from anatomy.classroom import EXERCISES

    tasks = [(e, name, needed(submission.statements, name)) for e, name in submission.asked.items()]
    while tasks:
        started, lines, code = run({"seed": seed, "seconds": seconds, "tasks": tasks})
        if not started:
            raise SubmissionError("The checks did not start: does `import anatomy` work here?")
        found = list(outcomes(lines))
        if len(found) > len(tasks):
            raise SubmissionError(FORGED)
        if len(found) < len(tasks):  # one of them took the process of all with it
            found.append((None, -signal.SIGALRM if code is None else 1))
        for (exercise, _, _), (answer, status) in zip(tasks, found, strict=False):
            points = EXERCISES[exercise].points
            if answer is None or status:
                stalled = status == -signal.SIGALRM
                said = f"no answer within {seconds} s" if stalled else "it ends its process"
                yield Result(exercise, 0, points, said)
            elif believable(answer, exercise, points):
                yield Result(exercise, answer[1], points, cut(printable(answer[2])))
            else:
                raise SubmissionError(FORGED)
        tasks = tasks[len(found) :]


def run(job: dict[str, Any]) -> tuple[bool, list[Any], int | None]:
    """Whether a process for this job started, its lines, and its exit status (None: killed)."""
    with tempfile.TemporaryDirectory() as folder:
        order, answers = Path(folder, "job"), Path(folder, "answers")
        order.write_text(json.dumps(job), "utf-8")
        # exercises and checks of one clone, whatever is installed
        path = os.pathsep.join(filter(None, [str(ROOT / "code"), os.environ.get("PYTHONPATH")]))
        with order.open() as stdin, answers.open("w") as stdout:
            child = subprocess.Popen(
                [sys.executable, __file__, "--answer"],
                stdin=stdin,
                stdout=stdout,
                stderr=subprocess.DEVNULL,
                cwd=folder,
                env=os.environ | {"PYTHONPATH": path},
                start_new_session=True,
            )
            code = None
            try:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    code = child.wait(START + job["seconds"] * len(job["tasks"]))
            finally:
                with contextlib.suppress(ProcessLookupError):  # and what it may have started
                    os.killpg(child.pid, signal.SIGKILL)
                child.wait()
        lines = answers.read_text("utf-8", errors="replace").splitlines()
    return bool(lines), [parsed(line) for line in lines[1:]], code


def parsed(line: str) -> Any:
    """A line of the answers; the empty string for what is none."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return ""


def outcomes(lines: Sequence[Any]) -> Iterator[tuple[Any, int]]:
    """The answer and the exit status of each exercise: None where it ended without an answer."""
    answer = None
    for line in lines:
        if type(line) is int:
            yield answer, line
            answer = None
        elif answer is None:
            answer = line
        else:
            raise SubmissionError(FORGED)


def believable(answer: Any, exercise: str, points: int) -> bool:
    """Whether a line is the answer that was due."""
    match answer:
        case [str(about), int(earned), str()]:
            return about == exercise and 0 <= earned <= points
    return False


def answer() -> None:
    """In a process of its own: run a job from stdin, each exercise in a fork, and say what it did.

    A fork writes its answer; its exit status follows, on a line of its own.
    """
    job = json.load(sys.stdin)
    out = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what a submission prints goes nowhere
    import anatomy.classroom  # noqa: F401  # once for all of them

    os.write(out, b"started\n")
    for task in job["tasks"]:
        fork = os.fork()
        if fork == 0:
            status = 1
            try:
                signal.alarm(job["seconds"])
                os.write(out, json.dumps(judged(*task, seed=job["seed"])).encode() + b"\n")
                status = 0
            finally:
                os._exit(status)
        _, ended = os.waitpid(fork, 0)
        os.write(out, f"{os.waitstatus_to_exitcode(ended)}\n".encode())


def judged(exercise: str, name: str, code: str, *, seed: int) -> tuple[str, int, str]:
    """Run one answer's code and its check: the exercise, its points, and a sentence."""
    from anatomy.classroom import check

    linecache.cache[FILENAME] = (len(code), None, code.splitlines(keepends=True), FILENAME)
    space: dict[str, Any] = {"__name__": "__main__"}
    said = ""
    try:
        exec(compile(code, FILENAME, "exec"), space)
    except (Exception, SystemExit) as error:
        said = f"its code raises {type(error).__name__}: {error}"
    if not said and name not in space:
        said = f"there is no function {name}"
    report = check(exercise, space.get(name, MISSING), seed=seed)
    failed = [verdict for verdict in report.verdicts if not verdict.passed]
    if not report.written:
        said = NOT_WRITTEN
    elif failed and not said:
        said = report.diagnosis or f"{failed[0].case}: {failed[0].message}".rstrip(": ")
    return exercise, report.points, " ".join(said.split())


def cut(text: str) -> str:
    """A sentence of a length that one reads."""
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


# --- telling ---------------------------------------------------------------------------


def look(path: Path, only: Collection[str], seed: int, seconds: int) -> Row:
    """What one file is worth."""
    try:
        submission = read(path, only)
        results = tuple(examine(submission, seed=seed, seconds=seconds))
    except SubmissionError as problem:
        return Row(path, said=(str(problem),))
    except Exception as error:  # one file must not stop the others
        return Row(path, said=(f"It cannot be judged: {type(error).__name__}: {error}",))
    return Row(path, ", ".join(submission.chapters), results, tuple(submission.broken))


@cache
def number(exercise: str) -> str:
    """Its number, as syllabi have it."""
    return submissions.numbers()[exercise]


def text_of(row: Row) -> str:
    """A row for the terminal."""
    if not row.results:
        return f"{row.path}: {' '.join(row.said)}"
    lines = [f"{row.path}: {row.chapters}, {row.points} of {row.out_of} points"]
    for r in row.results:
        line = f"  {number(r.exercise)}  {r.exercise:20s} {r.points} of {r.out_of}  {r.said}"
        lines.append(line.rstrip())
    return "\n".join([*lines, *(f"  {said}" for said in row.said)])


def markdown_of(row: Row, seed: int) -> str:
    """A row as a page for whom it is about."""
    if not row.results:
        return f"# {row.path.name}\n\n{' '.join(row.said)}\n"
    lines = [f"# {row.path.name}: {row.points} of {row.out_of} points", ""]
    for r in row.results:
        said = f": {r.said}" if r.said else ""
        lines.append(f"- {number(r.exercise)} `{r.exercise}`, {r.points} of {r.out_of}{said}")
    lines += [f"- {said}" for said in row.said]
    again = "The check in the notebook says more, and can be run as often as you like."
    return "\n".join([*lines, "", f"The random cases came from seed {seed}. {again}", ""])


def write_table(path: Path, rows: Sequence[Row], seed: int) -> None:
    """A row for each file and a column for each exercise, for a spreadsheet."""
    asked = {result.exercise for row in rows for result in row.results}
    columns = [e for chapter in chapters().values() for e in chapter if e in asked]
    titles = [f"{number(exercise)} {exercise}" for exercise in columns]
    # with a mark at its beginning, by which spreadsheets know the encoding
    with path.open("w", newline="", encoding="utf-8-sig", errors="backslashreplace") as file:
        table = csv.writer(file)
        table.writerow(["file", "chapter", "points", "out of", *titles, "notes", "seed"])
        for row in rows:
            earned = {r.exercise: r.points for r in row.results}
            sums = [row.points, row.out_of] if row.results else ["", ""]
            each = [earned.get(exercise, "") for exercise in columns]
            table.writerow([row.path, row.chapters, *sums, *each, notes_of(row), seed])


def notes_of(row: Row) -> str:
    """All that there is to say of a file, in one cell."""
    missing = [r.exercise for r in row.results if r.said == NOT_WRITTEN]
    notes = [f"{NOT_WRITTEN}: {', '.join(missing)}"] if missing else []
    notes += [f"{r.exercise}: {r.said}" for r in row.results if r.said not in ("", NOT_WRITTEN)]
    return "; ".join([*notes, *row.said])


def write_feedback(folder: Path, rows: Sequence[Row], seed: int) -> None:
    """A page for each file, in folders like those that the files are in."""
    if not rows:
        return
    top = Path(os.path.commonpath([row.path.absolute().parent for row in rows]))
    for row in rows:
        page = folder / row.path.absolute().relative_to(top).with_suffix(".md")
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(markdown_of(row, seed), "utf-8", errors="backslashreplace")


# --- the command line ------------------------------------------------------------------


def exercises(text: str) -> list[str]:
    """Exercises by identifier or number, separated by commas, for the command line."""
    by_number: dict[str, list[str]] = {}
    for exercise, numbered in submissions.numbers().items():
        by_number.setdefault(numbered, []).append(exercise)
    chosen: list[str] = []
    for named in text.split(","):
        found = by_number.get(named) or [e for es in by_number.values() for e in es if e == named]
        if not found:
            known = ", ".join(f"{n} {e}" for n, es in by_number.items() for e in es)
            raise argparse.ArgumentTypeError(f"no exercise {named!r}; there are: {known}")
        chosen += found
    return chosen


def whole(text: str) -> int:
    """A whole number above 0, for the command line."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} should be a whole number above 0")
    return int(text)


def notebooks(paths: Sequence[Path]) -> list[Path]:
    """The files, and in the place of each folder the notebooks below it."""
    found: list[Path] = []
    for path in paths:
        below = sorted(path.rglob("*.ipynb")) if path.is_dir() else []
        found += [one for one in below if ".ipynb_checkpoints" not in one.parts] or [path]
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("submissions", nargs="+", type=Path, help="notebooks, or folders of them")
    parser.add_argument(
        "--only", type=exercises, default=[], help="count these, as in 2.4,2.6 or rl.td0,rl.shaping"
    )
    parser.add_argument("--seed", type=whole, help="of the random cases; default: a fresh one")
    parser.add_argument("--seconds", type=whole, default=60, help="for each exercise (default: 60)")
    parser.add_argument("--csv", type=Path, help="also write a table with a row for each file")
    parser.add_argument("--feedback", type=Path, help="also write a page for each file, in here")
    options = parser.parse_args()
    paths = notebooks(options.submissions)
    if options.csv in paths:
        parser.error("--csv names one of the submissions: it would be overwritten")
    try:  # now, and not when all the work is done
        if options.csv:
            options.csv.open("a").close()
        if options.feedback:
            options.feedback.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        parser.error(f"{error.filename} cannot be written: {error.strerror}")
    seed = options.seed or 1 + secrets.randbelow(10**6)
    print(f"seed {seed}; a pass is feedback, no evidence: see book/instructors.md", flush=True)
    rows: list[Row] = []
    interrupted = False
    try:
        for path in paths:
            rows.append(look(path, options.only, seed, options.seconds))
            print(f"\n{text_of(rows[-1])}", flush=True)
    except KeyboardInterrupt:
        interrupted = True
        print(f"\ninterrupted: {len(rows)} of {len(paths)} files were looked at")
    if options.csv:
        write_table(options.csv, rows, seed)
    if options.feedback:
        write_feedback(options.feedback, rows, seed)
    return 130 if interrupted else 0 if all(row.results for row in rows) else 1


if __name__ == "__main__":
    if sys.argv[1:] == ["--answer"]:
        answer()
    else:
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
        sys.exit(main())
