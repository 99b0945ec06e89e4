"""Serve the built site on this machine: python book/serve.py [PORT]."""

from __future__ import annotations

import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

SITE = Path(__file__).resolve().parents[1] / "_build" / "html"


class Quiet(SimpleHTTPRequestHandler):
    """Serves files without a line for each."""

    def log_message(self, *arguments: object) -> None:
        pass


def main(port: str = "8000") -> None:
    if not (SITE / "index.html").is_file():
        raise SystemExit("There is no built site yet: run make book first.")
    if not (port.isdigit() and 0 < int(port) < 65536):
        raise SystemExit(
            f"{port} is no port: name one from 1 to 65535, as in make serve PORT=8001."
        )
    try:
        server = ThreadingHTTPServer(("127.0.0.1", int(port)), partial(Quiet, directory=str(SITE)))
    except OSError as error:
        raise SystemExit(
            f"Port {port} cannot be used ({error.strerror}): try make serve PORT={int(port) + 1}."
        ) from None
    print(f"The book is at http://127.0.0.1:{port}/ until Ctrl-C", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        print()


if __name__ == "__main__":
    main(*sys.argv[1:])
