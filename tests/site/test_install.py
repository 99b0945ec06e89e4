"""What is missing is said in one sentence; vendored files are what the list says."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import books
import install
import pytest
import vendor

ROOT = Path(__file__).resolve().parents[2]


def test_python_version() -> None:
    assert install.check_python((3, 11)) is None
    assert install.check_python((3, 13)) is None
    for version in ((3, 10), (3, 14), (2, 7)):
        said = install.check_python(version) or ""
        assert f"Python {version[0]}.{version[1]} was found" in said
        assert "3.11, 3.12 or 3.13" in said


def test_disk() -> None:
    assert install.check_disk(int(7e9)) is None
    assert "Only 2.5 GB of disk are free" in (install.check_disk(int(2.5e9)) or "")


@pytest.mark.parametrize(
    ("output", "sentence"),
    [
        ("... Temporary failure in name resolution ...", "connect to the network"),
        ("ERROR: Could not install: [Errno 28] No space left on device", "The disk is full"),
        ("ERROR: No matching distribution found for x==1", "pip found no x==1 for this Python"),
    ],
)
def test_pip_failure_is_explained(output: str, sentence: str) -> None:
    said = install.explain_pip(output)
    assert sentence in said
    assert "\n" not in said


def make(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = ["make", "--no-print-directory", "-C", str(ROOT), *arguments]
    known = {k: v for k, v in os.environ.items() if not k.startswith("MAKE") and k != "MFLAGS"}
    return subprocess.run(command, capture_output=True, text=True, env=known | environment)


def test_make_alone_lists_the_targets() -> None:
    listed = make().stdout
    for target in ("book", "test", "serve", "lab", "notebooks", "benchmark", "clean"):
        assert f"make {target} " in listed


def test_python_that_does_not_run_is_named() -> None:
    answer = make("--assume-new=requirements.txt", "lint", "PYTHON=python9.9")
    assert answer.returncode != 0
    assert "python9.9 does not run: install Python 3.11" in answer.stderr


def test_missing_browser_is_one_sentence(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    command += [str(Path(__file__).with_name("test_pages.py")), "-k", "test_favicon"]
    nowhere = {"PATH": str(tmp_path), "PLAYWRIGHT_BROWSERS_PATH": str(tmp_path)}
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST")} | nowhere
    environment.pop("ANATOMY_NO_BROWSER", None)
    answer = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT)
    assert answer.returncode == 1
    assert "The browser tests need Chromium: install it" in answer.stdout
    assert "Traceback" not in answer.stdout


def entry(data: bytes) -> dict[str, object]:
    return {
        "package": "small",
        "version": "1.0.0",
        "integrity": vendor.integrity(data),
        "folder": "small",
        "strip": "package/",
        "keep": ["kept.js"],
    }


def tarball(folder: Path) -> bytes:
    for name in ("kept.js", "left.js"):
        (folder / name).write_text(name)
    with tarfile.open(folder / "small.tgz", "w:gz") as archive:
        for name in ("kept.js", "left.js"):
            archive.add(folder / name, f"package/{name}")
    return (folder / "small.tgz").read_bytes()


def test_vendored_files_are_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tarball(tmp_path)
    listing, into, stamp = tmp_path / "list.json", tmp_path / "vendor", tmp_path / "stamp"
    listing.write_text(json.dumps([entry(data)]))
    monkeypatch.setattr(vendor, "fetch", lambda package, version: data)
    assert vendor.vendor(listing, into, stamp)
    assert [path.name for path in into.rglob("*.js")] == ["kept.js"]
    assert not vendor.vendor(listing, into, stamp), "a second call fetches nothing"
    listing.write_text(json.dumps([entry(data + b"!")]))
    with pytest.raises(vendor.VendorError, match="checksum"):
        vendor.vendor(listing, into, stamp)
    assert (into / "small/kept.js").exists(), "what was there stays"


def test_vendored_plotly_is_the_one_that_python_writes_for() -> None:
    from plotly.offline import get_plotlyjs_version

    listed = {e["package"]: e["version"] for e in json.loads(vendor.LIST.read_text())}
    plotly = {name: version for name, version in listed.items() if name.startswith("plotly")}
    assert set(plotly.values()) == {get_plotlyjs_version()}


def test_interrupted_build_keeps_what_finished_and_leaves_no_process(tmp_path: Path) -> None:
    book = books.copy(tmp_path)
    page = book / "chapters/01_sample/index.md"
    sleep = "import os, pathlib, time\npathlib.Path('pid').write_text(str(os.getpid()))\n"
    cell = f"```{{code-cell}} python3\n{sleep}time.sleep(600)\n```\n\n(sec-figures)="
    page.write_text(page.read_text().replace("(sec-figures)=", cell))
    command = [sys.executable, str(ROOT / "book/build.py"), "--source", str(book)]
    build = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    kernel, record = page.with_name("pid"), book / "_build/executed.json"
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline and not (kernel.exists() and record.exists()):
        time.sleep(0.5)
    build.send_signal(signal.SIGINT)
    _, said = build.communicate(timeout=60)
    assert build.returncode == 130
    assert "notebooks that finished are kept" in said
    assert list(json.loads(record.read_text())) == ["chapters/01_sample/exercises.md"]
    number = int(kernel.read_text())
    for _ in range(100):
        if not Path(f"/proc/{number}").exists():
            break
        time.sleep(0.3)
    if Path("/proc").exists():
        assert not Path(f"/proc/{number}").exists(), "the kernel outlived the build"
