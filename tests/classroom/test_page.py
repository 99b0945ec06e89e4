"""The exercises page: its solutions pass, and the student's version runs to its end."""

import ast
import re
from pathlib import Path

import jupytext
import pytest

from anatomy.classroom import chapter_05

EXERCISES = {exercise.id: exercise for exercise in chapter_05.EXERCISES}
PAGE = Path(__file__).parents[2] / "chapters" / "05_ppo" / "exercises.md"
CELLS = [cell for cell in jupytext.read(PAGE, fmt="md:myst").cells if cell.cell_type == "code"]


def tags(cell) -> set[str]:
    return set(cell.metadata.get("tags", []))


def is_loop(cell) -> bool:
    """Whether a cell plugs an answer into training: those run when the book is built."""
    return bool(re.search(r"^if \w+_report\b", cell.source, re.MULTILINE))


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


def pairs():
    return [
        pytest.param(stub, CELLS[i + 1], id=definition(stub.source).name)
        for i, stub in enumerate(CELLS)
        if "exercise" in tags(stub)
    ]


def test_every_exercise_is_checked_on_the_page_by_the_name_of_its_stub():
    checked = dict(re.findall(r'_report = check\("([\w.]+)", (\w+)\)', PAGE.read_text()))
    assert set(checked) == set(EXERCISES)
    assert list(checked.values()) == [pair.id for pair in pairs()]


@pytest.mark.parametrize(("stub", "solution"), pairs())
def test_a_stub_is_followed_by_its_solution_and_raises(stub, solution):
    assert tags(stub) == {"exercise", "skip-execution"}
    assert tags(solution) == {"solution", "hide-cell"}
    asked, given = definition(stub.source), definition(solution.source)
    assert asked.name == given.name
    assert ast.dump(asked.args) == ast.dump(given.args)
    assert ast.get_docstring(asked)
    assert ast.unparse(asked.body[1:]) == "raise NotImplementedError"


def test_the_solutions_pass_every_check():
    cells = [c for c in CELLS if "skip-execution" not in tags(c) and not is_loop(c)]
    found = reports(execute(cells))
    assert len(found) == len(EXERCISES)
    for name, report in found.items():
        assert report, f"{name}: {report!r}"


def test_the_students_version_runs_to_its_end_and_says_what_is_missing(capsys):
    namespace = execute([c for c in CELLS if "solution" not in tags(c)])
    for report in reports(namespace).values():
        assert not report
        assert not report.written
    printed = capsys.readouterr().out
    loops = sum(is_loop(c) for c in CELLS)
    assert printed.count("once it is written and passes its check") == loops == 7
    assert "0 of 20 points" in printed


def test_wrong_answers_do_not_break_the_page_either(capsys):
    wrong = {
        pair.id: exercise.wrong_answers[0].function
        for pair, exercise in zip(pairs(), EXERCISES.values(), strict=True)
        if hasattr(exercise, "wrong_answers")
    }
    cells = [c for c in CELLS if "solution" not in tags(c)]
    namespace = {"__name__": "__main__", "display": lambda *args: None}
    for cell in cells:
        if "exercise" in tags(cell):
            name = definition(cell.source).name
            namespace[name] = wrong.get(name, lambda impl: None)
            continue
        exec(cell.source, namespace)
    assert all(report.written and not report for report in reports(namespace).values())
    assert "0 of 20 points" in capsys.readouterr().out


def test_the_readers_copy_holds_no_solution():
    def bodies(cells):
        found = [n for c in cells for n in ast.walk(ast.parse(c.source)) if hasattr(n, "body")]
        return {ast.unparse(n.body) for n in found if isinstance(n, ast.FunctionDef)}

    student = bodies(c for c in CELLS if "solution" not in tags(c))
    solutions = bodies(c for c in CELLS if "solution" in tags(c))
    assert len(solutions) == len(EXERCISES)
    assert not student & solutions
