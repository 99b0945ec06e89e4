"""Byte-level byte-pair encoding, GPT-2's tokenizer: trained, applied and stored.

A text is bytes; the pair of neighbours that is most frequent becomes a new token;
again, until the vocabulary is full. Any text can be encoded, because every byte is a
token. Sennrich et al. (2016), algorithm 1; Radford et al. (2019), section 2.2.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache, lru_cache
from heapq import heapify, heappop, heappush
from itertools import pairwise
from pathlib import Path
from typing import Self

Pair = tuple[int, int]


# GPT-2's cut of a text into pieces that no token crosses: ` word`, ` 123`, ` ?!`, spaces.
# The original says \p{L} for a letter, \p{N} for a number and \s for a space of Unicode,
# which Python's `re` cannot; here it reads ASCII only, after `stand_in`.
PIECES = re.compile(
    r"'s|'t|'re|'ve|'m|'ll|'d| ?[A-Za-z]+| ?[0-9]+| ?[^\sA-Za-z0-9]+|\s+(?!\S)|\s+", re.ASCII
)
SPACES = "\x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))


class _StandIns(dict[int, int]):
    """A table for `str.translate`: any character → an ASCII one of the same class."""

    def __missing__(self, code: int) -> int:
        sign = chr(code)
        kind = "space" if sign in SPACES else unicodedata.category(sign)[0]
        like = {"L": "a", "N": "0", "space": "\t"}.get(kind, "!")
        self[code] = code if code < 128 else ord(like)
        return self[code]


_STAND_INS = _StandIns()


def stand_in(text: str) -> str:
    """Letters beyond ASCII become a, numbers 0, spaces tab, all else !; the length stays."""
    return text.translate(_STAND_INS)


def cut(text: str) -> list[str]:
    """The pieces of a text, in order; joined they are the text."""
    return [text[slice(*match.span())] for match in PIECES.finditer(stand_in(text))]


@cache
def byte_signs() -> dict[int, str]:
    """A visible character for every byte, in the order of GPT-2's first 256 tokens.

    Printable bytes stand for themselves; the others take the characters from U+0100
    on, so that a space is written Ġ. GPT-2's files are text in these characters.
    """
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in printable]
    return {b: chr(b) for b in printable} | {b: chr(256 + i) for i, b in enumerate(hidden)}


def merge(tokens: Sequence[int], pair: Pair, new: int) -> list[int]:
    """Replace every `pair` of neighbours by the token `new`, from the left."""
    merged: list[int] = []
    for token in tokens:
        if merged and (merged[-1], token) == pair:
            merged[-1] = new
        else:
            merged.append(token)
    return merged


def learn_merges(texts: Iterable[str], merges: int) -> list[Pair]:
    """Merge the most frequent pair of neighbours, `merges` times; return the pairs in order.

    Bytes are the tokens 0 to 255 (in the order of `byte_signs`), and the i-th merge
    makes token 256 + i. Of equally frequent pairs the one with the smaller tokens
    is taken, the left token first. It stops early when no pair is left.
    """
    number = {byte: token for token, byte in enumerate(byte_signs())}
    counted = Counter(piece for text in texts for piece in cut(text))
    words = [[number[byte] for byte in piece.encode()] for piece in counted]
    counts = list(counted.values())
    frequency: Counter[Pair] = Counter()
    where: dict[Pair, set[int]] = {}  # the words in which a pair occurs, or once did
    for index, word in enumerate(words):
        for pair in pairwise(word):
            frequency[pair] += counts[index]
            where.setdefault(pair, set()).add(index)
    queue = [(-count, pair) for pair, count in frequency.items()]  # may hold outdated counts
    heapify(queue)
    learned: list[Pair] = []
    while len(learned) < merges and queue:
        count, best = heappop(queue)
        if -count != frequency[best] or count == 0:
            continue
        new = 256 + len(learned)
        learned.append(best)
        changed: set[Pair] = set()
        for index in where.pop(best):
            before, after = words[index], merge(words[index], best, new)
            for pair in pairwise(before):
                frequency[pair] -= counts[index]
            for pair in pairwise(after):
                frequency[pair] += counts[index]
                where.setdefault(pair, set()).add(index)
            changed.update(pairwise(before), pairwise(after))
            words[index] = after
        for pair in changed:
            heappush(queue, (-frequency[pair], pair))
    return learned


class BytePairTokenizer:
    """Text ⇄ token numbers by a list of merges.

    Tokens 0 to 255 are the bytes, then come the merges in the order they were
    learned, then `specials` such as <|endoftext|>. A special is never found in a
    text, only put there by its number: a reader cannot type one.
    """

    def __init__(self, merges: Sequence[Pair], specials: Sequence[str] = ()) -> None:
        self.merges = list(merges)
        self.rank = {pair: rank for rank, pair in enumerate(self.merges)}
        self.spelling = [bytes([byte]) for byte in byte_signs()]  # token → its bytes
        for left, right in self.merges:
            if max(left, right) >= len(self.spelling):
                raise ValueError(f"the merge of {left} and {right} comes before what it merges")
            self.spelling.append(self.spelling[left] + self.spelling[right])
        self.specials = {name: len(self.spelling) + i for i, name in enumerate(specials)}
        self._number = {byte: token for token, byte in enumerate(byte_signs())}
        self._encode_piece = lru_cache(maxsize=65_536)(self._merge_piece)

    @classmethod
    def train(cls, texts: Iterable[str], vocabulary: int, *, specials: Sequence[str] = ()) -> Self:
        """Learn merges until there are `vocabulary` tokens in all (or no pair is left)."""
        merges = vocabulary - 256 - len(specials)
        if merges < 0:
            raise ValueError(
                f"a vocabulary of {vocabulary} has no room for 256 bytes and "
                f"{len(specials)} special tokens"
            )
        return cls(learn_merges(texts, merges), specials)

    @property
    def vocabulary(self) -> int:
        """V, the number of tokens."""
        return len(self.spelling) + len(self.specials)

    def encode(self, text: str) -> list[int]:
        """Any text as tokens; half a surrogate pair, which is no text, raises ValueError."""
        try:
            text.encode()  # the whole of it, so that the place in the message is that in the text
        except UnicodeEncodeError as error:
            raise ValueError(f"the text holds half a character at {error.start}") from None
        return [token for piece in cut(text) for token in self._encode_piece(piece)]

    def _merge_piece(self, piece: str) -> tuple[int, ...]:
        """Apply the earliest-learned merge that is possible, until none is."""
        tokens = [self._number[byte] for byte in piece.encode()]
        while len(tokens) > 1:
            pair = min(pairwise(tokens), key=lambda pair: self.rank.get(pair, len(self.rank)))
            if pair not in self.rank:
                break
            tokens = merge(tokens, pair, 256 + self.rank[pair])
        return tuple(tokens)

    def decode(self, tokens: Iterable[int]) -> str:
        """The text of tokens; bytes that are no character (a text cut short) become �."""
        names = {number: name.encode() for name, number in self.specials.items()}
        tokens = list(tokens)
        for token in tokens:
            if not 0 <= token < self.vocabulary:
                raise ValueError(
                    f"token {token} is outside the vocabulary of {self.vocabulary}: "
                    "was the text made by another tokenizer?"
                )
        spelled = (names[token] if token in names else self.spelling[token] for token in tokens)
        return b"".join(spelled).decode(errors="replace")

    def written(self, token: int) -> str:
        """A token as GPT-2's files show it: ` the` is Ġthe."""
        return "".join(byte_signs()[byte] for byte in self.spelling[token])

    def save(self, folder: str | Path) -> None:
        """Write vocab.json and merges.txt, GPT-2's two files."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        names = {self.written(token): token for token in range(len(self.spelling))}
        content = json.dumps(names | self.specials, ensure_ascii=False)
        lines = [f"{self.written(left)} {self.written(right)}" for left, right in self.merges]
        (folder / "vocab.json").write_text(content, encoding="utf-8")
        (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *lines, ""]), "utf-8")

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Read vocab.json and merges.txt; ValueError when they are damaged or not a pair."""
        folder = Path(folder)
        try:
            names: dict[str, int] = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))
            lines = (folder / "merges.txt").read_text(encoding="utf-8").split("\n")
            pairs = [line.split(" ") for line in lines if line and not line.startswith("#version")]
            merges = [(names[left], names[right]) for left, right in pairs]
            tokenizer = cls(merges, sorted(names, key=names.__getitem__)[256 + len(merges) :])
        except OSError as error:
            raise ValueError(f"{folder} holds no tokenizer: {error}") from None
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(
                f"{folder}: vocab.json and merges.txt are damaged or not a pair ({error})"
            ) from None
        ours = {tokenizer.written(t): t for t in range(len(tokenizer.spelling))}
        if ours | tokenizer.specials != names:
            raise ValueError(
                f"{folder}: vocab.json is not numbered as GPT-2's is: bytes, merges, specials"
            )
        return tokenizer
