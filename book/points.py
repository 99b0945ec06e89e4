"""Run the checks over submissions and list the points: a first look, no evidence for a grade.

    python book/points.py SUBMISSION.ipynb ... [--only IDS] [--seed N] [--seconds N] [--csv FILE]

Of each notebook only the functions that an exercise asks for are run, with what they need, in a
process of their own, on random cases of a fresh seed. Saved output is not read, training loops
are not run. The submission and its checks share that process, so it can lie (book/instructors.md).
Ends with 1 when a file could not be read as a submission.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import csv
import json
import linecache
import os
import re
import secrets
import signal
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
ASKED = re.compile(r'^\w+ = check\("([\w.]+)", (\w+)\)', re.MULTILINE)
FILENAME = "<submission>"
NOT_WRITTEN = "not written yet"
MISSING: Any = None  # in the place of a function that is not there

START = 120.0  # seconds that importing the package may take on a busy machine


class SubmissionError(Exception):
    """A file that is no submission; the message says why in a sentence."""


@dataclass(frozen=True)
class Result:
    """What one exercise of a submission earned, and why not more."""

    exercise: str
    points: int
    out_of: int
    said: str = ""


@dataclass(frozen=True)
class Submission:
    """The functions of one notebook, and what could not be read in it."""

    chapter: str
    asked: dict[str, str]  # exercise: name of the function
    statements: list[ast.stmt]
    broken: list[str] = field(default_factory=list)


def chapters() -> dict[str, dict[str, str]]:
    """The exercises of each chapter and the function that each asks for."""
    pages = sorted((ROOT / "chapters").glob("*/exercises.md"))
    return {page.parent.name: dict(ASKED.findall(page.read_text("utf-8"))) for page in pages}


def read(path: Path, only: Collection[str] = ()) -> Submission:
    """The functions of a notebook and the chapter that asks for them: all, or `only` some."""
    statements, broken = [], []
    sources = cells(path)
    for number, source in enumerate(sources, start=1):
        # what only IPython understands, the install line for one, is no part of an answer
        plain = re.sub(r"^( *)[%!?].*$", r"\1pass", source, flags=re.MULTILINE)
        try:
            statements += ast.parse(plain).body
        except (SyntaxError, ValueError) as error:
            line = getattr(error, "text", "") or ""
            said = f"code cell {number} is no Python: {error.args[0]}: {line.strip()}"
            broken.append(printable(said))
    defined = {name for statement in statements for name in bound(statement)}
    found = chapters()
    text = "\n".join(sources)

    def likeness(chapter: str) -> int:
        asked = found[chapter]
        return len(defined & set(asked.values())) + sum(
            f'"{exercise}"' in text for exercise in asked
        )

    chapter = max(found, key=likeness)
    if not defined & set(found[chapter].values()):
        why = f" ({broken[0]})" if broken else ""
        raise SubmissionError(
            f"It holds no function that an exercise asks for{why}: is it another notebook?"
        )
    asked = {e: name for e, name in found[chapter].items() if not only or e in only}
    if not asked:
        raise SubmissionError(
            f"It belongs to {chapter}, which has none of the exercises that --only names."
        )
    return Submission(chapter, asked, statements, broken)


def cells(path: Path) -> list[str]:
    """The text of a notebook's code cells, as much as any version of the format lets us see."""
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        raise SubmissionError("There is no such file.") from None
    except UnicodeDecodeError:
        raise SubmissionError("It is no notebook: it is not text.") from None
    except OSError as error:
        raise SubmissionError(f"It cannot be read: {error.strerror}.") from None
    if not text.strip():
        raise SubmissionError("It is empty. Ask for the file again.")
    try:
        notebook = json.loads(text)
        sources = [cell["source"] for cell in notebook["cells"] if cell["cell_type"] == "code"]
        return ["".join(source) for source in sources]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise SubmissionError(
            "It is no notebook, or one that was cut off. Ask for the .ipynb again."
        ) from None


def bound(statement: ast.stmt) -> set[str]:
    """The names that a statement gives a value, if it is one of the kinds that are run."""
    match statement:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            return {name}
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            return {(alias.asname or alias.name).split(".")[0] for alias in names}
        case ast.Assign() | ast.AnnAssign():
            return {
                node.id
                for node in ast.walk(statement)
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
            }
    return set()


def needed(statements: list[ast.stmt], name: str) -> str:
    """The statements that give `name` its value, and those that these read, in their order."""
    wanted, chosen = {name}, set[int]()
    while True:
        more = {i for i, one in enumerate(statements) if bound(one) & wanted} - chosen
        if not more:
            break
        chosen |= more
        for i in more:
            nodes = ast.walk(statements[i])
            wanted |= {node.id for node in nodes if isinstance(node, ast.Name)}
    # never read by name: `from __future__`, which has to stand first, and `from x import *`
    imports = [one for one in statements if isinstance(one, ast.ImportFrom)]
    first = [one for one in imports if one.module == "__future__"]
    first += [one for one in imports if one.names[0].name == "*"]
    rest = [statements[i] for i in sorted(chosen) if statements[i] not in first]
    return "\n".join(ast.unparse(statement) for statement in [*first, *rest])


def examine(submission: Submission, *, seed: int, seconds: int) -> Iterator[Result]:
    """The points of each exercise. What ends or stalls its process costs only its own."""
    from anatomy.classroom import EXERCISES

    tasks = [(e, name, needed(submission.statements, name)) for e, name in submission.asked.items()]
    while tasks:
        job = {"seed": seed, "seconds": seconds, "tasks": tasks}
        started, answers, code = run(job)
        if not started:
            raise SubmissionError("The checks did not start: does `import anatomy` work here?")
        for due, line in zip(list(tasks), list(answers), strict=False):
            points = EXERCISES[due[0]].points
            if not believable(line, due[0], points):
                break
            yield Result(due[0], line[1], points, printable(line[2]))
            tasks, answers = tasks[1:], answers[1:]
        if answers:
            raise SubmissionError("It writes into the list of its own points. Read its code.")
        if tasks:
            stalled = code in (None, -signal.SIGALRM)
            said = f"no answer within {seconds} s" if stalled else "it ends its process"
            yield Result(tasks[0][0], 0, EXERCISES[tasks[0][0]].points, said)
            tasks = tasks[1:]


def run(job: dict[str, Any]) -> tuple[bool, list[list[Any]], int | None]:
    """Whether a process for this job started, its answers, and its exit status (None: killed)."""
    with tempfile.TemporaryDirectory() as folder:
        order, answers = Path(folder, "job"), Path(folder, "answers")
        order.write_text(json.dumps(job), "utf-8")
        with order.open() as stdin, answers.open("w") as stdout:
            child = subprocess.Popen(
                [sys.executable, __file__, "--answer"],
                stdin=stdin,
                stdout=stdout,
                stderr=subprocess.DEVNULL,
                cwd=folder,
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
    """A line of the answers; None for what is none."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def believable(answer: Any, exercise: str, points: int) -> bool:
    """Whether a line is the answer that was due."""
    match answer:
        case [str(about), int(earned), str()]:
            return about == exercise and 0 <= earned <= points
    return False


def printable(text: str) -> str:
    """Without what a terminal would obey."""
    return "".join(c if c.isprintable() else "?" for c in text)


def answer() -> None:
    """In the process of the submission: run a job from stdin, write a line for each exercise."""
    job = json.load(sys.stdin)
    out = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what a submission prints goes nowhere
    from anatomy.classroom import check

    print("started", file=out, flush=True)
    for exercise, name, code in job["tasks"]:
        signal.alarm(job["seconds"])
        linecache.cache[FILENAME] = (len(code), None, code.splitlines(keepends=True), FILENAME)
        space: dict[str, Any] = {"__name__": "__main__"}
        said = ""
        try:
            exec(compile(code, FILENAME, "exec"), space)
        except (Exception, SystemExit) as error:
            said = f"its code raises {type(error).__name__}: {error}"
        if not said and name not in space:
            said = f"there is no function {name}"
        report = check(exercise, space.get(name, MISSING), seed=job["seed"])
        failed = [verdict for verdict in report.verdicts if not verdict.passed]
        if not report.written:
            said = NOT_WRITTEN
        elif failed and not said:
            said = report.diagnosis or f"{failed[0].case}: {failed[0].message}".rstrip(": ")
        print(json.dumps([exercise, report.points, " ".join(said.split())]), file=out, flush=True)


def exercises(text: str) -> list[str]:
    """The identifiers of exercises, separated by commas, for the command line."""
    known = [exercise for chapter in chapters().values() for exercise in chapter]
    for named in text.split(","):
        if named not in known:
            raise argparse.ArgumentTypeError(
                f"no exercise {named!r}; there are: {', '.join(known)}"
            )
    return text.split(",")


def whole(text: str) -> int:
    """A whole number above 0, for the command line."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} should be a whole number above 0")
    return int(text)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("submissions", nargs="+", type=Path, help="notebooks (.ipynb)")
    parser.add_argument(
        "--only", type=exercises, default=[], help="count these, as in rl.td0,rl.shaping"
    )
    parser.add_argument("--seed", type=whole, help="of the random cases; default: a fresh one")
    parser.add_argument("--seconds", type=whole, default=60, help="for each exercise (default: 60)")
    parser.add_argument("--csv", type=Path, help="also write a table with a row for each file")
    arguments = parser.parse_args()
    if arguments.csv in arguments.submissions:
        parser.error("--csv names one of the submissions: it would be overwritten")
    if arguments.csv and (arguments.csv.is_dir() or not arguments.csv.parent.is_dir()):
        parser.error("--csv names no file in a folder that exists")
    seed = arguments.seed or 1 + secrets.randbelow(10**6)
    print(f"seed {seed}; a pass is feedback, no evidence: see book/instructors.md")
    rows: list[list[Any]] = []
    try:
        are_submissions = [
            look(path, arguments.only, seed, arguments.seconds, rows)
            for path in arguments.submissions
        ]
    finally:  # also what was looked at before an interruption
        if arguments.csv:
            write_table(arguments.csv, rows)
    return 0 if all(are_submissions) else 1


def look(path: Path, only: Collection[str], seed: int, seconds: int, rows: list[list[Any]]) -> bool:
    """Print the points of one file and add its row; return whether it is a submission."""
    try:
        submission = read(path, only)
        results = list(examine(submission, seed=seed, seconds=seconds))
    except SubmissionError as problem:
        print(f"\n{path}: {problem}", flush=True)
        rows.append([path, "", "", "", problem])
        return False
    earned, out_of = sum(r.points for r in results), sum(r.out_of for r in results)
    print(f"\n{path}: {submission.chapter}, {earned} of {out_of} points")
    for result in results:
        line = f"  {result.exercise:24s} {result.points} of {result.out_of}  {result.said}"
        print(line.rstrip())
    for said in submission.broken:
        print(f"  {said}", flush=True)
    missing = [r.exercise for r in results if r.said == NOT_WRITTEN]
    notes = [f"{NOT_WRITTEN}: {', '.join(missing)}"] if missing else []
    notes += [f"{r.exercise}: {r.said}" for r in results if r.said not in ("", NOT_WRITTEN)]
    rows.append([path, submission.chapter, earned, out_of, "; ".join(notes + submission.broken)])
    return True


def write_table(path: Path, rows: list[list[Any]]) -> None:
    """A row for each file, for a spreadsheet."""
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["file", "chapter", "points", "out of", "notes"], *rows])


if __name__ == "__main__":
    if sys.argv[1:] == ["--answer"]:
        answer()
    else:
        sys.exit(main())
