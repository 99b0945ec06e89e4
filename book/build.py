"""Build the book: assets, notebooks in parallel into the cache, then the site, strictly.

    python book/build.py [--source FOLDER] [--if-needed] [--processes N]

The notebooks are executed here rather than by Sphinx because Sphinx runs them one after
another and says nothing meanwhile; both use the same cache. An executed notebook is used
again until its code, its tags, the package or a file of results changes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parent))
import vendor
from export import is_notebook, read_notebook

ROOT = Path(__file__).resolve().parents[1]
# A budget is for a quiet machine; beyond three times it, something is wrong.
TOLERANCE = 3.0
# What executed cells may depend on besides their own text, and what the site shows besides.
EXECUTION_INPUTS = ("code/anatomy", "code/*/results", "requirements.txt")
SITE_INPUTS = (*EXECUTION_INPUTS, "book", "chapters", "_config.yml", "_toc.yml", "*.md", "*.cff")
# Notebook processes must agree with each other and with a reader's plain run.
QUIET = {
    "ANATOMY_PROGRESS": "off",
    "ANATOMY_READER": "none",  # nobody answers a labeller or writes to a chat
    "OMP_NUM_THREADS": "1",
    "JUPYTER_PREFER_ENV_PATH": "1",
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",
}


class BuildError(Exception):
    """The book could not be built; the message says why in a sentence."""


def files_of(source: Path, patterns: Iterable[str]) -> Iterator[Path]:
    """Every file that the patterns name, folders entered, derived files left out."""
    for pattern in patterns:
        for found in sorted(source.glob(pattern)):
            inside = sorted(found.rglob("*")) if found.is_dir() else [found]
            for path in inside:
                if path.is_file() and "__pycache__" not in path.parts:
                    yield path


def fingerprint(source: Path, patterns: Iterable[str]) -> str:
    """A hash of the files that the patterns name, and of where they are."""
    digest = hashlib.sha256(f"{sys.version_info[:2]}".encode())
    for path in files_of(source, patterns):
        digest.update(str(path.relative_to(source)).encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def pages(source: Path) -> list[Path]:
    """The pages that _toc.yml names, in its order."""

    def names(node: Any) -> Iterator[str]:
        if isinstance(node, dict):
            for key, value in node.items():
                if key in ("root", "file"):
                    yield value
                else:
                    yield from names(value)
        elif isinstance(node, list):
            for item in node:
                yield from names(item)

    toc = yaml.safe_load((source / "_toc.yml").read_text())
    found = []
    for name in names(toc):
        path = source / name
        path = path if path.suffix == ".md" else path.with_name(path.name + ".md")
        if not path.exists():
            raise BuildError(f"_toc.yml names {name}, and there is no such page.")
        found.append(path)
    return found


@dataclass
class Notebook:
    """A page with cells to execute, and how it went."""

    path: Path
    name: str
    node: Any
    key: str
    budget: float | None
    models: bool = False  # opens the models that book/models.py trains
    seconds: float | None = None
    error: str | None = None
    done: int = 0

    @property
    def cells(self) -> int:
        return sum(cell.cell_type == "code" for cell in self.node.cells)


def load(source: Path, path: Path, inputs: str) -> Notebook:
    """Read a page's cells; `key` changes with their text, their tags or the inputs."""
    node = read_notebook(path)
    text = [
        [cell.source, sorted(cell.metadata.get("tags", []))]
        for cell in node.cells
        if cell.cell_type == "code"
    ]
    key = hashlib.sha256(json.dumps([inputs, text]).encode()).hexdigest()
    about = node.metadata.get("anatomy", {})
    budget, models = about.get("budget_seconds"), bool(about.get("models"))
    return Notebook(path, str(path.relative_to(source)), node, key, budget, models)


def execute(notebook: Notebook) -> None:
    """Run every cell in a fresh kernel, in the page's own folder."""
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    limit = TOLERANCE * notebook.budget if notebook.budget else 600.0
    started = time.monotonic()

    def count(cell: Any, cell_index: int) -> None:
        notebook.done += 1

    client = NotebookClient(
        notebook.node,
        timeout=int(limit) + 30,
        kernel_name="python3",
        resources={"metadata": {"path": str(notebook.path.parent)}},
        on_cell_execute=count,
        extra_arguments=["--log-level=ERROR"],
        record_timing=False,  # it would change the cells' metadata, which the cache hashes
    )
    try:
        client.execute()
    except (CellExecutionError, CellTimeoutError, DeadKernelError, RuntimeError) as problem:
        notebook.error = f"{problem}"
    notebook.seconds = time.monotonic() - started
    if notebook.error is None and notebook.seconds > limit and notebook.budget:
        notebook.error = (
            f"It took {notebook.seconds:.0f} s, and its budget is {notebook.budget:.0f} s "
            f"(more than {TOLERANCE:.0f} times that fails)."
        )


def execute_all(source: Path, processes: int) -> list[Notebook]:
    """Execute what the cache does not hold yet; stop the build if a notebook fails."""
    from jupyter_cache import get_cache
    from jupyter_cache.base import CacheBundleIn

    folder = source / "_build" / ".jupyter_cache"
    record_path = source / "_build" / "executed.json"
    record = read_record(record_path)
    cache = get_cache(folder)
    inputs = fingerprint(source, EXECUTION_INPUTS)
    notebooks = [load(source, p, inputs) for p in pages(source) if is_notebook(p.read_text())]

    waiting = []
    for notebook in notebooks:
        known = record.get(notebook.name, {})
        if known.get("key") == notebook.key and is_cached(cache, notebook.node):
            notebook.seconds = known["seconds"]
        else:
            waiting.append(notebook)
    print(f"Notebooks: {len(notebooks)}, of which {len(waiting)} to execute", flush=True)
    # the longest first, but behind all others what needs trained models
    waiting.sort(key=lambda notebook: (notebook.models, -(notebook.budget or 0)))
    lock = threading.Lock()
    running: dict[str, Notebook] = {}

    def run(notebook: Notebook) -> None:
        if models is not None and notebook.models:
            models.result()
        with lock:
            running[notebook.name] = notebook
        execute(notebook)
        with lock:
            del running[notebook.name]
            report(notebook)
            if notebook.error is None:
                bundle = CacheBundleIn(
                    notebook.node, str(notebook.path), data={"execution_seconds": notebook.seconds}
                )
                cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)
                record[notebook.name] = {"key": notebook.key, "seconds": notebook.seconds}
                write_record(record_path, record)

    def beat() -> None:
        while not finished.wait(20):
            with lock:
                state = [f"{n.name} {n.done}/{n.cells} cells" for n in running.values()]
            print(f"  … {', '.join(state)}", flush=True)

    finished = threading.Event()
    threading.Thread(target=beat, daemon=True).start()
    pool = ThreadPoolExecutor(processes)
    needed = any(notebook.models for notebook in waiting)
    models = pool.submit(train_models) if needed else None
    try:
        for future in [pool.submit(run, notebook) for notebook in waiting]:
            future.result()
    finally:
        finished.set()
        pool.shutdown(wait=False, cancel_futures=True)
    failed = [notebook.name for notebook in waiting if notebook.error]
    if failed:
        raise BuildError(f"A cell failed in {', '.join(failed)}: the message is above.")
    return notebooks


def read_record(path: Path) -> dict[str, Any]:
    """Which notebooks were executed, under which key; nothing where that cannot be read."""
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return {}


def write_record(path: Path, record: dict[str, Any]) -> None:
    """Keep it whole: Ctrl-C ends the process wherever its threads are."""
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_text(json.dumps(record, indent=1))
    unfinished.replace(path)


def train_models() -> None:
    """Train the models that notebooks open and that are not there yet."""
    print("Models: what is missing is trained beside the notebooks (10 to 15 minutes)", flush=True)
    if subprocess.run([sys.executable, str(ROOT / "book" / "models.py")]).returncode:
        raise BuildError("A model could not be trained: the message is above.")


def is_cached(cache: Any, node: Any) -> bool:
    """Whether the cache holds outputs for this notebook's code."""
    try:
        cache.match_cache_notebook(node)
    except KeyError:
        return False
    return True


def report(notebook: Notebook) -> None:
    """One line on an executed notebook, or the message of its failed cell."""
    budget = f" of {notebook.budget:.0f} s budgeted" if notebook.budget else ", no budget"
    verdict = "FAILED" if notebook.error else "done"
    print(f"  {verdict:<6} {notebook.name}  {notebook.seconds:.0f} s{budget}", flush=True)
    if notebook.error:
        print(notebook.error, flush=True)


def build_site(source: Path) -> None:
    """Sphinx over all pages; a warning, a broken reference or a failed cell ends it."""
    html = source / "_build" / "html"
    shutil.rmtree(html, ignore_errors=True)
    print("Site: every page, warnings are errors", flush=True)
    tool = Path(sys.executable).with_name("jupyter-book")
    command = [str(tool), "build", str(source), "--all", "-q", "-W", "-n", "--keep-going"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "book" / "_ext")}
    # Sphinx warns on stderr; stdout holds only Jupyter Book's banners, which name other commands.
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        print(done.stdout)
        raise BuildError("The site was not built: each warning above is an error.")


def build(source: Path, *, if_needed: bool = False, processes: int = 2) -> None:
    """Build the book under `source` into its _build/html."""
    (source / "_build").mkdir(exist_ok=True)
    stamp = source / "_build" / "site.stamp"
    wanted = fingerprint(source, SITE_INPUTS)
    if if_needed and stamp.exists() and stamp.read_text() == wanted:
        print("The site is up to date.", flush=True)
        return
    stamp.unlink(missing_ok=True)
    started = time.monotonic()
    if source == ROOT:
        print("Front-end assets", flush=True)
        vendor.vendor()
    os.environ.update(QUIET)
    notebooks = execute_all(source, processes)
    build_site(source)
    stamp.write_text(wanted)
    over = [n for n in notebooks if n.budget and n.seconds and n.seconds > n.budget]
    for notebook in over:
        print(f"Slower than its budget: {notebook.name}, {notebook.seconds:.0f} s")
    minutes, seconds = divmod(time.monotonic() - started, 60)
    print(f"The book is in _build/html ({minutes:.0f} min {seconds:.0f} s). Look: make serve")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--source", type=Path, default=ROOT, help="folder with _config.yml")
    parser.add_argument("--if-needed", action="store_true", help="do nothing if up to date")
    parser.add_argument("--processes", type=int, default=2, help="notebooks run at once")
    arguments = parser.parse_args()
    try:
        build(
            arguments.source.resolve(),
            if_needed=arguments.if_needed,
            processes=arguments.processes,
        )
    except (BuildError, vendor.VendorError) as problem:
        sys.exit(f"\n{problem}")
    except KeyboardInterrupt:
        sys.stderr.write("\nInterrupted; notebooks that finished are kept, so run it again.\n")
        sys.stderr.flush()
        os._exit(130)


if __name__ == "__main__":
    main()
