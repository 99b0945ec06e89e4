"""A word-level tokenizer for TinyWeb, and the stream of token batches that models train on."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Literal

import torch
from torch import Tensor

from anatomy.tinyweb.documents import DocumentKind
from anatomy.tinyweb.world import World

# <eos> stands between documents and ends an answer; <user> and <bot> speak in a chat; the last
# four are for the masked model, which reads the same data.
SPECIALS = ("<eos>", "<nl>", "<user>", "<bot>", "<unk>", "<pad>", "<cls>", "<sep>", "<mask>")
_PIECE = re.compile(r"<\w+>|\w+|[^\w\s]")
Unknown = Literal["error", "replace"]


class WordTokenizer:
    """Words to numbers and back. Words and punctuation stand apart, as TinyWeb writes them.

    `decode(encode(text)) == text` for every text that TinyWeb writes. Ordinary writing
    ("Where does Mia live?") is lower-cased and taken apart. A word that TinyWeb does not have
    raises ValueError, or becomes <unk> with `unknown="replace"`.
    """

    def __init__(self, vocabulary: Sequence[str], *, unknown: Unknown = "error") -> None:
        if unknown not in ("error", "replace"):
            raise ValueError(f"unknown must be 'error' or 'replace', got {unknown!r}")
        self.words: tuple[str, ...] = (*SPECIALS, *vocabulary)
        self.index = {word: number for number, word in enumerate(self.words)}
        if len(self.index) != len(self.words):
            raise ValueError("a vocabulary must not name a word twice")
        self.unknown = unknown
        self.eos_id, self.nl_id, self.user_id, self.bot_id, self.unk_id, self.pad_id = range(6)
        self.cls_id, self.sep_id, self.mask_id = range(6, 9)

    def __len__(self) -> int:
        """Size of the vocabulary, V."""
        return len(self.words)

    def encode(self, text: str) -> list[int]:
        """Numbers of the words of `text`."""
        if not isinstance(text, str):
            raise TypeError(f"only a text can be encoded, got {type(text).__name__}")
        index = self.index
        try:
            return [index[word] for word in text.split()]
        except KeyError:
            return self._encode_carefully(text)

    def _encode_carefully(self, text: str) -> list[int]:
        pieces = _PIECE.findall(text.lower())
        strange = next((piece for piece in pieces if piece not in self.index), None)
        if strange is not None and self.unknown == "error":
            raise ValueError(
                f"TinyWeb has no word {strange!r}: it knows {len(self.words) - len(SPECIALS)} "
                "words; a tokenizer made with unknown='replace' reads it as <unk>"
            )
        return [self.index.get(piece, self.unk_id) for piece in pieces]

    def decode(self, ids: Sequence[int] | Tensor) -> str:
        """The words of the numbers, separated by spaces."""
        numbers = ids.tolist() if isinstance(ids, Tensor) else ids
        words = self.words
        try:
            if min(numbers, default=0) >= 0:
                return " ".join([words[number] for number in numbers])
        except IndexError:
            pass
        raise ValueError(f"token numbers lie in 0 … {len(words) - 1}, got {list(numbers)}")


def tokenizer_of(world: World, *, unknown: Unknown = "error") -> WordTokenizer:
    """The tokenizer of a world. All worlds share their words, but for `more_names`."""
    return WordTokenizer(world.vocabulary, unknown=unknown)


def token_stream(
    world: World,
    tokenizer: WordTokenizer,
    seed: int,
    *,
    batch_size: int = 8,
    length: int = 128,
    kind: DocumentKind | None = None,
) -> Iterator[Tensor]:
    """Batches (B, T) of token numbers for language modelling, without end.

    Documents follow each other, each after an <eos>, and are cut into rows of `length` tokens
    wherever a row is full: no padding. Row 1 goes on where row 0 stops.
    """
    if batch_size < 1 or length < 2:
        raise ValueError(
            f"a batch needs at least 1 row of at least 2 tokens, got ({batch_size}, {length})"
        )
    size = batch_size * length
    buffer: list[int] = []
    encode, eos = tokenizer.encode, tokenizer.eos_id
    for document in world.documents(seed, kind=kind):
        buffer.append(eos)
        buffer += encode(document.text)
        while len(buffer) >= size:
            yield torch.tensor(buffer[:size]).view(batch_size, length)  # (B, T)
            del buffer[:size]
