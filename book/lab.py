"""Open JupyterLab in chapters/, with MyST pages opening as notebooks: `make lab`."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VIEWERS = {"markdown": "Jupytext Notebook", "myst": "Jupytext Notebook"}


def main() -> None:
    """Make notebooks the default view of .md inside .venv only, then start JupyterLab."""
    settings = Path(sys.prefix) / "share" / "jupyter" / "lab" / "settings" / "overrides.json"
    settings.parent.mkdir(parents=True, exist_ok=True)
    chosen = json.loads(settings.read_text()) if settings.exists() else {}
    chosen["@jupyterlab/docmanager-extension:plugin"] = {"defaultViewers": VIEWERS}
    chosen["@jupyterlab/apputils-extension:notification"] = {"fetchNews": "false"}
    settings.write_text(json.dumps(chosen, indent=2))
    folder = ROOT / "chapters" if (ROOT / "chapters").is_dir() else ROOT
    tool = str(Path(sys.executable).with_name("jupyter"))
    manager = "jupytext.TextFileContentsManager"
    options = [f"--ServerApp.contents_manager_class={manager}", f"--ServerApp.root_dir={folder}"]
    os.execv(tool, [tool, "lab", *options, *sys.argv[1:]])


if __name__ == "__main__":
    main()
