"""The record of a run: one row of numbers per iteration."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np


class History:
    """Rows of named floats, read as columns.

        history.add(step=1024, **update(...))
        history["kl"]                        # float array (rows,), NaN where a row had none

    With a `path`, every row is appended to that JSON Lines file as it comes, so
    an interrupted run loses nothing; `History.load` reads it back. An existing
    file is continued.
    """

    def __init__(self, path: str | Path | None = None) -> None:
        self.rows: list[dict[str, float]] = []
        self.path = Path(path) if path is not None else None
        if self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if self.path.exists():
                _end_last_line(self.path)

    def add(self, **values: float) -> None:
        """Append a row."""
        row = {name: float(value) for name, value in values.items()}
        self.rows.append(row)
        if self.path is not None:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")

    def __getitem__(self, name: str) -> np.ndarray:
        if not any(name in row for row in self.rows):
            known = ", ".join(self.columns) or "nothing yet"
            raise KeyError(f"no column {name!r}; this history has: {known}")
        return np.array([row.get(name, math.nan) for row in self.rows])

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[dict[str, float]]:
        return iter(self.rows)

    @property
    def columns(self) -> list[str]:
        """Names in order of first appearance."""
        return list(dict.fromkeys(name for row in self.rows for name in row))

    @classmethod
    def load(cls, path: str | Path) -> History:
        """Read a JSON Lines file. A last line cut short by an interruption is dropped.

        Raises ValueError with the line number for any other malformed line.
        """
        history = cls()
        text = Path(path).read_text(encoding="utf-8")
        lines = text.splitlines()
        for number, line in enumerate(lines, start=1):
            try:
                history.rows.append({name: float(v) for name, v in json.loads(line).items()})
            except (ValueError, AttributeError, TypeError):
                if number == len(lines) and not text.endswith("\n"):
                    break
                raise ValueError(f"{path}, line {number}: not a row of named numbers") from None
        return history


def _end_last_line(path: Path) -> None:
    """Drop a last row that an interruption cut short, so that the next row starts a line."""
    written = path.read_bytes()
    start = written.rfind(b"\n") + 1
    last = written[start:]
    if last.startswith(b"{"):
        os.truncate(path, start)
        with path.open("ab") as file:
            file.write(last + b"\n" if last.endswith(b"}") else b"")
