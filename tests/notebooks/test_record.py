"""The build's record of executed notebooks: an interruption costs what was running, no more."""

from __future__ import annotations

from pathlib import Path

import build
import pytest

DONE = {"chapters/01_sample/index.md": {"key": "k", "seconds": 2.0}}


def test_an_interrupted_write_leaves_the_record_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "executed.json"
    build.write_record(path, DONE)

    def cut_off(file: Path, text: str) -> int:
        file.write_bytes(text[:10].encode())
        raise KeyboardInterrupt

    with monkeypatch.context() as interrupted:
        interrupted.setattr(Path, "write_text", cut_off)
        with pytest.raises(KeyboardInterrupt):
            build.write_record(path, DONE | {"chapters/02_more/index.md": {}})
    assert build.read_record(path) == DONE


@pytest.mark.parametrize("text", [None, "", '{"chapters/01'])
def test_a_record_that_is_missing_or_damaged_holds_nothing(
    tmp_path: Path, text: str | None
) -> None:
    """Then every notebook is executed again; the build does not end with a traceback."""
    path = tmp_path / "executed.json"
    if text is not None:
        path.write_text(text)
    assert build.read_record(path) == {}
