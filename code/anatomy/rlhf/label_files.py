"""Labels in a file, one line of JSON each: read anywhere, grown by appending, safe in a crash.

A file with a line that is no label is refused whole and left as it is; `rescue` copies
its good lines out.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from anatomy.rlhf.labels import Label, from_json, to_json


class LabelFileError(ValueError):
    """A file that is no file of labels: which line, why, and what to do, in one sentence."""


def read_labels(path: str | Path) -> list[Label]:
    """The labels of a file, in the order in which they were given; [] where there is no file.

    Raises LabelFileError for the first line that is no label. The file is only read.
    """
    labels = []
    for number, label in _parse(path):
        if isinstance(label, str):
            raise LabelFileError(
                f"{path}, line {number}: {label}; nothing was changed: mend or remove that line, "
                f"or copy the good lines out with rescue({os.fspath(path)!r}, 'rescued.jsonl')"
            )
        labels.append(label)
    return labels


def rescue(path: str | Path, to: str | Path) -> dict[int, str]:
    """Copy the good lines of a damaged label file to a new one; return what is wrong, by line."""
    if Path(to).exists():
        raise FileExistsError(f"{to} exists already: name a file that does not")
    if not Path(path).exists():
        raise FileNotFoundError(f"there is no label file {path}: name the damaged one")
    found = list(_parse(path))
    write_labels(to, [label for _, label in found if isinstance(label, Label)])
    return {number: label for number, label in found if isinstance(label, str)}


def append_label(path: str | Path, label: Label) -> None:
    """Write one more label at the end of a file; it is on the disk when this returns."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab+") as file:
        if file.tell():
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":  # somebody's editor left the last line open
                file.write(b"\n")
        file.write(to_json(label).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def remove_label(path: str | Path, label: Label) -> None:
    """Take the last line that holds this label out of a file, and touch no other."""
    labels = read_labels(path)
    for index in reversed(range(len(labels))):
        if labels[index] == label:
            write_labels(path, labels[:index] + labels[index + 1 :])
            return
    raise ValueError(f"{path} does not hold the label of pair {label.pair!r} any more")


def write_labels(path: str | Path, labels: Iterable[Label]) -> None:
    """Write a whole file at once: who reads it meanwhile sees the old or the new one."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.writelines(f"{to_json(label)}\n" for label in labels)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)  # mkstemp makes files that only the owner can read
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _parse(path: str | Path) -> Iterator[tuple[int, Label | str]]:
    """Line numbers from 1, each with its label or with what is wrong; empty lines left out."""
    try:
        content = Path(path).read_bytes()
    except FileNotFoundError:
        return
    for number, line in enumerate(content.split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            yield number, from_json(line.decode("utf-8"))
        except UnicodeDecodeError:
            yield number, "this is not UTF-8 text"
        except (TypeError, ValueError) as error:
            yield number, str(error)
