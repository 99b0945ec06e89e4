"""One way of showing a small interactive part: a custom element with its module beside it.

The same HTML works in the static page, in JupyterLab and in Colab: it holds the
element, the ES module that defines it, and inside the element the text for
readers without JavaScript. Nothing is fetched from anywhere.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from html import escape
from importlib import resources
from typing import Any

_KIT_IMPORT = re.compile(r'^import\s*\{[^}]*\}\s*from\s*"\./kit\.js";\n', re.MULTILINE)


@dataclass(frozen=True)
class Element:
    """What an explorer or a question returns: a notebook shows its HTML, a terminal its text."""

    html: str
    text: str

    def _repr_html_(self) -> str:
        return self.html

    def _repr_mimebundle_(
        self, include: object = None, exclude: object = None, **_: object
    ) -> dict[str, str]:
        return {"text/html": self.html, "text/plain": self.text}

    def __str__(self) -> str:
        return self.text

    __repr__ = __str__


@cache
def module_source(name: str) -> str:
    """Return the ES module `name`.js joined with the shared kit into one, without imports."""
    folder = resources.files("anatomy.widgets")
    kit = (folder / "kit.js").read_text(encoding="utf-8")
    module, imports = _KIT_IMPORT.subn("", (folder / f"{name}.js").read_text(encoding="utf-8"))
    source = f"{kit}\n{module}"
    if imports != 1 or "</script" in source.lower():
        raise ValueError(f"{name}.js must import kit.js once and must not close a script element")
    return source


def element(
    tag: str, module: str, *, options: Mapping[str, Any], fallback: str, text: str
) -> Element:
    """Return the custom element `tag`, defined by `module`, with its options as JSON.

    `fallback` is HTML for readers without JavaScript, `text` plain text.
    """
    data = escape(json.dumps(options, ensure_ascii=False, allow_nan=False), quote=True)
    return Element(
        html=(
            f'<{tag} data-options="{data}">{fallback}</{tag}>\n'
            f'<script type="module">\n{module_source(module)}</script>'
        ),
        text=text,
    )
