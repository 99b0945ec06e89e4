"""TinyWeb's texts as a person writes them: capitals, punctuation in its place, lines."""

from __future__ import annotations

import re

from anatomy.tinyweb.grammar import NEWLINE
from anatomy.tinyweb.lexicon import LARGER_LEXICON

_CAPITAL = {word: word.capitalize() for kind in ("person", "town") for word in LARGER_LEXICON[kind]}
_CAPITAL["i"] = "I"
_BEFORE = re.compile(r" ([.,!?:])")


def readable(text: str) -> str:
    """Show a text as English: "where does mia live ?" becomes "Where does Mia live?"."""
    lines = []
    for line in text.split(NEWLINE):
        words = [_CAPITAL.get(word, word) for word in line.split()]
        for place, word in enumerate(words):
            if place == 0 or words[place - 1] in (".", "!", "?", ":"):
                words[place] = word[:1].upper() + word[1:]
        lines.append(_BEFORE.sub(r"\1", " ".join(words)))
    return "\n".join(lines)
