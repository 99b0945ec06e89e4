"""What readers get: valid notebooks, plain Markdown, no solutions, ids that stay."""

from __future__ import annotations

import re
from pathlib import Path

import export
import nbformat
import pytest
from plain_markdown import Label, Site, labels_of, plain

ROOT = Path(__file__).resolve().parents[2]

FIXTURE = ROOT / "tests" / "site" / "fixture"
SITE = Site(
    "https://o.github.io/r",
    "https://raw.githubusercontent.com/o/r/main",
    {"sec-gae": Label("chapters/05_ppo/index", "sec-gae", "Advantages")},
    {"book/notation": "Notation"},
    {"schulman2017": "Schulman et al. 2017"},
)
PAGE = "chapters/05_ppo/lab"
MYST = re.compile(r"^ *(:{3,}|`{3,}\{|~{3,}\{)|\{[a-z:]+\}`|^\([\w:-]+\)=|^% ", re.MULTILINE)


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> dict[str, nbformat.NotebookNode]:
    """Every notebook of the fixture and of the book."""
    found = {}
    for name, source in (("fixture", FIXTURE), ("book", ROOT)):
        out = tmp_path_factory.mktemp(name)
        for path in export.export_all(source, out):
            found[f"{name}/{path.relative_to(out)}"] = nbformat.read(path, as_version=4)
    return found


def test_all_are_valid_clean_and_without_solutions(
    exported: dict[str, nbformat.NotebookNode],
) -> None:
    assert "fixture/chapters/01_sample/exercises.ipynb" in exported
    for name, notebook in exported.items():
        nbformat.validate(notebook)
        ids = [cell.id for cell in notebook.cells]
        assert len(ids) == len(set(ids)), name
        for cell in notebook.cells:
            tags = cell.metadata.get("tags", [])
            assert "solution" not in tags, name
            assert not ({"exercise", "skip-execution"} <= set(tags)), name
            if cell.cell_type == "code":
                assert cell.outputs == [], name
                assert cell.execution_count is None, name
            else:
                left = MYST.search(re.sub(r"(?s)```.*?```", "", cell.source))
                assert not left, f"{name}: MyST left over near {cell.source[:200]!r}"


def test_install_cell_comes_first(exported: dict[str, nbformat.NotebookNode]) -> None:
    for name, notebook in exported.items():
        first = notebook.cells[0].source
        assert 'find_spec("anatomy") is None' in first, name
        assert re.search(r'%pip install -q "anatomy @ git\+https://github.com/\S+@\S+"', first)


def test_exercise_keeps_stub_and_check_and_loses_the_solution(
    exported: dict[str, nbformat.NotebookNode],
) -> None:
    sources = [cell.source for cell in exported["fixture/chapters/01_sample/exercises.ipynb"].cells]
    assert any("NotImplementedError" in source for source in sources)
    assert any('print("correct")' in source for source in sources)
    assert not any("THE SOLUTION" in source for source in sources)


def test_a_failed_installation_ends_the_first_cell_with_a_sentence(
    exported: dict[str, nbformat.NotebookNode], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = next(iter(exported.values())).cells[0].source
    without_network = re.sub(r"%pip install.*", "pass", first)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match="run this cell again"):
        exec(without_network, {})


def test_an_interrupted_export_leaves_nothing_that_passes_for_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut_off(notebook: nbformat.NotebookNode, path: Path) -> None:
        Path(path).write_text(nbformat.writes(notebook)[:100])
        raise KeyboardInterrupt

    with monkeypatch.context() as interrupted:
        interrupted.setattr(nbformat, "write", cut_off)
        with pytest.raises(KeyboardInterrupt):
            export.export_all(FIXTURE, tmp_path)
    written = export.export_all(FIXTURE, tmp_path)
    assert len(written) == len(export.sources(FIXTURE))
    assert sorted(tmp_path.rglob("*.*")) == sorted(written)


def test_work_and_other_files_survive_another_export(tmp_path: Path) -> None:
    first = export.export_all(FIXTURE, tmp_path)
    exercises, other = tmp_path / "chapters/01_sample/exercises.ipynb", tmp_path / "grades.csv"
    other.write_text("Ada,20")
    gone, broken = tmp_path / "chapters/01_sample/gone.ipynb", tmp_path / "mine/notes.ipynb"
    broken.parent.mkdir()
    broken.write_text("{")
    old = nbformat.read(exercises, as_version=4)
    for cell, its in zip(old.cells, export.ids("chapters/01_sample/gone", old.cells), strict=True):
        cell["id"] = its
    nbformat.write(old, gone)

    notebook = nbformat.read(exercises, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    code[0].outputs = [nbformat.v4.new_output("stream", text="a run is no work")]
    nbformat.write(notebook, exercises)
    assert export.export_all(FIXTURE, tmp_path) == first
    assert not gone.exists(), "its page is no more"

    code[-1].source += "\n# my answer"
    nbformat.write(notebook, exercises)
    assert exercises not in export.export_all(FIXTURE, tmp_path)
    assert "# my answer" in exercises.read_text()
    assert (other.read_text(), broken.read_text()) == ("Ada,20", "{")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["--source", "{}/nothing"], "holds no _config.yml"), (["--out", "{}/file"], "is a file")],
)
def test_a_wrong_folder_is_refused(
    arguments: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "file").write_text("x")
    named = [argument.format(tmp_path) for argument in arguments]
    monkeypatch.setattr("sys.argv", ["export.py", *named])
    with pytest.raises(SystemExit):
        export.main()
    assert said in capsys.readouterr().err


def test_solutions_can_be_kept_for_checks() -> None:
    path = FIXTURE / "chapters/01_sample/exercises.md"
    home = export.repository()
    node = export.export(path, "x", SITE, home, solutions=True)
    assert any("THE SOLUTION" in cell.source for cell in node.cells)


def test_ids_stay_when_another_cell_changes(tmp_path: Path) -> None:
    home = export.repository()
    text = (FIXTURE / "chapters/01_sample/index.md").read_text()
    (tmp_path / "page.md").write_text(text)
    before = export.export(tmp_path / "page.md", "page", SITE, home)
    (tmp_path / "page.md").write_text(text.replace("# a pessimistic choice", "# the smaller"))
    after = export.export(tmp_path / "page.md", "page", SITE, home)
    changed = [a.id != b.id for a, b in zip(before.cells, after.cells, strict=True)]
    assert sum(changed) == 1


@pytest.mark.parametrize(
    ("myst", "expected"),
    [
        ("See {ref}`sec-gae`.", "See [Advantages](https://o.github.io/r/chapters/05_ppo/index.html#sec-gae)."),
        ("{ref}`how <sec-gae>`", "[how](https://o.github.io/r/chapters/05_ppo/index.html#sec-gae)"),
        ("{doc}`../../book/notation`", "[Notation](https://o.github.io/r/book/notation.html)"),
        ("[n](../../book/notation.md#beta)", "[n](https://o.github.io/r/book/notation.html#beta)"),
        ("[](#sec-gae)", "[Advantages](https://o.github.io/r/chapters/05_ppo/index.html#sec-gae)"),
        ("[out](https://example.org/a.md)", "[out](https://example.org/a.md)"),
        ("{cite:p}`schulman2017`", "([Schulman et al. 2017](https://o.github.io/r/book/bibliography.html))"),
        ("{math}`a_t` and $b$", "$a_t$ and $b$"),
        ("`{ref}` stays", "`{ref}` stays"),
        ("![bars](img/b.svg)", "![bars](https://raw.githubusercontent.com/o/r/main/chapters/05_ppo/img/b.svg)"),
        ("(label)=\n# Title", "# Title"),
        ("$$\nx\n$$ (eq-x)", "$$\nx\n$$"),
        (":::{note}\nMind.\n\nTwice.\n:::", "> **Note**\n>\n> Mind.\n>\n> Twice."),
        ("::::{admonition} T\n:class: tip\n:::{math}\nx\n:::\n::::", "> **T**\n>\n> $$\n> x\n> $$"),
        ("```{raw} html\n<b>x</b>\n```\nafter", "after"),
        ("```python\n{ref}`kept`\n:::{note}\n```", "```python\n{ref}`kept`\n:::{note}\n```"),
        ("a\n\n<script>\nalert(1)\n</script>\n\nb", "a\n\nb"),
        (
            ":::{list-table} Caption\n:header-rows: 1\n* - a\n  - b\n* - 1\n  - 2\n:::",
            "**Caption**\n\n| a | b |\n| --- | --- |\n| 1 | 2 |",
        ),
    ],
)  # fmt: skip
def test_myst_becomes_plain_markdown(myst: str, expected: str) -> None:
    assert plain(myst, PAGE, SITE) == expected


def test_labels_are_found_where_they_are_set() -> None:
    text = (
        "(sec-a)=\n## The *a* section\n\n$$\nx\n$$ (eq-x)\n\n:::{figure} a.svg\n:name: fig_a\n:::"
    )
    assert labels_of(text, "p") == {
        "sec-a": Label("p", "sec-a", "The *a* section"),
        "eq-x": Label("p", "equation-eq-x", "the equation"),
        "fig_a": Label("p", "fig-a", "fig_a"),
    }
