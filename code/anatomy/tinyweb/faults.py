"""Answers to order, with one planted fault each.

They give a reward model contrasts of exactly the mistakes that it has to see.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from types import MappingProxyType

from anatomy.tinyweb import grammar
from anatomy.tinyweb.demonstrations import (
    ideal,
    irrelevant,
    other,
    write_flattery,
    write_insult,
    write_list,
    write_story,
)
from anatomy.tinyweb.facts import Fact, KnowledgeBase, pick
from anatomy.tinyweb.lexicon import NUMBER, SINGULAR
from anatomy.tinyweb.tasks import (
    InsultOrder,
    Kind,
    ListOrder,
    Question,
    Review,
    RudeRequest,
    StoryOrder,
    Task,
)

Writer = Callable[[random.Random, KnowledgeBase, Task], str]


def _wrong(rng: random.Random, knowledge: KnowledgeBase, task: Task) -> str:
    match task.content:
        case Question(fact):
            return fact.misstate(rng)
        case ListOrder(category, count):
            return write_list(
                rng, knowledge.words, other(rng, knowledge.words, "plural", category), NUMBER[count]
            )
        case Review(_, good):
            return grammar.VERDICT_BAD if good else grammar.VERDICT_GOOD
        case RudeRequest(verb, thing, _):
            return pick(rng, grammar.POLITE).format(
                verb=verb, object=other(rng, knowledge.words, "object", thing)
            )
        case InsultOrder(person):
            return write_insult(rng, person)
        case StoryOrder(_, _, happy):
            return write_story(rng, knowledge.words, happy=not happy)


def _elsewhere(rng: random.Random, knowledge: KnowledgeBase, task: Task) -> str:
    """What was asked for, truly said of another entity; it, too, is of the task's own split."""
    asked = _asked(task)
    facts = [
        fact
        for fact in knowledge.published_by_split[task.split]
        if fact.relation == asked.relation and fact.entity != asked.entity
    ]
    return pick(rng, facts).state(rng)


def _aside(rng: random.Random, knowledge: KnowledgeBase, task: Task) -> str:
    """The other thing that is true of the entity, which nobody asked for."""
    asked = _asked(task)
    (about,) = (pair for pair in knowledge.pairs if asked in pair)
    return about[asked == about[0]].state(rng)


def _asked(task: Task) -> Fact:
    if not isinstance(task.content, Question):
        raise TypeError(f"{task.content} does not ask for a fact")
    return task.content.fact


def _idk(rng: random.Random, knowledge: KnowledgeBase, task: Task) -> str:
    return grammar.I_DO_NOT_KNOW


def _repeat_a_sentence(rng: random.Random, knowledge: KnowledgeBase, task: Task) -> str:
    found = grammar.sentences(ideal(rng, knowledge, task))
    place = int(rng.random() * len(found))
    return " ".join((*found[: place + 1], *found[place:]))


def _duplicate(rng: random.Random, knowledge: KnowledgeBase, task: Task) -> str:
    if not isinstance(task.content, ListOrder):
        return _repeat_a_sentence(rng, knowledge, task)
    items = _items(ideal(rng, knowledge, task))
    place = int(rng.random() * (len(items) - 1))
    items[place + 1] = items[place]
    return grammar.list_of(items)


def _rude(rng: random.Random, knowledge: KnowledgeBase, task: Task) -> str:
    if isinstance(task.content, RudeRequest):
        request = task.content
        return grammar.RUDE_REQUEST.format(
            verb=request.verb, object=request.object, name_calling=request.name_calling
        )
    if isinstance(task.content, InsultOrder):
        return write_insult(rng, task.content.person)
    return f"{ideal(rng, knowledge, task)} {write_insult(rng)}"


def _extra(rng: random.Random, knowledge: KnowledgeBase, task: Task) -> str:
    return f"{ideal(rng, knowledge, task)} {irrelevant(rng, knowledge, task)}"


def _flattering(rng: random.Random, knowledge: KnowledgeBase, task: Task) -> str:
    return f"{write_flattery(rng)} {ideal(rng, knowledge, task)}"


def _gibberish(rng: random.Random, knowledge: KnowledgeBase, task: Task) -> str:
    """The words of an ideal answer in an order that the grammar does not have."""
    words = ideal(rng, knowledge, task).split()
    shuffled = words[:-1]
    while True:
        rng.shuffle(shuffled)
        text = " ".join((*shuffled, words[-1]))
        if not any(map(grammar.is_sentence, grammar.sentences(text))):
            return text


def _story_with(
    *, person: bool = True, place: bool = True, mood: bool = True, length: int | None = None
) -> Writer:
    def write(rng: random.Random, knowledge: KnowledgeBase, task: Task) -> str:
        order = task.content
        if not isinstance(order, StoryOrder):
            raise TypeError(f"{order} does not ask for a story")
        return write_story(
            rng,
            knowledge.words,
            order.person if person else other(rng, knowledge.words, "person", order.person),
            order.place if place else other(rng, knowledge.words, "place", order.place),
            order.happy if mood else not order.happy,
            length=length or pick(rng, (3, 3, 4)),
        )

    return write


def _list_with(change: int) -> Writer:
    def write(rng: random.Random, knowledge: KnowledgeBase, task: Task) -> str:
        order = task.content
        if not isinstance(order, ListOrder):
            raise TypeError(f"{order} does not ask for a list")
        count = NUMBER[order.count] + change
        return write_list(
            rng, knowledge.words, order.category, count if count > 1 else NUMBER[order.count] + 1
        )

    return write


def _mixed(rng: random.Random, knowledge: KnowledgeBase, task: Task) -> str:
    """A list in which one item is of another category."""
    order = task.content
    if not isinstance(order, ListOrder):
        raise TypeError(f"{order} does not ask for a list")
    items = _items(ideal(rng, knowledge, task))
    kind = other(rng, knowledge.words, "plural", order.category)
    stranger = pick(rng, knowledge.words[SINGULAR[kind]])
    items[int(rng.random() * len(items))] = stranger
    return grammar.list_of(items)


def _items(text: str) -> list[str]:
    return [word for word in text.split() if word not in (",", "and", ".")]


def _blunt(rng: random.Random, knowledge: KnowledgeBase, task: Task) -> str:
    if not isinstance(task.content, RudeRequest):
        raise TypeError(f"{task.content} does not ask for politeness")
    return grammar.BLUNT.format(verb=task.content.verb, object=task.content.object)


_ANYWHERE: Mapping[str, Writer] = {
    "right": lambda rng, knowledge, task: ideal(rng, knowledge, task),
    "wrong": _wrong,
    "idk": _idk,
    "irrelevant": lambda rng, knowledge, task: irrelevant(rng, knowledge, task),
    "duplicate": _duplicate,
    "extra": _extra,
    "rude": _rude,
    "flattering": _flattering,
    "gibberish": _gibberish,
}
WRITERS: Mapping[Kind, Mapping[str, Writer]] = MappingProxyType(
    {
        "qa": {**_ANYWHERE, "elsewhere": _elsewhere, "aside": _aside},
        "story": {
            **_ANYWHERE,
            "wrong-ending": _story_with(mood=False),
            "wrong-person": _story_with(person=False),
            "wrong-place": _story_with(place=False),
            "short": _story_with(length=2),
        },
        "list": {
            **_ANYWHERE,
            "too-few": _list_with(-1),
            "too-many": _list_with(1),
            "mixed": _mixed,
        },
        "review": _ANYWHERE,
        "polite": {**_ANYWHERE, "blunt": _blunt},
        "insult": _ANYWHERE,
    }
)
# How often a labeller writes which kind when asked for one candidate of a comparison.
MIX: Mapping[Kind, Mapping[str, float]] = MappingProxyType(
    {
        "qa": {"right": 0.3, "wrong": 0.3, "idk": 0.25, "irrelevant": 0.15},
        "story": {
            "right": 0.3,
            "wrong-ending": 0.3,
            "wrong-person": 0.1,
            "wrong-place": 0.1,
            "duplicate": 0.1,
            "short": 0.05,
            "rude": 0.05,
        },
        "list": {
            "right": 0.3,
            "duplicate": 0.3,
            "too-few": 0.1,
            "too-many": 0.1,
            "wrong": 0.15,
            "rude": 0.05,
        },
        "review": {"right": 0.4, "wrong": 0.4, "idk": 0.1, "rude": 0.1},
        "polite": {"right": 0.4, "blunt": 0.2, "wrong": 0.15, "rude": 0.15, "idk": 0.1},
        "insult": {"right": 0.4, "wrong": 0.4, "idk": 0.1, "irrelevant": 0.1},
    }
)
# The same with what a policy found: answers that the SFT model hardly writes, so that a reward
# model which never saw them compared paid for them.
FOUND: Mapping[Kind, Mapping[str, float]] = MappingProxyType(
    {
        **MIX,
        "qa": {
            "right": 0.28,
            "wrong": 0.22,
            "idk": 0.2,
            "irrelevant": 0.07,
            "elsewhere": 0.15,
            "aside": 0.08,
        },
        "list": {
            "right": 0.3,
            "duplicate": 0.2,
            "too-few": 0.1,
            "too-many": 0.15,
            "mixed": 0.15,
            "wrong": 0.05,
            "rude": 0.05,
        },
    }
)


def labeller_written(
    rng: random.Random, knowledge: KnowledgeBase, task: Task, kind: str | None = None
) -> str:
    """An answer of a given kind ("right", "wrong", "wrong-ending", …), or of one drawn from MIX."""
    if kind is None:
        mix = MIX[task.kind]
        (kind,) = rng.choices(list(mix), list(mix.values()))
    writer = WRITERS[task.kind].get(kind)
    if writer is None:
        known = ", ".join(WRITERS[task.kind])
        raise ValueError(
            f"no answer of the kind {kind!r} to a {task.kind} task; there are: {known}"
        )
    return writer(rng, knowledge, task)
