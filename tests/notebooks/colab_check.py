"""Execute every exported notebook with the package versions that Google Colab has.

    make colab-check            (or: python tests/notebooks/colab_check.py [PAGE ...])

The versions are in colab-constraints.txt, the environment is .venv-colab. Notebooks run with
their solutions, because the stubs raise, and in an empty folder, because Colab has no clone.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CONSTRAINTS = Path(__file__).with_name("colab-constraints.txt")
ENVIRONMENT = ROOT / ".venv-colab"
STAMP = ENVIRONMENT / ".installed"
NOTEBOOKS = ROOT / "_build" / "colab"

sys.path.insert(0, str(ROOT / "book"))

RUN = """
import sys, nbformat
from nbclient import NotebookClient
path, folder = sys.argv[1:]
notebook = nbformat.read(path, as_version=4)
resources = {"metadata": {"path": folder}}
NotebookClient(notebook, timeout=900, kernel_name="python3", resources=resources).execute()
"""


def prepare() -> Path:
    """Make .venv-colab, once for each state of the constraints; return its interpreter."""
    python = ENVIRONMENT / "bin" / "python"
    torch = re.search(r"^torch==.*$", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    assert torch is not None, "requirements.txt pins no torch"
    texts = [CONSTRAINTS.read_text(), (ROOT / "pyproject.toml").read_text(), torch[0]]
    wanted = hashlib.sha256("\n".join(texts).encode()).hexdigest()
    if STAMP.exists() and STAMP.read_text() == wanted:
        return python
    print("Installing Colab's versions into .venv-colab (once)", flush=True)
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(ENVIRONMENT)], check=True)
    pip = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    kernel = ["ipython", "ipykernel", "ipywidgets", "nbclient", "nbformat", "setuptools"]
    pins = ["-c", str(CONSTRAINTS)]
    subprocess.run([*pip, *pins, torch[0], *kernel, "-e", str(ROOT)], check=True)
    STAMP.write_text(wanted)
    return python


def execute(python: Path, path: Path) -> tuple[str, float, str]:
    """Run one notebook; return its name, the seconds it took and what went wrong."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        command = [str(python), "-c", RUN, str(path), folder]
        answer = subprocess.run(command, capture_output=True, text=True)
    name = path.relative_to(NOTEBOOKS).as_posix()
    return name, time.monotonic() - started, answer.stderr if answer.returncode else ""


def main() -> None:
    import export

    python = prepare()
    written = export.export_all(ROOT, NOTEBOOKS, solutions=True)
    asked = sys.argv[1:]
    chosen = [path for path in written if not asked or any(name in str(path) for name in asked)]
    failed = 0
    with ThreadPoolExecutor(2) as pool:
        for name, seconds, problem in pool.map(lambda path: execute(python, path), chosen):
            print(f"  {'FAILED' if problem else 'done':<6} {name}  {seconds:.0f} s", flush=True)
            if problem:
                failed += 1
                print(problem[-4000:], flush=True)
    print(f"{len(chosen) - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
