"""What is true in TinyWeb, which of it the web publishes, and which entities are held out.

Two divisions, which must not be confused. *Frequency* says how often the web states a fact:
common, rare, or never (unpublished). *Split* says which entities people ask about when
behaviour is taught (train), chosen (dev) or measured (test). The web itself asks about all
that it publishes. Both go by entity, so that no
wording, and no other fact about the same entity, carries anything across.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, TypeVar

from anatomy.tinyweb.grammar import RELATIONS
from anatomy.tinyweb.lexicon import ENTITY_KINDS, LARGER_LEXICON, LEXICON, Words

Frequency = Literal["common", "rare", "unpublished"]
Split = Literal["train", "dev", "test"]
FREQUENCIES: tuple[Frequency, ...] = ("common", "rare", "unpublished")
SPLITS: tuple[Split, ...] = ("train", "dev", "test")

# Entities of each kind. Honesty about the unknown needs many unknown entities to learn from.
ENTITIES_PER_KIND: Mapping[Frequency, Mapping[Split, int]] = {
    "common": {"train": 11, "dev": 1, "test": 4},
    "rare": {"train": 5, "dev": 1, "test": 2},
    "unpublished": {"train": 26, "dev": 4, "test": 10},
}
# The same with `more_names`: what is more is for training, but for four rare test entities.
MORE_ENTITIES_PER_KIND: Mapping[Frequency, Mapping[Split, int]] = {
    "common": {"train": 11, "dev": 1, "test": 4},
    "rare": {"train": 25, "dev": 1, "test": 6},
    "unpublished": {"train": 66, "dev": 4, "test": 10},
}
# How often the web speaks of an entity, relative to a rare one.
WEIGHT: Mapping[Frequency, int] = {"common": 8, "rare": 1, "unpublished": 0}
FIRST_FORM = 0.7  # share of statements in the first of their two forms

T = TypeVar("T")


def pick(rng: random.Random, options: Sequence[T]) -> T:
    """One of the options, uniformly; three times as fast as `rng.choice`."""
    return options[int(rng.random() * len(options))]


def check_split(split: str) -> None:
    if split not in SPLITS:
        raise ValueError(f"unknown split {split!r}: use 'train', 'dev' or 'test'")


@dataclass(frozen=True)
class Fact:
    """One thing that is true, with every way to state it and to ask for it."""

    entity: str
    relation: str
    value: str
    frequency: Frequency
    split: Split
    statements: tuple[str, str]
    questions: tuple[str, str, str]
    values: tuple[str, ...] = field(repr=False, compare=False)  # what could have been true

    @property
    def heading(self) -> str:
        """What stands above an article about the entity."""
        article = "the " if RELATIONS[self.relation].subject == "animal" else ""
        return f"all about {article}{self.entity}"

    @property
    def published(self) -> bool:
        """Whether the web states it anywhere."""
        return self.frequency != "unpublished"

    def state(self, rng: random.Random) -> str:
        """State the fact, in the first form more often than in the second."""
        return self.statements[0 if rng.random() < FIRST_FORM else 1]

    def misstate(self, rng: random.Random) -> str:
        """State something false about the same entity and relation."""
        relation = RELATIONS[self.relation]
        wrong = pick(rng, self.values)
        while wrong == self.value:
            wrong = pick(rng, self.values)
        form = relation.statements[0 if rng.random() < FIRST_FORM else 1]
        return form.format(**{relation.subject: self.entity, relation.value: wrong})


@dataclass(frozen=True)
class KnowledgeBase:
    """192 entities with two facts each, drawn from a seed.

    Of the unpublished training entities of each kind the web tells `more_rare` after all, seldom.
    What is true stays then, and so do the entities of the other splits. With `more_names` it is
    another knowledge base, drawn anew: 384 entities, with words for them. With `small_talk`
    the truth is the same, and people mention animals, people and towns in passing, known or not.
    """

    seed: int
    more_rare: int = 0
    more_names: bool = False
    small_talk: bool = False

    @property
    def words(self) -> Words:
        """The words of this world, by category."""
        return LARGER_LEXICON if self.more_names else LEXICON

    @cached_property
    def facts(self) -> tuple[Fact, ...]:
        """All facts, twice as many as entities; the two about one stand side by side."""
        counted = MORE_ENTITIES_PER_KIND if self.more_names else ENTITIES_PER_KIND
        rng = random.Random(f"tinyweb facts {self.seed}")
        facts = []
        for kind in ENTITY_KINDS:
            entities = list(self.words[kind])
            rng.shuffle(entities)
            remaining = iter(entities)
            for frequency, counts in counted.items():
                for split, count in counts.items():
                    for number in range(count):
                        entity = next(remaining)
                        practice = (frequency, split) == ("unpublished", "train")
                        told = "rare" if practice and number < self.more_rare else frequency
                        facts += [
                            self._draw(rng, entity, relation, told, split)
                            for relation, about in RELATIONS.items()
                            if about.subject == kind
                        ]
        return tuple(facts)

    def _draw(
        self, rng: random.Random, entity: str, name: str, frequency: Frequency, split: Split
    ) -> Fact:
        relation = RELATIONS[name]
        values = self.words[relation.value]
        value = pick(rng, values)
        words = {relation.subject: entity, relation.value: value}
        first, second = (form.format(**words) for form in relation.statements)
        one, two, three = (form.format(**words) for form in relation.questions)
        return Fact(
            entity, name, value, frequency, split, (first, second), (one, two, three), values
        )

    @cached_property
    def by_key(self) -> Mapping[tuple[str, str], Fact]:
        """Facts by (entity, relation)."""
        return {(fact.entity, fact.relation): fact for fact in self.facts}

    @cached_property
    def pairs(self) -> tuple[tuple[Fact, Fact], ...]:
        """The two facts about each entity."""
        return tuple(zip(self.facts[::2], self.facts[1::2], strict=True))

    @cached_property
    def published_pairs(self) -> tuple[tuple[Fact, Fact], ...]:
        """Pairs of published facts, each as often as its weight: draw from it uniformly."""
        return tuple(pair for pair in self.pairs for _ in range(WEIGHT[pair[0].frequency]))

    @cached_property
    def published(self) -> tuple[Fact, ...]:
        """The published facts, once each."""
        return tuple(fact for fact in self.facts if fact.published)

    @cached_property
    def published_by_split(self) -> Mapping[Split, tuple[Fact, ...]]:
        """The published facts about each split's entities."""
        return {
            split: tuple(fact for fact in self.published if fact.split == split) for split in SPLITS
        }

    def select(
        self, *, frequency: Frequency | None = None, split: Split | None = None
    ) -> tuple[Fact, ...]:
        """The facts of one frequency class, of one split, or of both."""
        return tuple(
            fact
            for fact in self.facts
            if frequency in (None, fact.frequency) and split in (None, fact.split)
        )

    def is_true(self, entity: str, relation: str, value: str) -> bool:
        """Look a statement up; what is said of a name that this world does not have is false."""
        fact = self.by_key.get((entity, relation))
        return fact is not None and fact.value == value
