"""Results with receipts: a number that the prose quotes from a long run says where it came from.

Results live in the package, `anatomy/results/<name>.json`, so that a notebook in
Colab finds them as the site build does. Scripts in `code/experiments` write them.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from anatomy.version import __version__

RESULTS = Path(__file__).parents[1] / "results"


def receipt(
    *, config: Any, seeds: Sequence[int], wall_seconds: float, cpu_seconds: float | None = None
) -> dict[str, Any]:
    """Return what repeats a run: configuration, seeds, versions, processor, time, commit.

    `config` is a dataclass or anything that JSON can hold.
    """
    return {
        "config": asdict(config)
        if is_dataclass(config) and not isinstance(config, type)
        else config,
        "seeds": list(seeds),
        "anatomy": __version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "processor": _processor(),
        "threads": torch.get_num_threads(),
        "wall_seconds": round(wall_seconds, 1),
        "cpu_seconds": None if cpu_seconds is None else round(cpu_seconds, 1),
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "commit": _commit(),
    }


def write_result(name: str, data: Mapping[str, Any]) -> Path:
    """Write `anatomy/results/<name>.json` atomically; return its path.

    Raises ValueError when `data` has no "receipt", because a number without one
    cannot be repeated, or holds NaN or infinity, which JSON cannot.
    """
    if "receipt" not in data:
        raise ValueError("a result needs a 'receipt' (see anatomy.reporting.receipt)")
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    replace_file(path, json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False).encode())
    return path


def read_result(name: str) -> dict[str, Any]:
    """Read `anatomy/results/<name>.json`; ValueError when it is missing, malformed or bare."""
    path = RESULTS / f"{name}.json"
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        known = ", ".join(sorted(file.stem for file in RESULTS.glob("*.json"))) or "none yet"
        raise ValueError(
            f"no result {name!r}; there are: {known}. code/experiments/{name}.py would make it"
        ) from None
    except ValueError as error:
        raise ValueError(f"{path.name} is not a result file: {error}") from None
    if not isinstance(data, dict) or "receipt" not in data:
        raise ValueError(f"{path.name} has no receipt, so nothing in it can be quoted")
    return data


def replace_file(path: Path, content: bytes) -> None:
    """Write beside `path`, then rename over it: a reader never sees half a file."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)  # mkstemp makes files that only the owner can read
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(
            line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")
        )
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _commit() -> str | None:
    """Short hash of the checkout that tracks this file, with + when it has changes."""
    here = Path(__file__)
    git = ["git", "-C", str(here.parent)]
    try:
        # installed inside somebody's repository, the package is not part of it
        subprocess.run(
            [*git, "ls-files", "--error-unmatch", here.name], capture_output=True, check=True
        )
        command = [*git, "describe", "--always", "--dirty=+", "--exclude=*"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
