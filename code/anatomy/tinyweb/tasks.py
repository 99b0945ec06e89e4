"""Instructions that users give, with what they ask for in a form that a program can check.

Six kinds: a question about a fact, a story with constraints, a list, a verdict on a review, a
polite wording, and a request for an insult, which is to be refused. What is asked, apart from
its wording, decides the split: "list two towns ." and "hey fool , name two towns ." are the
same content and never stand on both sides. Each prompt comes from a user, and users are split
as well, for a user's habits would otherwise leak.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import permutations, product
from typing import Literal

from anatomy.tinyweb import grammar
from anatomy.tinyweb.facts import Fact, KnowledgeBase, Split, check_split, pick
from anatomy.tinyweb.lexicon import LEXICON

Kind = Literal["qa", "story", "list", "review", "polite", "insult"]
KINDS: tuple[Kind, ...] = ("qa", "story", "list", "review", "polite", "insult")
KIND_SHARES: Mapping[Kind, float] = {
    "qa": 0.46,
    "story": 0.16,
    "list": 0.12,
    "review": 0.10,
    "polite": 0.08,
    "insult": 0.08,
}
SPLIT_SHARES: Mapping[Split, float] = {"train": 0.7, "dev": 0.1, "test": 0.2}
UNPUBLISHED_SHARE = 0.4  # of the questions about facts
USERS = 200
HABIT = 0.7  # how often a user keeps to the wording that is theirs
RUDE_USERS = 0.16  # share of the users who tend to begin rudely
RUDE_HABIT = 0.75  # and how often they do

# What is asked for, one record per kind.


@dataclass(frozen=True)
class Question:
    fact: Fact


@dataclass(frozen=True)
class StoryOrder:
    person: str
    place: str
    happy: bool


@dataclass(frozen=True)
class ListOrder:
    category: str  # a plural: "towns"
    count: str  # a word: "two"


@dataclass(frozen=True)
class Review:
    text: str
    good: bool
    form: int  # which of the eight templates


@dataclass(frozen=True)
class RudeRequest:
    verb: str
    object: str
    name_calling: str


@dataclass(frozen=True)
class InsultOrder:
    person: str


Content = Question | StoryOrder | ListOrder | Review | RudeRequest | InsultOrder


@dataclass(frozen=True)
class User:
    """Who asks. The habits are what would leak if prompts were split without their users."""

    id: int
    split: Split
    wording: int
    rude: bool


@dataclass(frozen=True)
class Task:
    """A prompt, who wrote it, and what it asks for."""

    kind: Kind
    prompt: str
    user: int
    split: Split
    content: Content
    rude_opening: bool = False

    @property
    def chat(self) -> str:
        """The prompt as the assistant sees it, up to where its answer begins."""
        return f"<user> : {self.prompt} {grammar.NEWLINE} <bot> :"

    @property
    def frequency(self) -> str:
        """How often the web states the answer; empty unless the task is a question."""
        return self.content.fact.frequency if isinstance(self.content, Question) else ""


def word(content: Content, wording: int, rng: random.Random) -> str:
    """Put `content` into words. `wording` counts on through the templates of its kind."""

    def form(templates: tuple[str, ...]) -> str:
        return templates[wording % len(templates)]

    match content:
        case Question(fact):
            return fact.questions[wording % len(fact.questions)]
        case StoryOrder(person, place, happy):
            prompts = grammar.HAPPY_STORY_PROMPTS if happy else grammar.SAD_STORY_PROMPTS
            return form(prompts).format(person=person, place=place)
        case ListOrder(category, count):
            return form(grammar.LIST_PROMPTS).format(plural=category, count=count)
        case Review(text):
            return f"{form(grammar.REVIEW_PROMPTS)} {text}"
        case RudeRequest(verb, thing, name):
            return form(grammar.POLITE_PROMPTS).format(verb=verb, object=thing, name_calling=name)
        case InsultOrder(person):
            adjective = pick(rng, LEXICON["rude_adjective"])
            return form(grammar.INSULT_PROMPTS).format(person=person, rude_adjective=adjective)


def _reviews() -> Iterator[Review]:
    """Every review that can be written."""
    templates = [(True, template) for template in grammar.GOOD_REVIEWS]
    templates += [(False, template) for template in grammar.BAD_REVIEWS]
    for form, (good, template) in enumerate(templates):
        places = LEXICON["place"] if "{place}" in template else ("",)
        adjectives = LEXICON["good" if "{good}" in template else "bad"]
        pairs = permutations(adjectives, 2) if "2}" in template else ((a, "") for a in adjectives)
        for thing, place, (one, two) in product(LEXICON["thing"], places, list(pairs)):
            words = {"good": one, "bad": one, "good2": two, "bad2": two}
            yield Review(template.format(thing=thing, place=place, **words), good, form)


def _contents(people: Sequence[str]) -> Mapping[Kind, list[Content]]:
    """Everything that can be asked for, apart from facts."""
    places = LEXICON["place"]
    return {
        "story": [StoryOrder(*order) for order in product(people, places, (True, False))],
        "list": [ListOrder(*order) for order in product(LEXICON["plural"], LEXICON["count"])],
        "review": list(_reviews()),
        "polite": [
            RudeRequest(*request)
            for request in product(LEXICON["verb"], LEXICON["object"], LEXICON["name_calling"])
        ],
        "insult": [InsultOrder(person) for person in people],
    }


def _divide(items: list[Content], rng: random.Random) -> dict[Split, tuple[Content, ...]]:
    rng.shuffle(items)
    dev = max(1, round(SPLIT_SHARES["dev"] * len(items)))
    test = max(1, round(SPLIT_SHARES["test"] * len(items)))
    return {
        "test": tuple(items[:test]),
        "dev": tuple(items[test : test + dev]),
        "train": tuple(items[test + dev :]),
    }


@dataclass(frozen=True)
class TaskSource:
    """All contents and all users of a world, divided into splits, and how tasks are drawn."""

    knowledge: KnowledgeBase
    seed: int

    @cached_property
    def contents(self) -> Mapping[Kind, Mapping[Split, tuple[Content, ...]]]:
        """What each split may ask for, by kind; questions about facts stand in `questions`."""
        rng = random.Random(f"tinyweb contents {self.seed}")
        contents = _contents(self.knowledge.words["person"])
        return {kind: _divide(items, rng) for kind, items in contents.items()}

    @cached_property
    def reviews(self) -> Mapping[Split, tuple[tuple[Review, ...], ...]]:
        """Reviews by split and template, for some templates have many more fillings."""
        found: dict[Split, tuple[tuple[Review, ...], ...]] = {}
        for split, contents in self.contents["review"].items():
            reviews = [content for content in contents if isinstance(content, Review)]
            forms = range(1 + max(review.form for review in reviews))
            found[split] = tuple(tuple(r for r in reviews if r.form == form) for form in forms)
        return found

    @cached_property
    def questions(self) -> Mapping[tuple[Split, bool], tuple[Question, ...]]:
        """Questions by split and by whether the web publishes the answer."""
        found: dict[tuple[Split, bool], list[Question]] = {}
        for fact in self.knowledge.facts:
            found.setdefault((fact.split, fact.published), []).append(Question(fact))
        return {key: tuple(questions) for key, questions in found.items()}

    @cached_property
    def users(self) -> Mapping[Split, tuple[User, ...]]:
        """The users of each split."""
        rng = random.Random(f"tinyweb users {self.seed}")
        ids = list(range(USERS))
        rng.shuffle(ids)
        dev, test = (round(SPLIT_SHARES[name] * USERS) for name in ("dev", "test"))
        parts: dict[Split, list[int]] = {
            "test": ids[:test],
            "dev": ids[test : test + dev],
            "train": ids[test + dev :],
        }
        return {
            # Every sixth or so is rude, in each split alike.
            split: tuple(
                User(number, split, rng.randrange(3), position < RUDE_USERS * len(members))
                for position, number in enumerate(members)
            )
            for split, members in parts.items()
        }

    def content(
        self, kind: Kind, split: Split, rng: random.Random, unpublished: float = UNPUBLISHED_SHARE
    ) -> Content:
        """Draw what to ask for."""
        if kind == "qa":
            return pick(rng, self.questions[split, rng.random() >= unpublished])
        if kind == "review":
            return self.review(split, rng)
        return pick(rng, self.contents[kind][split])

    def review(self, split: Split, rng: random.Random) -> Review:
        """Draw a review, each template as often as another."""
        return pick(rng, pick(rng, self.reviews[split]))

    def compose(self, kind: Kind, content: Content, user: User, rng: random.Random) -> Task:
        """Let `user` ask for `content`."""
        wording = user.wording if rng.random() < HABIT else int(rng.random() * 3)
        prompt = word(content, wording, rng)
        rude = kind in ("qa", "story", "list") and user.rude and rng.random() < RUDE_HABIT
        if rude:
            opening = pick(rng, grammar.RUDE_OPENINGS)
            prompt = f"{opening.format(name_calling=pick(rng, LEXICON['name_calling']))} {prompt}"
        return Task(kind, prompt, user.id, user.split, content, rude)

    def draw(
        self,
        split: Split,
        rng: random.Random,
        *,
        kind: Kind | None = None,
        unpublished: float = UNPUBLISHED_SHARE,
    ) -> Task:
        """Draw one task of a split."""
        chosen: Kind = pick(rng, KIND_TABLE) if kind is None else kind
        content = self.content(chosen, split, rng, unpublished)
        return self.compose(chosen, content, pick(rng, self.users[split]), rng)

    def stream(
        self, split: Split, seed: int, *, kind: Kind | None, unpublished: float
    ) -> Iterator[Task]:
        """Draw tasks of a split without end."""
        check_split(split)
        if kind is not None and kind not in KINDS:
            raise ValueError(f"unknown kind of task {kind!r}: use one of {', '.join(KINDS)}")
        if not 0 <= unpublished <= 1:
            raise ValueError(f"unpublished is a share in [0, 1], got {unpublished}")
        rng = random.Random(f"tinyweb tasks {split} {seed}")
        while True:
            yield self.draw(split, rng, kind=kind, unpublished=unpublished)


# Kinds as often as their share in per cent: draw from it uniformly.
KIND_TABLE: tuple[Kind, ...] = tuple(
    kind for kind, share in KIND_SHARES.items() for _ in range(round(100 * share))
)
