"""Which task is a prompt? The way back from the words to what they ask for.

`tasks.word` turns a content into a prompt; `recognise` reads a prompt that somebody typed,
and finds the content, so that answers to it have a gold score.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache

from anatomy.tinyweb import grammar
from anatomy.tinyweb.facts import Split
from anatomy.tinyweb.lexicon import CATEGORY_OF
from anatomy.tinyweb.tasks import (
    Content,
    InsultOrder,
    Kind,
    ListOrder,
    Question,
    Review,
    RudeRequest,
    StoryOrder,
    Task,
)
from anatomy.tinyweb.world import World

NOBODY = -1  # the user of a prompt that was typed


def recognise(world: World, prompt: str) -> Task | None:
    """The task of a prompt, written as TinyWeb writes; None if it is none of the six kinds."""
    opened = next(filter(None, (_fill(o, prompt) for o in _OPENINGS)), None)
    bare = opened["rest"] if opened else prompt
    for kind, content in _readings(world, bare):
        if opened and kind not in ("qa", "story", "list"):
            continue
        split = content.fact.split if isinstance(content, Question) else _splits(world).get(content)
        if split is not None:  # None: it names somebody whom this world does not have
            return Task(kind, prompt, NOBODY, split, content, bool(opened))
    return None


def _readings(world: World, prompt: str) -> Iterable[tuple[Kind, Content]]:
    """What a prompt without a rude opening can mean: at most one thing, as it happens."""
    if prompt in _questions(world):
        yield "qa", _questions(world)[prompt]
    for happy, templates in (
        (True, grammar.HAPPY_STORY_PROMPTS),
        (False, grammar.SAD_STORY_PROMPTS),
    ):
        for words in _fillings(templates, prompt):
            yield "story", StoryOrder(words["person"], words["place"], happy)
    for words in _fillings(grammar.LIST_PROMPTS, prompt):
        yield "list", ListOrder(words["plural"], words["count"])
    for question in grammar.REVIEW_PROMPTS:
        review = _reviews(world).get(prompt.removeprefix(f"{question} "))
        if review is not None and prompt.startswith(f"{question} "):
            yield "review", review
    for words in _fillings(grammar.POLITE_PROMPTS, prompt):
        yield "polite", RudeRequest(words["verb"], words["object"], words["name_calling"])
    for words in _fillings(grammar.INSULT_PROMPTS, prompt):
        yield "insult", InsultOrder(words["person"])


_OPENINGS = tuple(f"{opening} {{rest}}" for opening in grammar.RUDE_OPENINGS)


def _fillings(templates: Iterable[str], prompt: str) -> Iterable[Mapping[str, str]]:
    return filter(None, (_fill(template, prompt) for template in templates))


def _fill(template: str, text: str) -> Mapping[str, str] | None:
    """The words that stand where the template has roles, if each is of its role's category."""
    found = _pattern(template).fullmatch(text)
    if found is None:
        return None
    words = found.groupdict()
    fits = all(role == "rest" or CATEGORY_OF.get(word) == role for role, word in words.items())
    return words if fits else None


@cache
def _pattern(template: str) -> re.Pattern[str]:
    parts, seen = [], set()
    for word in template.split():
        role = word.strip("{}")
        if role == word:
            parts.append(re.escape(word))
        elif role in seen:
            parts.append(f"(?P={role})")
        else:
            parts.append(f"(?P<{role}>{'.+' if role == 'rest' else r'[^ ]+'})")
            seen.add(role)
    return re.compile(" ".join(parts))


@cache
def _questions(world: World) -> Mapping[str, Question]:
    return {asked: Question(fact) for fact in world.knowledge.facts for asked in fact.questions}


@cache
def _splits(world: World) -> Mapping[Content, Split]:
    return {
        content: split
        for parts in world.source.contents.values()
        for split, contents in parts.items()
        for content in contents
    }


@cache
def _reviews(world: World) -> Mapping[str, Review]:
    return {content.text: content for content in _splits(world) if isinstance(content, Review)}
