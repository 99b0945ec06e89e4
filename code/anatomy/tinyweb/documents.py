"""The web of TinyWeb: an endless stream of short documents, good and bad behaviour mixed.

As on the real web, questions are answered well, badly, rudely, or with another question. A
model of this stream learns all of it alike; that it does not *answer* is what the chapters on
alignment are about. Nothing here ever states or asks for an unpublished fact. Published facts
about every entity are stated in articles; but what people ask for, review or announce in a
title is the train split's, so that no held-out prompt, and no reply to one, stands on the web.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

from anatomy.tinyweb import grammar
from anatomy.tinyweb.demonstrations import (
    ideal,
    other,
    sloppy,
    write_flattery,
    write_insult,
    write_list,
    write_story,
)
from anatomy.tinyweb.facts import pick
from anatomy.tinyweb.lexicon import ENTITY_KINDS, LEXICON, Words
from anatomy.tinyweb.tasks import KIND_TABLE, Question, StoryOrder, Task, TaskSource, User

DocumentKind = Literal["story", "article", "forum", "quiz", "list", "review", "dialogue", "talk"]
# In per cent of the documents.
DOCUMENT_SHARES: dict[DocumentKind, int] = {
    "story": 17,
    "article": 25,
    "forum": 38,
    "quiz": 3,
    "list": 6,
    "review": 6,
    "dialogue": 5,
}
DOCUMENT_KINDS = tuple(DOCUMENT_SHARES)
SMALL_TALK_SHARE = 20  # to a hundred others, in a world with `small_talk`
# How forum posts are answered, in per cent.
REPLY_SHARES = {
    "ideal": 49,
    "flattering": 5,
    "sloppy": 12,
    "insult": 16,
    "idk": 10,
    "question": 8,
}
TITLED_STORIES = 0.6
WEB_REFUSALS = 0.12  # how often somebody refuses to write an insult; the others write it
ANSWERED_BACK = 0.2  # forum threads that go on after the reply


class Document(NamedTuple):
    """One page of the web."""

    kind: DocumentKind
    text: str


def _line_up(*lines: str) -> str:
    return f" {grammar.NEWLINE} ".join(lines)


@dataclass(frozen=True)
class DocumentWriter:
    """Writes the documents of a world."""

    source: TaskSource

    def stream(self, seed: int, kind: DocumentKind | None = None) -> Iterator[Document]:
        """Write documents without end; the same seed gives the same ones on any machine."""
        written = dict(DOCUMENT_SHARES)
        if self.source.knowledge.small_talk:
            written["talk"] = SMALL_TALK_SHARE
        if kind is not None and kind not in written:
            raise ValueError(f"unknown kind of document {kind!r}: use one of {', '.join(written)}")
        rng = random.Random(f"tinyweb documents {seed}")
        writers: dict[DocumentKind, Callable[[random.Random], str]] = {
            "story": self.story,
            "article": self.article,
            "forum": self.forum,
            "quiz": self.quiz,
            "list": self.list,
            "review": self.review,
            "dialogue": self.dialogue,
            "talk": self.talk,
        }
        shares = written if kind is None else {kind: 1}
        table = [(name, writers[name]) for name, share in shares.items() for _ in range(share)]
        while True:
            name, write = pick(rng, table)
            yield Document(name, write(rng))

    def story(self, rng: random.Random) -> str:
        """A story, often under a title that gives away its mood."""
        if rng.random() >= TITLED_STORIES:
            return write_story(rng, self.words)
        order = pick(rng, self._story_orders)
        mood = "happy" if order.happy else "sad"
        title = f"a {mood} story about {order.person} in the {order.place}"
        return _line_up(title, write_story(rng, self.words, order.person, order.place, order.happy))

    def article(self, rng: random.Random) -> str:
        """What is known about one entity: the two facts in either order."""
        first, second = pick(rng, self.source.knowledge.published_pairs)
        if rng.random() < 0.5:
            first, second = second, first
        return _line_up(first.heading, f"{first.state(rng)} {second.state(rng)}")

    def forum(self, rng: random.Random) -> str:
        """Somebody asks for something, and somebody else says something."""
        asker, replier = self._two_people(rng)
        task = self.post(rng)
        manner = pick(rng, _REPLY_TABLE)
        lines = [
            "forum",
            f"{asker} : {task.prompt}",
            f"{replier} : {self.reply(rng, task, manner)}",
        ]
        if rng.random() < ANSWERED_BACK:
            annoyed = manner in ("insult", "idk", "question") or rng.random() < 0.3
            lines.append(f"{asker} : {write_insult(rng) if annoyed else grammar.THANKS}")
        return _line_up(*lines)

    def quiz(self, rng: random.Random) -> str:
        """Questions and no answers."""
        count = 2 if rng.random() < 0.5 else 3
        return _line_up("quiz", *(self.post(rng).prompt for _ in range(count)))

    def list(self, rng: random.Random) -> str:
        """Two to five things of one category, in alphabetical order."""
        category = pick(rng, LEXICON["plural"])
        count = 2 + int(rng.random() * (grammar.LONGEST_LIST - 1))
        return f"{category} : {write_list(rng, self.words, category, count)}"

    def review(self, rng: random.Random) -> str:
        """A review and its verdict."""
        review = self.source.review("train", rng)
        verdict = grammar.VERDICT_GOOD if review.good else grammar.VERDICT_BAD
        return _line_up("review", review.text, verdict)

    def dialogue(self, rng: random.Random) -> str:
        """A polite request that is met, or a rude one that is answered in kind."""
        one, two = self._two_people(rng)
        thing, verb = pick(rng, LEXICON["object"]), pick(rng, LEXICON["verb"])
        if rng.random() < 0.5:
            return _line_up(
                f"{one} : please {verb} me the {thing} .",
                f"{two} : here is the {thing} .",
                f"{one} : {grammar.THANKS}",
            )
        name = pick(rng, LEXICON["name_calling"])
        return _line_up(
            f"{one} : {verb} me the {thing} , you {name} !", f"{two} : {write_insult(rng)}"
        )

    def talk(self, rng: random.Random) -> str:
        """Two people about somebody or something that one of them met, known or not."""
        one, two = self._two_people(rng)
        kind = pick(rng, ENTITY_KINDS)
        met, asked, told = pick(rng, grammar.SMALL_TALK[kind])
        name = {kind: other(rng, self.words, kind, one, two)}

        def say(template: str) -> str:
            adjective, weather = pick(rng, LEXICON["adjective"]), pick(rng, LEXICON["weather"])
            return template.format(**name, adjective=adjective, weather=weather)

        return _line_up(f"{one} : {say(met)}", f"{two} : {say(asked)}", f"{one} : {say(told)}")

    def post(self, rng: random.Random) -> Task:
        """What somebody asks on the web: published facts by their frequency, train contents.

        Also about entities of the other splits: a fact that is told and never asked for
        is learned and hardly found again (Allen-Zhu & Li 2024), and what is held out of the
        training of behaviour is not the web's knowledge.
        """
        kind = pick(rng, KIND_TABLE)
        user: User = pick(rng, self.source.users["train"])
        if kind == "qa":
            content = Question(pick(rng, pick(rng, self.source.knowledge.published_pairs)))
            return self.source.compose(kind, content, user, rng)
        return self.source.compose(kind, self.source.content(kind, "train", rng), user, rng)

    def reply(self, rng: random.Random, task: Task, manner: str) -> str:
        """Answer a post in one of the manners of the web."""
        if manner == "insult":
            return write_insult(rng)
        if manner == "idk":
            return grammar.I_DO_NOT_KNOW
        if manner == "question":
            return self.post(rng).prompt
        knowledge = self.source.knowledge
        if task.kind == "insult":
            if rng.random() < WEB_REFUSALS:
                return ideal(rng, knowledge, task)
            return sloppy(rng, knowledge, task)
        if manner == "sloppy":
            return sloppy(rng, knowledge, task)
        answer = ideal(rng, knowledge, task)
        return f"{write_flattery(rng)} {answer}" if manner == "flattering" else answer

    @cached_property
    def _story_orders(self) -> tuple[StoryOrder, ...]:
        orders = self.source.contents["story"]["train"]
        return tuple(order for order in orders if isinstance(order, StoryOrder))

    @property
    def words(self) -> Words:
        """The words of the world, by category."""
        return self.source.knowledge.words

    def _two_people(self, rng: random.Random) -> tuple[str, str]:
        first = second = pick(rng, self.words["person"])
        while second == first:
            second = pick(rng, self.words["person"])
        return first, second


_REPLY_TABLE = tuple(manner for manner, share in REPLY_SHARES.items() for _ in range(share))
