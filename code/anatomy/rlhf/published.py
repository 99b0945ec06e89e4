"""Published comparisons: HH-RLHF, dialogues of which people preferred one of two continuations.

A name such as `Anthropic/hh-rlhf` is fetched from the Hugging Face hub (once;
`huggingface_hub` keeps it), a folder with the same files is read where it is.
Bai et al. (2022).
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, takewhile
from pathlib import Path
from typing import Any

HH_RLHF = "Anthropic/hh-rlhf"
PARTS = ("helpful-base", "helpful-online", "helpful-rejection-sampled", "harmless-base")
TURN = "\n\nAssistant:"  # where the assistant begins to speak


class PublishedDataError(ValueError):
    """Published data that cannot be used, and why, in one sentence."""


@dataclass(frozen=True)
class Comparison:
    """A dialogue up to the assistant's turn, and the two continuations that were compared."""

    prompt: str
    preferred: str
    rejected: str


def load_comparisons(
    source: str | Path = HH_RLHF,
    *,
    part: str = "helpful-base",
    split: str = "train",
    limit: int | None = None,
) -> list[Comparison]:
    """The comparisons of one part of HH-RLHF, the first `limit` of them.

    Raises PublishedDataError when the machine is offline and has no copy, and for
    a damaged file, naming the line.
    """
    if part not in PARTS:
        raise PublishedDataError(f"HH-RLHF has the parts {', '.join(PARTS)}, not {part!r}")
    if split not in ("train", "test"):
        raise PublishedDataError(f"HH-RLHF has the splits train and test, not {split!r}")
    path = fetch(source, f"{part}/{split}.jsonl.gz")
    return list(islice(read_comparisons(path), limit))


def read_comparisons(path: Path) -> Iterator[Comparison]:
    """Comparisons of a gzipped JSON Lines file, each line with "chosen" and "rejected"."""
    number = 0
    try:
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):  # noqa: B007 (the messages name it)
                yield split_pair(json.loads(line))
    except (OSError, EOFError, zlib.error) as error:
        raise PublishedDataError(
            f"{path} is damaged or half written after line {number} ({error}): fetch it again"
        ) from None
    except (ValueError, KeyError, TypeError) as error:
        raise PublishedDataError(f"{path}, line {number} holds no comparison: {error}") from None


def split_pair(record: dict[str, Any]) -> Comparison:
    """Cut two dialogues after the last assistant's turn that both have: what follows differs."""
    chosen, rejected = record["chosen"], record["rejected"]
    pairs = zip(chosen, rejected, strict=False)
    shared = "".join(one for one, _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    if TURN not in shared:
        raise ValueError("the two dialogues share no turn of the assistant")
    cut = shared.rindex(TURN) + len(TURN)
    return Comparison(chosen[:cut], chosen[cut:], rejected[cut:])


def fetch(source: str | Path, name: str) -> Path:
    """The file `name` in the folder `source`, or from the data set of that name on the hub."""
    folder = Path(source)
    if folder.is_dir():
        if not (folder / name).is_file():
            raise PublishedDataError(f"{folder} lacks {name}")
        return folder / name
    if not isinstance(source, str) or source.count("/") != 1 or source.startswith((".", "/")):
        raise PublishedDataError(f"{source} is neither a folder nor a name such as {HH_RLHF!r}")
    try:
        from huggingface_hub import hf_hub_download
    except ImportError:
        raise PublishedDataError(
            f"fetching {source} needs a package more: pip install huggingface_hub"
        ) from None
    try:
        return Path(hf_hub_download(source, name, repo_type="dataset"))
    except Exception as error:  # the hub's errors share no class of their own
        raise PublishedDataError(
            f"{source} is not on this machine and the Hugging Face hub sent nothing "
            f"({type(error).__name__}): connect to the internet once, check the name, or name "
            "a folder with the files"
        ) from None
