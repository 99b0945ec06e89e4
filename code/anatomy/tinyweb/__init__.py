"""TinyWeb: a small world of readable English whose truth is known.

Read the modules in this order:

1. `lexicon`, `grammar`: the words, and every sentence as a template
2. `facts`: what is true, what the web publishes of it, what is held out
3. `tasks`, `demonstrations`, `faults`: what users ask, and what people answer
4. `documents`: the web that a language model learns from
5. `gold`, `labeller`: what an answer is worth, and noisy judgements of it
6. `world`, `tokenizer`, `reading`: all of it as one object, as numbers, and for people
"""

from anatomy.tinyweb.documents import DOCUMENT_KINDS, Document
from anatomy.tinyweb.facts import Fact, Frequency, Split
from anatomy.tinyweb.gold import Gold, Part
from anatomy.tinyweb.labeller import (
    HONEST,
    IMPATIENT,
    LONG_WINDED,
    TASTES,
    VAIN,
    Labeller,
    Taste,
    agreement,
    plackett_luce_logprob,
    preference,
)
from anatomy.tinyweb.reading import readable
from anatomy.tinyweb.tasks import KINDS, Task
from anatomy.tinyweb.tokenizer import WordTokenizer, token_stream, tokenizer_of
from anatomy.tinyweb.world import Cloze, World

__all__ = [
    "DOCUMENT_KINDS",
    "HONEST",
    "IMPATIENT",
    "KINDS",
    "LONG_WINDED",
    "TASTES",
    "VAIN",
    "Cloze",
    "Document",
    "Fact",
    "Frequency",
    "Gold",
    "Labeller",
    "Part",
    "Split",
    "Task",
    "Taste",
    "WordTokenizer",
    "World",
    "agreement",
    "plackett_luce_logprob",
    "preference",
    "readable",
    "token_stream",
    "tokenizer_of",
]
