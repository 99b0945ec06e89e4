"""Write every chapter page with cells as a clean notebook: `make notebooks`.

    python book/export.py [--source FOLDER] [--out FOLDER] [--with-solutions]

A reader's copy: an install cell first, plain Markdown, no outputs, no solutions, exercise
stubs ready to fill in, and cell ids that stay the same while a cell's text does. By these ids
a notebook that somebody has worked in is known, and it is never written over.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import nbformat
from nbformat.v4 import new_code_cell, new_notebook

sys.path.insert(0, str(Path(__file__).resolve().parent))
from plain_markdown import Site, citations_of, labels_of, plain, title_of
from repository import Repository, repository

ROOT = Path(__file__).resolve().parents[1]
INSTALL = """\
# The course's package, installed only where it is missing (in Colab, say).
# This page with its figures and cross-references: {address}
import importlib.util

if importlib.util.find_spec("anatomy") is None:
    %pip install -q "{requirement}"
    importlib.invalidate_caches()
    if importlib.util.find_spec("anatomy") is None:
        raise ModuleNotFoundError(
            "The package was not installed; pip says why above. It needs a network and git. "
            "Then run this cell again."
        )
"""


def is_notebook(text: str) -> bool:
    """Whether a page's front matter makes it a MyST notebook."""
    from myst_nb.core.read import is_myst_markdown_notebook

    return is_myst_markdown_notebook(text)


def read_notebook(path: Path) -> Any:
    """A page as Sphinx reads it: colon fences and all, so that the same cells are found."""
    from myst_nb.core.read import read_myst_markdown_notebook
    from myst_parser.config.main import MdParserConfig

    config = MdParserConfig(enable_extensions={"colon_fence", "dollarmath", "amsmath", "deflist"})
    return read_myst_markdown_notebook(path.read_text(), config=config, path=path)


def sources(source: Path) -> list[Path]:
    """The pages of the book that have cells."""
    found = [*sorted(source.glob("chapters/**/*.md")), *sorted(source.glob("book/*.md"))]
    return [path for path in found if is_notebook(path.read_text())]


def survey(source: Path, home: Repository) -> Site:
    """Labels, titles and citations of the whole book, for links."""
    labels, titles = {}, {}
    for path in [*source.glob("chapters/**/*.md"), *source.glob("book/*.md")]:
        page, text = path.relative_to(source).with_suffix("").as_posix(), path.read_text()
        labels.update(labels_of(text, page))
        titles[page] = title_of(text) or page
    citations = citations_of(source / "book" / "references.bib")
    return Site(home.site, home.raw, labels, titles, citations)


def export(path: Path, page: str, site: Site, home: Repository, *, solutions: bool = False) -> Any:
    """One page as a clean notebook."""
    node = read_notebook(path)
    install = INSTALL.format(requirement=home.requirement, address=site.page(page))
    cells = [new_code_cell(install.strip())]
    for cell in node.cells:
        tags = list(cell.metadata.get("tags", []))
        if "solution" in tags and not solutions:
            continue
        if cell.cell_type == "markdown":
            cell.source = plain(cell.source, page, site)
            if not cell.source:
                continue
        if "exercise" in tags and "skip-execution" in tags:
            tags.remove("skip-execution")
        cell.metadata = nbformat.from_dict({"tags": tags} if tags else {})
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        cells.append(cell)
    for cell, its in zip(cells, ids(page, cells), strict=True):
        cell["id"] = its
    metadata = {
        "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
        "language_info": {"name": "python"},
    }
    notebook = new_notebook(cells=cells, metadata=metadata)
    notebook.nbformat_minor = 5
    nbformat.validate(notebook)
    return notebook


def ids(page: str, cells: list[Any]) -> list[str]:
    """An id for each cell that changes with the cell's text and with nothing else."""
    seen: Counter[str] = Counter()
    found = []
    for cell in cells:
        text = f"{cell.cell_type}\n{cell.source}"
        seen[text] += 1
        found.append(hashlib.sha256(f"{page}\n{text}\n{seen[text]}".encode()).hexdigest()[:12])
    return found


def untouched(path: Path, page: str) -> bool:
    """Whether a notebook is one of ours and nobody has written in it; to run it is no writing."""
    try:
        cells = nbformat.read(path, as_version=4).cells
        return bool(cells) and [cell.get("id") for cell in cells] == ids(page, cells)
    except Exception:  # nbformat raises what it likes for a file that is no notebook
        return False


def export_all(source: Path, out: Path, *, solutions: bool = False) -> list[Path]:
    """Every notebook of the book under `out`, at its page's path, unless somebody worked in it.

    Notebooks of pages that are no more go. Other files under `out` stay.
    """
    home = repository()
    site = survey(source, home)
    for old in out.glob("*/**/*.ipynb"):
        if untouched(old, old.relative_to(out).with_suffix("").as_posix()):
            old.unlink()
    written = []
    for path in sources(source):
        page = path.relative_to(source).with_suffix("").as_posix()
        target = out / f"{page}.ipynb"
        if target.exists():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished = target.with_suffix(".unfinished")  # half a notebook would pass for edited
        nbformat.write(export(path, page, site, home, solutions=solutions), unfinished)
        unfinished.replace(target)
        written.append(target)
    return written


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--source", type=Path, default=ROOT, help="folder with _config.yml")
    parser.add_argument("--out", type=Path, help="default: _build/notebooks under the source")
    parser.add_argument("--with-solutions", action="store_true", help="for checks, not readers")
    arguments = parser.parse_args()
    out = arguments.out or arguments.source / "_build" / "notebooks"
    if not (arguments.source / "_config.yml").is_file():
        parser.error(f"--source {arguments.source} holds no _config.yml: name the book's folder")
    if out.exists() and not out.is_dir():
        parser.error(f"--out {out} is a file: name a folder")
    source = arguments.source.resolve()
    written = export_all(source, out, solutions=arguments.with_solutions)
    print(f"{len(written)} notebooks are in {out}")
    for path in sources(source):
        kept = out / path.relative_to(source).with_suffix(".ipynb")
        if kept not in written:
            print(f"{kept} was edited and stays as it is; rename it to get a clean one")


if __name__ == "__main__":
    main()
