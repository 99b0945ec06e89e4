"""A progress bar with an honest estimate, silent where nobody watches."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")
PROGRESS_VARIABLE = "ANATOMY_PROGRESS"


def somebody_watches() -> bool:
    """Whether somebody may look: false where `ANATOMY_PROGRESS` is off, as in the site build."""
    return os.environ.get(PROGRESS_VARIABLE, "").lower() not in ("off", "0", "no")


def progress(
    items: Iterable[Item], description: str = "", *, total: int | None = None, done: int = 0
) -> Iterator[Item]:
    """Yield `items` behind a tqdm bar; `ANATOMY_PROGRESS=off` silences it, as in the site build.

    The bar disappears when done, so that a notebook keeps its results and not its noise.
    `done` of the `total` came before the first of these items.
    """
    if not somebody_watches():
        yield from items
        return
    from tqdm.auto import tqdm

    yield from tqdm(
        items, desc=description, total=total, initial=done, leave=False, dynamic_ncols=True
    )
