"""A notebook shows the value of a cell's last line only: a table above another line is lost."""

from __future__ import annotations

import ast
from collections.abc import Set
from pathlib import Path

import export
import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [path.relative_to(ROOT).as_posix() for path in export.sources(ROOT)]
SHOWN_BY_ITS_VALUE = {"table", "show", "check", "predict", "plots.describe"}


def lost(source: str, own: Set[str] = frozenset()) -> list[str]:
    """Calls above the last line of a cell whose value is a thing to show."""
    lines = [line for line in source.splitlines() if not line.startswith(("%", "!"))]
    return [
        ast.unparse(line.value.func)
        for line in ast.parse("\n".join(lines)).body[:-1]
        if isinstance(line, ast.Expr)
        and isinstance(line.value, ast.Call)
        and ast.unparse(line.value.func) in SHOWN_BY_ITS_VALUE - own
    ]


def test_a_table_above_a_print_is_found() -> None:
    assert lost("table(rows)\nprint(1)") == ["table"]
    assert lost("print(1)\ntable(rows)") == []
    assert lost("display(table(rows))\nprint(1)") == []
    assert lost("show(1)\nprint(1)", own={"show"}) == []


@pytest.mark.parametrize("page", PAGES)
def test_nothing_that_a_cell_should_show_is_lost(page: str) -> None:
    cells = [c.source for c in export.read_notebook(ROOT / page).cells if c.cell_type == "code"]
    own = {
        node.name
        for cell in cells
        if not cell.startswith(("%", "!"))
        for node in ast.walk(ast.parse(cell))
        if isinstance(node, ast.FunctionDef)
    }
    for cell in cells:
        assert not lost(cell, own), f"{page}: {lost(cell, own)} is not the last line of its cell"
