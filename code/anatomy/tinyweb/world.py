"""The world as one object: everything that chapters ask of TinyWeb."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from anatomy.tinyweb import demonstrations, faults, grammar
from anatomy.tinyweb.documents import Document, DocumentKind, DocumentWriter
from anatomy.tinyweb.facts import (
    ENTITIES_PER_KIND,
    MORE_ENTITIES_PER_KIND,
    Fact,
    Frequency,
    KnowledgeBase,
    Split,
    check_split,
)
from anatomy.tinyweb.gold import Gold, gold
from anatomy.tinyweb.tasks import KINDS, Kind, Task, TaskSource

# How many prompts of each kind a set for measuring holds; "qa" is told by frequency.
EVALUATION_COUNTS: Mapping[str, int] = {
    "common": 120,
    "rare": 80,
    "unpublished": 216,
    "story": 250,
    "list": 90,
    "review": 120,
    "polite": 75,
    "insult": 39,
}
# The dev split has fewer entities, and fewer other things to ask for.
DEVELOPMENT_COUNTS: Mapping[str, int] = {
    "common": 18,
    "rare": 18,
    "unpublished": 72,
    "story": 80,
    "list": 30,
    "review": 60,
    "polite": 36,
    "insult": 18,
}
_QUESTION_FREQUENCIES = ("common", "rare", "unpublished")


@dataclass(frozen=True)
class Cloze:
    """The beginning of a statement whose last content word is the fact."""

    context: str
    answer: str
    fact: Fact


@dataclass(frozen=True)
class World:
    """TinyWeb: what is true, what is written about it, what is asked, and what answers are worth.

    Everything follows from `seed`, the same in every process and on every machine. What is
    drawn from the world has seeds of its own; it comes from `random.Random`, which is ten times
    as fast as a tensor library for one word at a time.
    """

    seed: int = 0
    more_rare: int = 0  # see `KnowledgeBase`
    more_names: bool = False  # see there
    small_talk: bool = False  # and there

    def __post_init__(self) -> None:
        if not isinstance(self.seed, int):
            raise TypeError(f"the seed of a world is an integer, got {self.seed!r}")
        counted = MORE_ENTITIES_PER_KIND if self.more_names else ENTITIES_PER_KIND
        most = counted["unpublished"]["train"]
        if self.more_rare not in range(most + 1):
            raise ValueError(
                f"more_rare is a number of entities from 0 to {most}, got {self.more_rare!r}"
            )

    @cached_property
    def knowledge(self) -> KnowledgeBase:
        """What is true."""
        return KnowledgeBase(self.seed, self.more_rare, self.more_names, self.small_talk)

    @cached_property
    def source(self) -> TaskSource:
        """What can be asked for, and by whom."""
        return TaskSource(self.knowledge, self.seed)

    @cached_property
    def vocabulary(self) -> tuple[str, ...]:
        """Every word that can occur, sorted; without the special tokens."""
        templates = (
            *grammar.SENTENCES,
            *grammar.HEADINGS,
            *grammar.SPEAKERS,
        )
        words = set(grammar.template_words(templates))
        return tuple(sorted(words.union(*self.knowledge.words.values())))

    # ------------------------------------------------------------- the web

    def documents(self, seed: int, *, kind: DocumentKind | None = None) -> Iterator[Document]:
        """Write documents without end, of all kinds or of one."""
        return DocumentWriter(self.source).stream(seed, kind)

    def cloze(self, frequency: Frequency | None = None, split: Split | None = None) -> list[Cloze]:
        """Articles cut off before a fact, to see whether a model knows how they go on.

        An unpublished fact is asked for in the same way; no model can know it.
        """
        found = []
        for fact in self.knowledge.select(frequency=frequency, split=split):
            before = fact.statements[0].rsplit(f" {fact.value} ", 1)[0]
            heading = f"{fact.heading} {grammar.NEWLINE}"
            found.append(Cloze(f"{heading} {before}", fact.value, fact))
        return found

    # ------------------------------------------------------------ the tasks

    def tasks(
        self,
        split: Split,
        seed: int,
        *,
        kind: Kind | None = None,
        unpublished: float = 0.4,
    ) -> Iterator[Task]:
        """Draw instructions of a split without end.

        `unpublished` is the share of the questions whose answer the web does not hold.
        """
        return self.source.stream(split, seed, kind=kind, unpublished=unpublished)

    def evaluation_set(
        self, split: Split, seed: int = 0, counts: Mapping[str, int] | None = None
    ) -> list[Task]:
        """Tasks for measuring: a fixed number of each kind, no prompt twice.

        Questions are counted by the frequency of their fact, "common", "rare" or "unpublished".
        Without `counts`, as many as the split allows: EVALUATION_COUNTS or DEVELOPMENT_COUNTS.
        """
        check_split(split)
        if counts is None:
            counts = DEVELOPMENT_COUNTS if split == "dev" else EVALUATION_COUNTS
        rng = random.Random(f"tinyweb evaluation {split} {seed}")
        chosen: dict[str, Task] = {}
        for name, count in counts.items():
            if name not in (*_QUESTION_FREQUENCIES, *KINDS[1:]):
                raise ValueError(f"cannot count tasks of the kind {name!r}")
            kind = "qa" if name in _QUESTION_FREQUENCIES else name
            share = 1.0 if name == "unpublished" else 0.0
            remaining, attempts = count, 0
            while remaining:
                attempts += 1
                if attempts > 200 * count + 1000:
                    raise ValueError(
                        f"the {split} split has no {count} different prompts of the kind {name!r}"
                    )
                task = self.source.draw(split, rng, kind=kind, unpublished=share)  # type: ignore[arg-type]
                if task.prompt not in chosen and name in (task.frequency or name,):
                    chosen[task.prompt] = task
                    remaining -= 1
        return list(chosen.values())

    # ----------------------------------------------------------- the answers

    def ideal(self, task: Task, rng: random.Random) -> str:
        """An answer that scores 1."""
        return demonstrations.ideal(rng, self.knowledge, task)

    def demonstration(self, task: Task, rng: random.Random, *, sloppy: float = 0.3) -> str:
        """What a hired writer hands in: ideal, or with probability `sloppy` careless.

        Of the careful answers to questions, some are "i do not know": 10 % where the web knows
        the answer, 40 % where it does not. In the rest the writer knows what no model can know.
        """
        if not 0 <= sloppy <= 1:
            raise ValueError(f"sloppy is a share in [0, 1], got {sloppy}")
        return demonstrations.demonstration(rng, self.knowledge, task, sloppy_share=sloppy)

    def labeller_written(self, task: Task, rng: random.Random, kind: str | None = None) -> str:
        """An answer with a planted fault ("wrong", "duplicate", "wrong-ending", …) or "right".

        Without a kind, one is drawn from the mix of its kind of task.
        """
        return faults.labeller_written(rng, self.knowledge, task, kind)

    def gold(self, task: Task, answer: str, *, ended: bool = True) -> Gold:
        """What an answer is worth, in [−1, 1], and why."""
        return gold(self.knowledge, task, answer, ended=ended)
