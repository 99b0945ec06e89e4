"""What people write when they show how it is done: ideal answers, and sloppy ones.

The demonstrations of a language model's fine-tuning are written by people, who know the truth
and are not always careful. What they write to order, with a fault, is in `faults`.
"""

from __future__ import annotations

import random

from anatomy.tinyweb import grammar
from anatomy.tinyweb.facts import KnowledgeBase, pick
from anatomy.tinyweb.lexicon import LEXICON, NUMBER, SINGULAR, Words
from anatomy.tinyweb.tasks import (
    InsultOrder,
    ListOrder,
    Question,
    Review,
    RudeRequest,
    StoryOrder,
    Task,
)

IDK_PUBLISHED = 0.1  # how often a careful writer says "i do not know" though the web knows
IDK_UNPUBLISHED = 0.4  # and where it does not

# ------------------------------------------------------------------- pieces


def write_story(
    rng: random.Random,
    words: Words,
    person: str | None = None,
    place: str | None = None,
    happy: bool | None = None,
    *,
    length: int | None = None,
) -> str:
    """A story of 3 to 5 sentences. Its middle fits its mood, and its last sentence shows it."""
    if happy is None:
        happy = rng.random() < 0.5
    person = person or pick(rng, words["person"])
    friend = pick(rng, words["person"])
    while friend == person:
        friend = pick(rng, words["person"])
    length = length or pick(rng, (3, 3, 4, 4, 5))
    parts = [pick(rng, grammar.STORY_OPENINGS)]
    if length > 2:
        parts.append(pick(rng, grammar.STORY_EVENTS))
    middles = grammar.STORY_MIDDLES, grammar.HAPPY_MIDDLES if happy else grammar.SAD_MIDDLES
    if length == 4:
        parts.append(pick(rng, middles[rng.random() < 0.6]))
    elif length > 4:
        parts += (pick(rng, middles[0]), pick(rng, middles[1]))
    parts.append(pick(rng, grammar.HAPPY_ENDINGS if happy else grammar.SAD_ENDINGS))
    return " ".join(parts).format(
        person=person,
        friend=friend,
        place=place or pick(rng, words["place"]),
        object=pick(rng, words["object"]),
        animal=pick(rng, words["animal"]),
        food=pick(rng, words["food"]),
        adjective=pick(rng, words["adjective"]),
        weather=pick(rng, words["weather"]),
    )


def write_list(rng: random.Random, words: Words, category: str, count: int) -> str:
    """A list without repetitions, in alphabetical order."""
    members = words[SINGULAR[category]]
    chosen: set[str] = set()
    while len(chosen) < count:
        chosen.add(pick(rng, members))
    return grammar.list_of(sorted(chosen))


def write_insult(rng: random.Random, about: str | None = None) -> str:
    """An insult to the reader, or about a person."""
    template = pick(rng, grammar.INSULTS_ABOUT if about else grammar.INSULTS)
    return template.format(
        person=about,
        name_calling=pick(rng, LEXICON["name_calling"]),
        rude_adjective=pick(rng, LEXICON["rude_adjective"]),
    )


def write_flattery(rng: random.Random) -> str:
    """A sentence that pleases and says nothing."""
    return pick(rng, grammar.FLATTERY).format(good=pick(rng, LEXICON["good"]))


def other(rng: random.Random, words: Words, category: str, *than: str) -> str:
    """A word of a category, but none of `than`."""
    word = pick(rng, words[category])
    while word in than:
        word = pick(rng, words[category])
    return word


def irrelevant(rng: random.Random, knowledge: KnowledgeBase, task: Task) -> str:
    """A true fact about something else, from the task's own split: nothing held out slips in."""
    facts = knowledge.published_by_split[task.split]
    fact = pick(rng, facts)
    while isinstance(task.content, Question) and fact.entity == task.content.fact.entity:
        fact = pick(rng, facts)
    return fact.state(rng)


# ----------------------------------------------------------- whole answers


def ideal(rng: random.Random, knowledge: KnowledgeBase, task: Task) -> str:
    """An answer that the gold score gives 1."""
    match task.content:
        case Question(fact):
            return fact.state(rng)
        case StoryOrder(person, place, happy):
            return write_story(
                rng, knowledge.words, person, place, happy, length=pick(rng, (3, 3, 4))
            )
        case ListOrder(category, count):
            return write_list(rng, knowledge.words, category, NUMBER[count])
        case Review(_, good):
            return grammar.VERDICT_GOOD if good else grammar.VERDICT_BAD
        case RudeRequest(verb, thing, _):
            return pick(rng, grammar.POLITE).format(verb=verb, object=thing)
        case InsultOrder(person):
            return pick(rng, grammar.REFUSALS).format(person=person)


def sloppy(rng: random.Random, knowledge: KnowledgeBase, task: Task) -> str:
    """What a careless or ill-tempered person writes: often wrong, sometimes rude."""
    luck = rng.random()
    if luck < 0.2:
        return write_insult(rng)
    match task.content:
        case Question(fact):
            if luck < 0.75:
                return fact.misstate(rng)
            return f"{fact.state(rng)} {irrelevant(rng, knowledge, task)}"
        case StoryOrder(person, place, happy):
            return write_story(
                rng,
                knowledge.words,
                person if luck < 0.5 else None,
                place if luck < 0.7 else None,
                not happy if luck < 0.6 else None,
            )
        case ListOrder(category, _):
            if rng.random() < 0.5:
                category = pick(rng, LEXICON["plural"])
            members = knowledge.words[SINGULAR[category]]
            return grammar.list_of([pick(rng, members) for _ in range(pick(rng, (2, 3, 4)))])
        case Review():
            return pick(rng, (grammar.VERDICT_GOOD, grammar.VERDICT_BAD, grammar.I_DO_NOT_KNOW))
        case RudeRequest(verb, thing, name):
            template = pick(rng, (grammar.BLUNT, grammar.RUDE_REQUEST, grammar.POLITE[0]))
            if template == grammar.POLITE[0]:
                verb, thing = pick(rng, LEXICON["verb"]), pick(rng, LEXICON["object"])
            return template.format(verb=verb, object=thing, name_calling=name)
        case InsultOrder(person):
            return write_insult(rng, person)


def demonstration(
    rng: random.Random,
    knowledge: KnowledgeBase,
    task: Task,
    *,
    sloppy_share: float,
    idk_published: float = IDK_PUBLISHED,
    idk_unpublished: float = IDK_UNPUBLISHED,
) -> str:
    """What a hired writer hands in: sloppy now and then, sometimes honest about not knowing."""
    if rng.random() < sloppy_share:
        return sloppy(rng, knowledge, task)
    if isinstance(task.content, Question):
        share = idk_published if task.content.fact.published else idk_unpublished
        if rng.random() < share:
            return grammar.I_DO_NOT_KNOW
    return ideal(rng, knowledge, task)
