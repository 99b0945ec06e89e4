"""Make .venv ready, or say in one sentence what is missing. Standard library only.

`make` calls this before everything else. It checks Python, the venv module, free disk and
the network (by what pip says), and leaves a stamp holding a hash of what was installed, so
that a second call costs nothing and an interrupted one is taken up where it stopped.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENT = ROOT / ".venv"
STAMP = ENVIRONMENT / ".installed"
SOURCES = ("requirements.txt", "pyproject.toml")
OLDEST, NEWEST = (3, 11), (3, 13)
FREE_GIGABYTES = 6.0

OFFLINE = (
    "Temporary failure in name resolution",
    "Name or service not known",
    "nodename nor servname",
    "Failed to establish a new connection",
    "Network is unreachable",
    "NewConnectionError",
    "ConnectTimeoutError",
    "ProxyError",
)


def stop(sentence: str) -> None:
    """End with one sentence on stderr and exit status 1."""
    sys.stderr.write(f"\n{sentence}\n")
    raise SystemExit(1)


def check_python(version: tuple[int, ...]) -> str | None:
    """What is wrong with this Python version, or None."""
    if OLDEST <= tuple(version[:2]) <= NEWEST:
        return None
    return (
        f"Python {version[0]}.{version[1]} was found, but 3.11, 3.12 or 3.13 is needed: "
        "install one and name it, as in `make book PYTHON=python3.12`."
    )


def check_venv() -> str | None:
    """What is wrong with this Python's venv module, or None."""
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        return (
            "This Python has no venv module: install it (on Debian and Ubuntu the package is "
            f"python3.{sys.version_info[1]}-venv), or name another Python with PYTHON=…"
        )
    return None


def check_disk(free_bytes: int) -> str | None:
    """What is wrong with the free disk, or None."""
    if free_bytes >= FREE_GIGABYTES * 1e9:
        return None
    return (
        f"Only {free_bytes / 1e9:.1f} GB of disk are free under {ROOT}, and the environment "
        f"needs about {FREE_GIGABYTES:.0f}: free some and run the same command again."
    )


def explain_pip(output: str) -> str:
    """One sentence for what made pip fail, from what it printed."""
    if "No space left on device" in output:
        return "The disk is full: free about 6 GB and run the same command again."
    if any(sign in output for sign in OFFLINE):
        return (
            "The Python package index could not be reached: connect to the network "
            "(or set PIP_INDEX_URL to a mirror) and run the same command again."
        )
    if "No matching distribution found" in output:
        wanted = output.rsplit("No matching distribution found for ", 1)[1].split()[0].strip(".")
        return (
            f"pip found no {wanted} for this Python: either the package index is out of reach "
            "(connect to the network), or this Python is too old for it (take a newer 3.11, 3.12 "
            "or 3.13 and remove .venv)."
        )
    errors = [line for line in output.splitlines() if line.startswith("ERROR")]
    last = errors[-1] if errors else "its output is above"
    return f"pip could not install the packages ({last}); run the same command again to resume."


def fingerprint() -> str:
    """A hash of the Python version and of the files that say what to install."""
    digest = hashlib.sha256(f"{sys.version_info[:3]}".encode())
    for name in SOURCES:
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()


def is_current() -> bool:
    """Whether .venv holds what requirements.txt and pyproject.toml ask for."""
    return STAMP.exists() and STAMP.read_text().strip() == fingerprint()


def pip(*arguments: str) -> None:
    """Run pip in .venv, pass its output on, and stop with a sentence if it fails."""
    command = [str(python()), "-m", "pip", "--disable-pip-version-check", *arguments]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT
    )
    assert process.stdout is not None
    seen: list[str] = []
    for line in process.stdout:
        seen.append(line)
        if not line.startswith("Requirement already satisfied"):
            sys.stdout.write(line if len(line) < 200 else line[:199] + "…\n")
            sys.stdout.flush()
    if process.wait():
        stop(explain_pip("".join(seen)))


def python() -> Path:
    """The environment's interpreter."""
    return ENVIRONMENT / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def has_pip() -> bool:
    """Whether .venv has a working pip of this Python's version (a half-made one has not)."""
    if not python().exists():
        return False
    probe = "import pip, sys; print(sys.version_info[:3])"
    answer = subprocess.run([str(python()), "-c", probe], capture_output=True, text=True)
    return answer.returncode == 0 and answer.stdout.strip() == str(sys.version_info[:3])


def main() -> None:
    if problem := check_python(sys.version_info[:2]):
        stop(problem)
    if is_current():
        STAMP.touch()
        return
    for problem in (check_venv(), None if has_pip() else check_disk(shutil.disk_usage(ROOT).free)):
        if problem:
            stop(problem)
    if not has_pip():
        print(f"Making .venv with Python {sys.version_info[0]}.{sys.version_info[1]}", flush=True)
        made = subprocess.run([sys.executable, "-m", "venv", "--clear", str(ENVIRONMENT)])
        if made.returncode:
            stop("Python could not make .venv: its message is above.")
    print(
        "Installing the pinned packages of requirements.txt (once, about two minutes)", flush=True
    )
    pip("install", "-r", "requirements.txt")
    pip("install", "--no-deps", "-e", ".")
    STAMP.write_text(fingerprint() + "\n")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        stop("Interrupted; the same command takes up where this one stopped.")
