"""The exercises pages: their solutions pass, and the student's version runs to its end."""

import ast
import re
from pathlib import Path

import jupytext
import pytest

from anatomy.classroom import (
    chapter_01,
    chapter_02,
    chapter_03,
    chapter_04,
    chapter_05,
    chapter_06,
)

CHAPTERS = Path(__file__).parents[2] / "chapters"


class Page:
    """One chapter's exercises page, its code cells, and the exercises that belong to it."""

    def __init__(self, folder: str, exercises, loops: int, leave_out: str = "") -> None:
        self.path = CHAPTERS / folder / "exercises.md"
        self.exercises = {exercise.id: exercise for exercise in exercises}
        self.loops = loops  # cells that plug an answer into a run
        cells = jupytext.read(self.path, fmt="md:myst").cells
        self.cells = [cell for cell in cells if cell.cell_type == "code"]
        if leave_out:  # a training at the top of the page
            (cell,) = (cell for cell in self.cells if leave_out in cell.source)
            cell["source"] = cell.source.replace(leave_out, "0.0")

    def pairs(self):
        return [
            (stub, self.cells[i + 1])
            for i, stub in enumerate(self.cells)
            if "exercise" in tags(stub)
        ]


def tags(cell) -> set[str]:
    return set(cell.metadata.get("tags", []))


def is_loop(cell) -> bool:
    """Whether a cell plugs an answer into training: those run when the book is built."""
    return bool(re.search(r"^if \w+_report\b", cell.source, re.MULTILINE))


PAGES = {
    "01_language_models": Page(
        "01_language_models",
        chapter_01.EXERCISES,
        loops=6,
        leave_out="train(gpt, stream(200), next_token_loss)",
    ),
    "02_rl_basics": Page("02_rl_basics", chapter_02.EXERCISES, loops=6),
    "03_rlhf": Page("03_rlhf", chapter_03.EXERCISES, loops=7),
    "04_policy_gradient": Page("04_policy_gradient", chapter_04.EXERCISES, loops=6),
    "05_ppo": Page("05_ppo", chapter_05.EXERCISES, loops=7),
    "06_instructgpt": Page("06_instructgpt", chapter_06.EXERCISES, loops=7),
}
every_page = pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)


def execute(cells) -> dict:
    """Run cells one after another in one namespace, as a notebook does."""
    namespace = {"__name__": "__main__", "display": lambda *args: None}
    for number, cell in enumerate(cells):
        exec(compile(cell.source, f"<cell {number}>", "exec"), namespace)
    return namespace


def reports(namespace) -> dict:
    return {name: value for name, value in namespace.items() if name.endswith("_report")}


def definition(source: str) -> ast.FunctionDef:
    return next(node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef))


PAIRS = [
    pytest.param(stub, solution, id=definition(stub.source).name)
    for page in PAGES.values()
    for stub, solution in page.pairs()
]


@every_page
def test_every_exercise_is_checked_on_the_page_by_the_name_of_its_stub(page):
    checked = dict(re.findall(r'_report = check\("([\w.]+)", (\w+)\)', page.path.read_text()))
    assert list(checked) == list(page.exercises)
    assert list(checked.values()) == [definition(stub.source).name for stub, _ in page.pairs()]


@pytest.mark.parametrize(("stub", "solution"), PAIRS)
def test_a_stub_is_followed_by_its_solution_and_raises(stub, solution):
    assert tags(stub) == {"exercise", "skip-execution"}
    assert tags(solution) == {"solution", "hide-cell"}
    asked, given = definition(stub.source), definition(solution.source)
    assert asked.name == given.name
    assert ast.dump(asked.args) == ast.dump(given.args)
    assert ast.get_docstring(asked)
    assert ast.unparse(asked.body[1:]) == "raise NotImplementedError"


@every_page
def test_the_solutions_pass_every_check(page):
    cells = [c for c in page.cells if "skip-execution" not in tags(c) and not is_loop(c)]
    found = reports(execute(cells))
    assert len(found) == len(page.exercises)
    for name, report in found.items():
        assert report, f"{name}: {report!r}"


@every_page
def test_the_students_version_runs_to_its_end_and_says_what_is_missing(page, capsys):
    namespace = execute([c for c in page.cells if "solution" not in tags(c)])
    for report in reports(namespace).values():
        assert not report
        assert not report.written
    printed = capsys.readouterr().out
    loops = sum(is_loop(c) for c in page.cells)
    waiting = printed.count("once it is written and passes its check")
    assert waiting == loops == page.loops
    assert "0 of 20 points" in printed


@every_page
def test_wrong_answers_do_not_break_the_page_either(page, capsys):
    wrong = {
        definition(stub.source).name: exercise.wrong_answers[0].function
        for (stub, _), exercise in zip(page.pairs(), page.exercises.values(), strict=True)
        if hasattr(exercise, "wrong_answers")
    }
    cells = [c for c in page.cells if "solution" not in tags(c)]
    namespace = {"__name__": "__main__", "display": lambda *args: None}
    for cell in cells:
        if "exercise" in tags(cell):
            name = definition(cell.source).name
            namespace[name] = wrong.get(name, lambda impl: None)
            continue
        exec(cell.source, namespace)
    assert all(report.written and not report for report in reports(namespace).values())
    assert "0 of 20 points" in capsys.readouterr().out


@every_page
def test_the_readers_copy_holds_no_solution(page):
    def bodies(cells):
        found = [n for c in cells for n in ast.walk(ast.parse(c.source)) if hasattr(n, "body")]
        return {ast.unparse(n.body) for n in found if isinstance(n, ast.FunctionDef)}

    student = bodies(c for c in page.cells if "solution" not in tags(c))
    solutions = bodies(c for c in page.cells if "solution" in tags(c))
    assert len(solutions) >= len(page.exercises)  # a solution may have a helper
    assert not student & solutions
