"""Small tables: a row of named cells each, shown as a table in a notebook and as text elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


class Table:
    """What `table` returns; notebooks show its Markdown."""

    def __init__(self, header: list[str], cells: list[list[str]], numeric: list[bool]) -> None:
        self.header, self.cells, self.numeric = header, cells, numeric

    def __repr__(self) -> str:
        lines = [self.header, *self.cells]
        widths = [max(len(line[i]) for line in lines) for i in range(len(self.header))]
        return "\n".join(
            "  ".join(
                cell.rjust(width) if number else cell.ljust(width)
                for cell, width, number in zip(line, widths, self.numeric, strict=True)
            ).rstrip()
            for line in lines
        )

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        rule = ["---:" if number else "---" for number in self.numeric]
        escaped = [
            [cell.replace("|", "\\|") for cell in line] for line in [self.header, *self.cells]
        ]
        lines = [escaped[0], rule, *escaped[1:]]
        markdown = "\n".join("| " + " | ".join(line) + " |" for line in lines)
        return {"text/plain": repr(self), "text/markdown": markdown}


def table(rows: Sequence[Mapping[str, object]]) -> Table:
    """Lay out rows that map column names to cells; the first row names the columns.

    Floats are shown with three significant digits; format them yourself where
    that is not right. Raises ValueError for rows that do not fit together.
    """
    if not rows:
        raise ValueError("a table needs at least one row")
    header = list(rows[0])
    for number, row in enumerate(rows):
        if list(row) != header:
            raise ValueError(f"row {number} has the columns {list(row)}, the first has {header}")
    cells = [[_cell(value) for value in row.values()] for row in rows]
    numeric = [
        all(isinstance(row[name], int | float) and not isinstance(row[name], bool) for row in rows)
        for name in header
    ]
    return Table(header, cells, numeric)


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 999.5 else f"{value:,.0f}"  # 999.7 is 1,000
    return str(value)
