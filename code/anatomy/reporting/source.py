"""Show the package's own source in a chapter, so that what is read is what runs."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable
from typing import Any


class Source:
    """Python source that a notebook displays highlighted and a terminal prints."""

    def __init__(self, code: str, origin: str) -> None:
        self.code = code
        self.origin = origin

    def __repr__(self) -> str:
        return f"# {self.origin}\n{self.code}"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return {
            "text/plain": repr(self),
            "text/markdown": f"*{self.origin}*\n\n```python\n{self.code}\n```",
        }


def show(function: Callable[..., Any] | type, *, docstring: bool = True) -> Source:
    """Return the source of a function or class of this package, for display.

    `docstring=False` leaves its docstring out, for a second look at the code alone.
    Raises TypeError for something that has no Python source.
    """
    target = inspect.unwrap(function)
    try:
        code = textwrap.dedent(inspect.getsource(target))
        origin = f"{target.__module__}.{target.__qualname__}"
    except (OSError, TypeError, AttributeError) as error:
        raise TypeError(f"{function!r} has no Python source to show") from error
    if not docstring:
        code = _without_docstring(code)
    return Source(code.rstrip(), origin)


def _without_docstring(code: str) -> str:
    definition = ast.parse(code).body[0]
    body = getattr(definition, "body", [])
    if len(body) < 2 or ast.get_docstring(definition) is None:  # type: ignore[arg-type]
        return code
    lines = code.splitlines()
    del lines[body[0].lineno - 1 : body[0].end_lineno]
    return "\n".join(lines)
