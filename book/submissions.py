"""What students hand in: the functions of a notebook, and what these need.

Nothing is run here. Of a notebook's top-level statements those are chosen that give a wanted
function its value, or change what it reads.
"""

from __future__ import annotations

import ast
import json
import re
import symtable
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from IPython.core.inputtransformer2 import TransformerManager

ROOT = Path(__file__).resolve().parents[1]
ASKED = re.compile(r'^\w+ = check\("([\w.]+)", (\w+)\)', re.MULTILINE)
HEADING = re.compile(r"^## (\d+) · ", re.MULTILINE)
AROUND = re.compile(r"%%(time|timeit|capture)\b.*\n")  # the rest of such a cell is plain Python


class SubmissionError(Exception):
    """A file that is no submission; the message says why in a sentence."""


@dataclass(frozen=True)
class Submission:
    """The functions of one notebook, and what could not be read in it."""

    chapters: tuple[str, ...]
    asked: dict[str, str]  # exercise: name of the function
    statements: list[ast.stmt]
    broken: list[str] = field(default_factory=list)


def pages() -> dict[str, str]:
    """The text of each chapter's exercise page."""
    found = sorted((ROOT / "chapters").glob("*/exercises.md"))
    return {page.parent.name: page.read_text("utf-8") for page in found}


def chapters() -> dict[str, dict[str, str]]:
    """The exercises of each chapter and the function that each asks for."""
    return {chapter: dict(ASKED.findall(text)) for chapter, text in pages().items()}


def numbers() -> dict[str, str]:
    """The number of each exercise as syllabi have it: {"ppo.gae": "5.1", …}."""
    found = {}
    for chapter, text in pages().items():
        _, *parts = HEADING.split(text)
        for number, part in zip(parts[::2], parts[1::2], strict=True):
            found |= {e: f"{int(chapter[:2])}.{number}" for e, _ in ASKED.findall(part)}
    return found


def read(path: Path, only: Collection[str] = ()) -> Submission:
    """The functions of a notebook and the chapters that ask for them: all, or `only` some."""
    statements, broken = [], []
    sources = cells(path)
    for number, source in enumerate(sources, start=1):
        try:
            statements += ast.parse(plain_python(source)).body
        except (SyntaxError, ValueError) as error:
            line = getattr(error, "text", "") or ""
            said = f"code cell {number} is no Python: {error.args[0]}: {line.strip()}"
            broken.append(printable(said))
        except (RecursionError, MemoryError):
            broken.append(f"code cell {number} is too deeply nested to be read")
    defined = {name for statement in statements for name in bound(statement)}
    found, text = chapters(), "\n".join(sources)
    checked = {exercise for exercise, _ in ASKED.findall(text)}
    here = [chapter for chapter in found if checked & set(found[chapter])] or [
        max(found, key=lambda chapter: len(defined & set(found[chapter].values())))
    ]
    if not any(defined & set(found[chapter].values()) for chapter in here):
        why = f" ({broken[0]})" if broken else ""
        raise SubmissionError(
            f"It holds no function that an exercise asks for{why}: is it another notebook?"
        )
    asked = {e: name for c in here for e, name in found[c].items() if not only or e in only}
    if not asked:
        raise SubmissionError(
            f"It belongs to {' and '.join(here)}, which has none of the exercises "
            "that --only names."
        )
    here = [chapter for chapter in here if asked.keys() & found[chapter].keys()]
    return Submission(tuple(here), asked, statements, broken)


def cells(path: Path) -> list[str]:
    """The text of a notebook's code cells, as much as any version of the format lets us see."""
    try:
        text = path.read_text("utf-8-sig")
    except FileNotFoundError:
        raise SubmissionError("There is no such file.") from None
    except UnicodeDecodeError:
        raise SubmissionError("It is no notebook: it is not text.") from None
    except IsADirectoryError:
        raise SubmissionError("It is a folder without a notebook in it.") from None
    except OSError as error:
        raise SubmissionError(f"It cannot be read: {error.strerror}.") from None
    if not text.strip():
        raise SubmissionError("It is empty. Ask for the file again.")
    try:
        notebook = json.loads(text)
        sources = [cell["source"] for cell in notebook["cells"] if cell["cell_type"] == "code"]
        return ["".join(source) for source in sources]
    except (ValueError, KeyError, TypeError, RecursionError):
        if path.suffix in (".md", ".py"):
            raise SubmissionError(
                f"It is no notebook yet: `jupytext --to ipynb {path.name}` makes it one."
            ) from None
        raise SubmissionError(
            "It is no notebook, or one that was cut off. Ask for the .ipynb again."
        ) from None


def plain_python(source: str) -> str:
    """A cell as Python: what only IPython understands becomes calls, which no answer needs."""
    text: str = TransformerManager().transform_cell(AROUND.sub("", source.lstrip(), count=1))
    return text


def printable(text: str) -> str:
    """Without what a terminal would obey."""
    return "".join(c if c.isprintable() else "?" for c in text)


# --- what a function needs -------------------------------------------------------------


def bound(statement: ast.stmt) -> set[str]:
    """The top-level names that a statement gives a value."""
    top = symbols(statement)
    return {s.get_name() for s in top.get_symbols() if s.is_assigned() or s.is_imported()}


def changed(statement: ast.stmt) -> set[str]:
    """The names whose objects it may change: by an index, an attribute, or a call such as append.

    What the body of a function changes is changed by whoever calls it.
    """
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return set()
    found = set()
    for node in ast.walk(statement):
        match node:
            case ast.Subscript(ctx=ast.Store() | ast.Del()) | ast.Attribute(ctx=ast.Store()):
                target: ast.expr = node
            case ast.Expr(value=ast.Call(func=ast.Attribute() as target)):
                pass
            case _:
                continue
        while isinstance(target, ast.Subscript | ast.Attribute):
            target = target.value
        if isinstance(target, ast.Name):
            found.add(target.id)
    return found


def looked_up(statement: ast.stmt) -> set[str]:
    """The names that it looks up outside itself: no parameters, nothing local to a function."""

    def walk(table: symtable.SymbolTable) -> Iterator[str]:
        for symbol in table.get_symbols():
            if symbol.is_global() or table.get_type() == "module":
                yield symbol.get_name()
        for child in table.get_children():
            yield from walk(child)

    return set(walk(symbols(statement)))


def symbols(statement: ast.stmt) -> symtable.SymbolTable:
    """Who is local and who is not, as Python sees it."""
    return symtable.symtable(ast.unparse(statement), "<submission>", "exec")


def needed(statements: list[ast.stmt], name: str) -> str:
    """The statements that `name` comes from, and those that these need, in their order."""
    imports = [one for one in statements if isinstance(one, ast.Import | ast.ImportFrom)]
    # `torch.manual_seed(0)` changes torch, but whoever needs torch does not need that
    modules = {n for one in imports for n in bound(one)}
    touches = [bound(one) | changed(one) - modules for one in statements]
    wanted, chosen = {name}, set[int]()
    while True:
        more = {i for i, names in enumerate(touches) if names & wanted} - chosen
        if not more:
            break
        chosen |= more
        wanted |= {one for i in more for one in looked_up(statements[i])}
    # never read by name: `from __future__`, which has to stand first, and `from x import *`
    stars = [one for one in statements if isinstance(one, ast.ImportFrom)]
    first = [one for one in stars if one.module == "__future__"]
    first += [one for one in stars if one.names[0].name == "*"]
    rest = [statements[i] for i in sorted(chosen) if statements[i] not in first]
    return "\n".join(ast.unparse(statement) for statement in [*first, *rest])
