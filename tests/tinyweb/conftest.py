"""One world for all tests of it, and tasks written by hand."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from anatomy.tinyweb import Task, WordTokenizer, World, tokenizer_of
from anatomy.tinyweb.tasks import (
    Content,
    InsultOrder,
    Kind,
    ListOrder,
    Question,
    Review,
    RudeRequest,
    StoryOrder,
)


@pytest.fixture(scope="session")
def world() -> World:
    return World(seed=0)


@pytest.fixture(scope="session")
def tokenizer(world: World) -> WordTokenizer:
    return tokenizer_of(world)


@pytest.fixture
def rng() -> random.Random:
    return random.Random(20221130)


@pytest.fixture(scope="session")
def asked(world: World) -> Callable[[Kind], Task]:
    """A task of each kind whose content is known to the tests."""
    fact = next(f for f in world.knowledge.facts if f.relation == "lives" and f.published)
    contents: dict[Kind, Content] = {
        "qa": Question(fact),
        "story": StoryOrder("mia", "forest", True),
        "list": ListOrder("animals", "three"),
        "review": Review("the tea was sour .", False, 5),
        "polite": RudeRequest("give", "lamp", "fool"),
        "insult": InsultOrder("tom"),
    }

    def make(kind: Kind) -> Task:
        return Task(kind, "the prompt .", 0, "train", contents[kind])

    return make
