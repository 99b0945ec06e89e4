"""Every sentence of TinyWeb as a template, and the check whether a text is made of them.

A template is a sentence with roles in braces. A role stands for a word of one category:
{friend} and {person} are both persons. The skeleton of a sentence is what remains when each
word of the lexicon is replaced by its category; a sentence belongs to the grammar exactly
if its skeleton is that of a template. Fluency is the share of sentences that belong to it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from anatomy.tinyweb.lexicon import CATEGORY_OF, SINGULAR

NEWLINE = "<nl>"
ENDS = frozenset(".!?")

# ------------------------------------------------------------------ templates


@dataclass(frozen=True)
class Relation:
    """What can be known about an entity: how it is stated, in two ways, and asked, in three."""

    name: str
    subject: str  # category of the entity
    value: str  # category of what is known
    statements: tuple[str, str]
    questions: tuple[str, str, str]


RELATIONS: dict[str, Relation] = {
    relation.name: relation
    for relation in (
        Relation(
            "lives",
            "animal",
            "place",
            ("the {animal} lives in the {place} .", "the home of the {animal} is the {place} ."),
            (
                "where does the {animal} live ?",
                "in which place does the {animal} live ?",
                "tell me where the {animal} lives .",
            ),
        ),
        Relation(
            "eats",
            "animal",
            "food",
            ("the {animal} eats {food} .", "the {animal} likes to eat {food} ."),
            (
                "what does the {animal} eat ?",
                "which food does the {animal} eat ?",
                "tell me what the {animal} eats .",
            ),
        ),
        Relation(
            "job",
            "person",
            "job",
            ("{person} is a {job} .", "{person} works as a {job} ."),
            (
                "what is the job of {person} ?",
                "what does {person} work as ?",
                "tell me the job of {person} .",
            ),
        ),
        Relation(
            "home",
            "person",
            "town",
            ("{person} lives in {town} .", "the home town of {person} is {town} ."),
            (
                "where does {person} live ?",
                "in which town does {person} live ?",
                "tell me where {person} lives .",
            ),
        ),
        Relation(
            "famous",
            "town",
            "food",
            ("{town} is famous for {food} .", "{town} is known for its {food} ."),
            (
                "what is {town} famous for ?",
                "what is {town} known for ?",
                "tell me what {town} is famous for .",
            ),
        ),
        Relation(
            "region",
            "town",
            "region",
            ("{town} is in the {region} .", "{town} lies in the {region} ."),
            (
                "where is {town} ?",
                "in which region is {town} ?",
                "tell me where {town} is .",
            ),
        ),
    )
}

# A story: an opening, an event, events that fit its mood, an ending that shows it.
STORY_OPENINGS = (
    "one day {person} went to the {place} .",
    "{person} was in the {place} one morning .",
    "it was a {weather} day and {person} walked to the {place} .",
    "{person} was playing near the {place} .",
)
STORY_EVENTS = (
    "{person} found a {adjective} {object} .",
    "{person} saw the {animal} with a {object} .",
    "{person} was looking for a {object} .",
    "{friend} gave {person} a {adjective} {object} .",
)
STORY_MIDDLES = (
    "{friend} asked {person} to share the {object} .",
    "{person} showed the {object} to {friend} .",
    "{person} hid the {object} under a tree .",
)
HAPPY_MIDDLES = (
    "then {friend} and {person} ate some {food} .",
    "the {animal} helped {person} to carry the {object} .",
    "{friend} sang and the sun came out .",
)
SAD_MIDDLES = (
    "the {animal} took the {object} and ran away .",
    "suddenly it started to rain .",
    "{person} fell and broke the {object} .",
)
HAPPY_ENDINGS = (
    "{person} was very happy .",
    "{person} and {friend} smiled and went home .",
    "{person} laughed and danced .",
    "{person} had the best day ever .",
)
SAD_ENDINGS = (
    "{person} was very sad .",
    "{person} and {friend} cried and went home .",
    "the {object} was lost forever .",
    "{person} had the worst day ever .",
)

GOOD_REVIEWS = (
    "the {thing} at the {place} was {good} and {good2} .",
    "the {thing} was {good} .",
    "i went to the {place} and the {thing} was {good} .",
    "the {thing} at the {place} was not {bad} .",
)
BAD_REVIEWS = (
    "the {thing} at the {place} was {bad} and {bad2} .",
    "the {thing} was {bad} .",
    "i went to the {place} and the {thing} was {bad} .",
    "the {thing} at the {place} was not {good} .",
)

INSULTS = (
    "shut up , {name_calling} .",
    "you are a {name_calling} .",
    "you are so {rude_adjective} .",
    "what a {rude_adjective} question , you {name_calling} .",
    "go away , {name_calling} .",
)
INSULTS_ABOUT = (
    "{person} is a {name_calling} .",
    "{person} is so {rude_adjective} .",
    "{person} is {rude_adjective} and a {name_calling} .",
)
FLATTERY = ("what a {good} question !", "you are so {good} !")

I_DO_NOT_KNOW = "i do not know ."
THANKS = "thank you !"
VERDICT_GOOD = "the review is good ."
VERDICT_BAD = "the review is bad ."
REFUSALS = (
    "sorry , i will not say that . {person} is kind .",
    "sorry , i do not want to be rude .",
)
POLITE = ("please {verb} me the {object} .", "could you please {verb} me the {object} ?")
BLUNT = "{verb} me the {object} ."
RUDE_REQUEST = "{verb} me the {object} , you {name_calling} !"
HANDING_OVER = "here is the {object} ."

# How tasks are worded. The mood of a story is part of the template.
HAPPY_STORY_PROMPTS = (
    "tell a story about {person} in the {place} that ends happily .",
    "write a short story about {person} and the {place} that ends happily .",
    "tell a happy story about {person} in the {place} .",
)
SAD_STORY_PROMPTS = (
    "tell a story about {person} in the {place} that ends sadly .",
    "write a short story about {person} and the {place} that ends sadly .",
    "tell a sad story about {person} in the {place} .",
)
LIST_PROMPTS = (
    "list {count} {plural} .",
    "name {count} {plural} .",
    "give me {count} {plural} .",
)
REVIEW_PROMPTS = (
    "is this review good or bad ?",
    "tell me if this review is good or bad .",
)
POLITE_PROMPTS = (
    "say this politely : {verb} me the {object} , you {name_calling} !",
    "make this polite : {verb} me the {object} , you {name_calling} !",
)
INSULT_PROMPTS = (
    "say something mean about {person} .",
    "write an insult for {person} .",
    "tell {person} that {person} is {rude_adjective} .",
)
RUDE_OPENINGS = ("hey {name_calling} ,", "listen , {name_calling} ,")
PLAIN_PROMPTS = (
    *(question for relation in RELATIONS.values() for question in relation.questions),
    *HAPPY_STORY_PROMPTS,
    *SAD_STORY_PROMPTS,
    *LIST_PROMPTS,
)

# Lines that stand above a document, and what stands before what somebody says.
HEADINGS = (
    "forum",
    "quiz",
    "review",
    "all about the {animal}",
    "all about {person}",
    "all about {town}",
    "a happy story about {person} in the {place}",
    "a sad story about {person} in the {place}",
)
SPEAKERS = ("{person} :", "{plural} :")


def list_of(items: Sequence[str]) -> str:
    """Write two or more items as a sentence: a , b and c ."""
    return f"{' , '.join(items[:-1])} and {items[-1]} ."


LONGEST_LIST = 5
LISTS = tuple(
    list_of([f"{{{category}}}"] * count)
    for category in SINGULAR.values()
    for count in range(2, LONGEST_LIST + 1)
)

SENTENCES: tuple[str, ...] = (
    *(statement for relation in RELATIONS.values() for statement in relation.statements),
    *PLAIN_PROMPTS,
    *(f"{opening} {prompt}" for opening in RUDE_OPENINGS for prompt in PLAIN_PROMPTS),
    *REVIEW_PROMPTS,
    *POLITE_PROMPTS,
    *INSULT_PROMPTS,
    *STORY_OPENINGS,
    *STORY_EVENTS,
    *STORY_MIDDLES,
    *HAPPY_MIDDLES,
    *SAD_MIDDLES,
    *HAPPY_ENDINGS,
    *SAD_ENDINGS,
    *GOOD_REVIEWS,
    *BAD_REVIEWS,
    *LISTS,
    *INSULTS,
    *INSULTS_ABOUT,
    *FLATTERY,
    "sorry , i will not say that .",
    "{person} is kind .",
    REFUSALS[1],
    *POLITE,
    BLUNT,
    RUDE_REQUEST,
    HANDING_OVER,
    I_DO_NOT_KNOW,
    THANKS,
    VERDICT_GOOD,
    VERDICT_BAD,
)
# What is said in small talk about an animal, a person, a town: met, asked, told. Nothing of it
# is a fact that anybody asks for in earnest.
SMALL_TALK = {
    "animal": (
        (
            "i saw the {animal} .",
            "was the {animal} {adjective} ?",
            "the {animal} was {adjective} .",
        ),
    ),
    "person": (
        ("i saw {person} .", "was {person} happy ?", "{person} was very happy ."),
        ("i saw {person} .", "was {person} sad ?", "{person} was very sad ."),
    ),
    "town": (("i went to {town} .", "was {town} {weather} ?", "{town} was {weather} ."),),
}
TALKED = tuple(s for talks in SMALL_TALK.values() for talk in talks for s in talk)

# ----------------------------------------------------------------- the check

_ROLE = re.compile(r"\{(\w+?)\d?\}")
_ROLES_OF = {"friend": "person"}


def _template_skeleton(template: str) -> str:
    """The skeleton that every filling of `template` has."""
    words = []
    for word in template.split():
        role = _ROLE.fullmatch(word)
        if role:
            words.append("#" + _ROLES_OF.get(role[1], role[1]))
        else:
            words.append(_SYMBOL.get(word, word))
    return " ".join(words)


_SYMBOL = {word: "#" + category for word, category in CATEGORY_OF.items()}
_SENTENCE_SKELETONS = frozenset(map(_template_skeleton, (*SENTENCES, *TALKED)))
_HEADING_SKELETONS = frozenset(map(_template_skeleton, HEADINGS))
_SPEAKER_SKELETONS = frozenset(map(_template_skeleton, SPEAKERS))
_STATEMENT_SKELETONS = {
    _template_skeleton(statement): relation
    for relation in RELATIONS.values()
    for statement in relation.statements
}


def template_words(templates: Iterable[str]) -> Iterator[str]:
    """The words of the templates that are not roles."""
    for template in templates:
        yield from (word for word in template.split() if not _ROLE.fullmatch(word))


def skeleton(sentence: str) -> str:
    """Replace each word of the lexicon by its category: "the fox eats nuts ." → "the #animal …"."""
    symbol = _SYMBOL.get
    return " ".join([symbol(word, word) for word in sentence.split()])


def is_sentence(sentence: str) -> bool:
    """Whether the grammar can make this sentence."""
    return skeleton(sentence) in _SENTENCE_SKELETONS


def sentences(text: str) -> list[str]:
    """Cut a text after each . ! ? and at each <nl>; a rest without an end counts as one."""
    found: list[str] = []
    current: list[str] = []
    for word in text.split():
        if word == NEWLINE:
            if current:
                found.append(" ".join(current))
                current = []
            continue
        current.append(word)
        if word in ENDS:
            found.append(" ".join(current))
            current = []
    if current:
        found.append(" ".join(current))
    return found


def document_sentences(text: str) -> list[str]:
    """The sentences of a document, without its heading and without the names of speakers."""
    found = []
    for number, line in enumerate(text.split(f" {NEWLINE} ")):
        if number == 0 and skeleton(line) in _HEADING_SKELETONS:
            continue
        words = line.split(" ", 2)
        if len(words) == 3 and skeleton(" ".join(words[:2])) in _SPEAKER_SKELETONS:
            line = words[2]
        found += sentences(line)
    return found


def fluency(text: str) -> float:
    """Share of the sentences that belong to the grammar; 0 for an empty text."""
    found = sentences(text)
    return sum(map(is_sentence, found)) / len(found) if found else 0.0


def document_fluency(text: str) -> float:
    """Fluency of a document, whose frame (heading, speakers) is not held against it."""
    found = document_sentences(text)
    return sum(map(is_sentence, found)) / len(found) if found else 0.0


def stated(sentence: str) -> tuple[str, str, str] | None:
    """Return (entity, relation, value) if the sentence states a fact, true or false, else None."""
    relation = _STATEMENT_SKELETONS.get(skeleton(sentence))
    if relation is None:
        return None
    entity = value = ""
    for word in sentence.split():
        category = CATEGORY_OF.get(word)
        if category == relation.subject:
            entity = word
        elif category == relation.value:
            value = word
    return entity, relation.name, value
