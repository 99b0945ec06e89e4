"""Copies of the fixture book, built with the real configuration and the real machinery."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FIXTURE = Path(__file__).with_name("fixture")
VENDOR = ROOT / ".cache" / "vendor"


def copy(folder: Path) -> Path:
    """The fixture's pages with this repository's _config.yml, extension and assets."""
    book = folder / "book"
    shutil.copytree(FIXTURE, book)
    shutil.copy(ROOT / "_config.yml", book)
    for name in ("book/_ext", "book/assets"):
        shutil.copytree(ROOT / name, book / name, ignore=shutil.ignore_patterns("__pycache__"))
    (book / ".cache").mkdir()
    (book / ".cache" / "vendor").symlink_to(VENDOR)
    return book


def build(book: Path) -> subprocess.CompletedProcess[str]:
    """`make book`, for the book in this folder."""
    command = [sys.executable, str(ROOT / "book" / "build.py"), "--source", str(book)]
    environment = {key: value for key, value in os.environ.items() if key != "GITHUB_REPOSITORY"}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)


def share_cache(built: Path, book: Path) -> None:
    """Give a copy the executed notebooks of a built book."""
    (book / "_build").mkdir()
    shutil.copytree(built / "_build" / ".jupyter_cache", book / "_build" / ".jupyter_cache")
    shutil.copy(built / "_build" / "executed.json", book / "_build")
