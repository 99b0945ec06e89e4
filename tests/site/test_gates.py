"""The strict build passes on a good book and fails on each planted fault."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import books
import pytest

CHAPTER = "chapters/01_sample/index.md"


def edit(book: Path, page: str, old: str, new: str) -> None:
    text = (book / page).read_text()
    assert old in text
    (book / page).write_text(text.replace(old, new, 1))


def cell(code: str) -> str:
    return f"```{{code-cell}} python3\n{code}\n```\n\n(sec-figures)="


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The fixture book, built; each faulty copy starts from its cache."""
    book = books.copy(tmp_path_factory.mktemp("good"))
    built = books.build(book)
    assert built.returncode == 0, built.stdout + built.stderr
    return book


def test_good_book_is_built_with_figures_and_buttons(good: Path) -> None:
    page = (good / "_build/html/chapters/01_sample/index.html").read_text()
    first, second = re.findall(r'<figure class="anatomy-figure" data-bundle="(\w+)"', page)
    assert (first, second) == ("basic", "cartesian")
    assert 'role="img" aria-label="Clipped terms"' in page
    assert "<figcaption>A saddle: up on two corners" in page
    assert "/blob/notebooks/chapters/01_sample/index.ipynb" in page
    assert 'href="../../notebooks/chapters/01_sample/index.ipynb"' in page
    assert (good / "_build/html/notebooks/chapters/01_sample/exercises.ipynb").exists()
    plain = (good / "_build/html/book/index.html").read_text()
    assert "blob/notebooks" not in plain
    assert "colab" not in plain.lower()
    assert "THEBE" not in page


def test_second_build_executes_nothing(good: Path) -> None:
    again = books.build(good)
    assert again.returncode == 0
    assert "of which 0 to execute" in again.stdout


FAULTS: dict[str, tuple[Callable[[Path], None], str]] = {
    "cell error": (
        lambda book: edit(book, CHAPTER, "(sec-figures)=", cell("1 / 0")),
        "ZeroDivisionError",
    ),
    "broken reference": (
        lambda book: edit(book, CHAPTER, "{ref}`sec-figures`", "{ref}`sec-nowhere`"),
        "sec-nowhere",
    ),
    "missing figure": (lambda book: (book / "book/bars.svg").unlink(), "bars.svg"),
    "unknown output": (
        lambda book: edit(
            book,
            CHAPTER,
            "(sec-figures)=",
            cell("display({'application/x-nothing': 'x'}, raw=True)"),
        ),
        "application/x-nothing",
    ),
    "over budget": (
        lambda book: (
            edit(book, CHAPTER, "budget_seconds: 20", "budget_seconds: 0.5"),
            edit(book, CHAPTER, "(sec-figures)=", cell("import time; time.sleep(3)")),
        )[0],
        "more than 3 times",
    ),
    "missing page": (lambda book: (book / "book/bibliography.md").unlink(), "no such page"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_planted_fault_fails_the_build(good: Path, tmp_path: Path, fault: str) -> None:
    plant, sign = FAULTS[fault]
    book = books.copy(tmp_path)
    books.share_cache(good, book)
    plant(book)
    built = books.build(book)
    assert built.returncode != 0, f"{fault} did not fail the build"
    assert sign in built.stdout + built.stderr


def test_every_warning_of_a_page_is_reported(good: Path, tmp_path: Path) -> None:
    book = books.copy(tmp_path)
    books.share_cache(good, book)
    edit(book, CHAPTER, "{cite:t}`schulman2017`", "{cite:t}`nobody2017`")
    edit(book, "book/index.md", "01_sample/index.md", "01_sample/gone.md")
    edit(book, CHAPTER, '"title": {"text": "Clipped terms"}, ', "")
    built = books.build(book)
    assert built.returncode != 0
    for sign in ("nobody2017", "gone.md", "neither describe"):
        assert sign in built.stderr


def test_package_change_runs_notebooks_again(good: Path, tmp_path: Path) -> None:
    book = books.copy(tmp_path)
    books.share_cache(good, book)
    (book / "code/anatomy").mkdir(parents=True)
    (book / "code/anatomy/new.py").write_text("x = 1\n")
    built = books.build(book)
    assert "of which 2 to execute" in built.stdout
    assert set(json.loads((book / "_build/executed.json").read_text())) == {
        CHAPTER,
        "chapters/01_sample/exercises.md",
    }


def test_fork_links_to_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from repository import repository

    monkeypatch.setenv("GITHUB_REPOSITORY", "someone/their-fork")
    home = repository(books.ROOT / "_config.yml")
    assert home.site == "https://someone.github.io/their-fork"
    assert home.colab("chapters/x/index") == (
        "https://colab.research.google.com/github/someone/their-fork/blob/notebooks/"
        "chapters/x/index.ipynb"
    )
    assert home.requirement == "anatomy @ git+https://github.com/someone/their-fork@main"
