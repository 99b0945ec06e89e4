"""A browser for TinyWeb: its documents, and its tasks with answers and their gold scores."""

from __future__ import annotations

import random
from collections.abc import Iterable
from html import escape
from itertools import islice
from typing import Any

from anatomy.tinyweb import DOCUMENT_KINDS, KINDS, Task, World, readable
from anatomy.tinyweb.facts import SPLITS
from anatomy.widgets.element import Element, element

# Answers shown with a task of each kind: what a labeller may write.
_SHOWN = {
    "qa": ("right", "wrong", "idk", "irrelevant"),
    "story": ("right", "wrong-ending", "duplicate", "gibberish"),
    "list": ("right", "duplicate", "too-many", "wrong"),
    "review": ("right", "wrong", "idk", "rude"),
    "polite": ("right", "blunt", "wrong", "rude"),
    "insult": ("right", "wrong", "idk", "irrelevant"),
}
_FREQUENCY = {
    "common": "The web states the answer often.",
    "rare": "The web states the answer rarely.",
    "unpublished": "The web never states the answer.",
    "": "",
}


def _documents(world: World, seed: int, count: int) -> list[dict[str, Any]]:
    """The same number of each kind, in the order in which the web is written."""
    each = -(-count // len(DOCUMENT_KINDS))
    streams = [islice(world.documents(seed, kind=kind), each) for kind in DOCUMENT_KINDS]
    return [
        {"kind": document.kind, "lines": readable(document.text).split("\n")}
        for row in zip(*streams, strict=True)
        for document in row
    ][:count]


def _task(world: World, task: Task, rng: random.Random) -> dict[str, Any]:
    written = [(kind, world.labeller_written(task, rng, kind)) for kind in _SHOWN[task.kind]]
    rng.shuffle(written)
    answers = []
    for kind, answer in written:
        gold = world.gold(task, answer)
        answers.append(
            {
                "text": readable(answer),
                "score": round(gold.score, 3),
                "verdict": gold.verdict,
                "written": kind,
                "parts": [[part.reason, round(part.points, 3)] for part in gold.parts],
            }
        )
    return {
        "kind": task.kind,
        "prompt": readable(task.prompt),
        "user": task.user,
        "split": task.split,
        "note": _FREQUENCY[task.frequency],
        "answers": answers,
    }


def _tasks(world: World, seed: int, count: int) -> list[dict[str, Any]]:
    rng = random.Random(f"tinyweb browser {seed}")
    streams = [world.tasks(split, seed, kind=kind) for split in SPLITS for kind in KINDS]
    return [_task(world, next(streams[n % len(streams)]), rng) for n in range(count)]


def _fallback(documents: Iterable[dict[str, Any]], tasks: Iterable[dict[str, Any]]) -> str:
    pages = "".join(
        f"<li><em>{escape(page['kind'])}</em>: {'<br>'.join(map(escape, page['lines']))}</li>"
        for page in documents
    )
    asked = "".join(
        f"<li><em>{escape(task['kind'])}</em>: {escape(task['prompt'])}<ul>"
        + "".join(
            f"<li>{escape(answer['text'])} ({answer['score']:+.2f})</li>"
            for answer in task["answers"]
        )
        + "</ul></li>"
        for task in tasks
    )
    return (
        "<p>Browser of documents and tasks (needs JavaScript). A few of them:</p>"
        f"<ul>{pages}</ul><ul>{asked}</ul>"
    )


def tinyweb_browser(
    world: World | None = None, *, seed: int = 0, documents: int = 119, tasks: int = 90
) -> Element:
    """Turn over documents of the web, and tasks with four answers, their scores and the reasons.

    The samples are part of the page; another `seed` gives others.
    """
    if not (1 <= documents <= 1000 and 1 <= tasks <= 1000):
        raise ValueError(f"show 1 to 1000 documents and tasks, not {documents} and {tasks}")
    world = world or World()
    pages, asked = _documents(world, seed, documents), _tasks(world, seed, tasks)
    first, question = pages[0], asked[0]
    return element(
        "anatomy-tinyweb-browser",
        "tinyweb_browser",
        options={"documents": pages, "tasks": asked},
        fallback=_fallback(pages[:7], asked[:6]),
        text="TinyWeb browser (needs JavaScript). A document:\n"
        + "\n".join(first["lines"])
        + f"\nA task:\n{question['prompt']}\n"
        + "\n".join(f"{a['score']:+.2f}  {a['text']}" for a in question["answers"]),
    )
