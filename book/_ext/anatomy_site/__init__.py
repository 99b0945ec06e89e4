"""What this book needs beyond its theme, as an ordinary Sphinx extension.

`figures` renders plotly outputs (lazily, from a local bundle, following light and dark),
`buttons` opens and downloads the exported notebooks, and both warn where a reader would lose
something, because the build turns every warning into an error.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

# The exporter and the repository's name live in book/, beside this folder.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from anatomy_site import buttons, figures


def setup(app: Sphinx) -> dict[str, Any]:
    figures.register()
    app.connect("config-inited", buttons.follow_repository, priority=10)
    app.connect("html-page-context", buttons.rewrite, priority=600)
    app.connect("html-page-context", figures.add_script, priority=600)
    app.connect("build-finished", buttons.write_notebooks)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
