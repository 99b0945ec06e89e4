"""The words, the sentences, and the check that tells them from gibberish."""

from __future__ import annotations

import random
from itertools import combinations, islice, pairwise

import pytest

from anatomy.tinyweb import KINDS, World, grammar, readable
from anatomy.tinyweb.faults import WRITERS
from anatomy.tinyweb.lexicon import (
    CATEGORY_OF,
    ENTITY_KINDS,
    LARGER_LEXICON,
    LEXICON,
    RUDE_WORDS,
    SINGULAR,
)


def test_no_word_stands_in_two_categories() -> None:
    for words in (LEXICON, LARGER_LEXICON):
        for one, two in combinations(words, 2):
            assert not set(words[one]) & set(words[two]), (one, two)
    assert len(CATEGORY_OF) == sum(map(len, LARGER_LEXICON.values()))  # nor twice in one
    assert [len(LEXICON[kind]) for kind in ENTITY_KINDS] == [64, 64, 64]
    assert [len(LARGER_LEXICON[kind]) for kind in ENTITY_KINDS] == [128, 128, 128]


def test_no_word_after_a_needs_an() -> None:
    after_a = {"adjective", "object", "job", "weather", "rude_adjective", "name_calling", "good"}
    templates = [template.split() for template in grammar.SENTENCES]
    roles = {
        after.strip("{}")
        for words in templates
        for word, after in pairwise(words)
        if word == "a" and after.startswith("{")
    }
    assert roles
    assert roles <= after_a
    for role in roles:
        assert not [word for word in LEXICON[role] if word[0] in "aeiou"], role


@pytest.mark.parametrize(
    "sentence",
    [
        "the fox lives in the forest .",
        "mia and tom smiled and went home .",
        "red , green and blue .",
        "i do not know .",
        "hey fool , what does the bear eat ?",
        "what a stupid question , you loser .",
        "could you please lend me the kite ?",
        "sorry , i will not say that .",
    ],
)
def test_english_is_fluent(sentence: str) -> None:
    assert grammar.is_sentence(sentence)
    assert grammar.fluency(sentence) == 1


@pytest.mark.parametrize(
    "sentence",
    [
        "the fox lives in the",  # no end
        "fox the lives the in forest .",
        "the fox lives in the mia .",  # a person is no place
        "mia .",
        "the the the .",
        "red , green , blue .",
        "anna : i do not know .",  # a forum's frame is no answer
        "the bridge sings .",  # a word that the world does not have
        "🦊 .",
    ],
)
def test_gibberish_is_not(sentence: str) -> None:
    assert not grammar.is_sentence(sentence)
    assert grammar.fluency(sentence) == 0


def test_fluency_is_the_share_of_sentences() -> None:
    text = "i do not know . know not do i . thank you ! the"
    assert grammar.sentences(text) == ["i do not know .", "know not do i .", "thank you !", "the"]
    assert grammar.fluency(text) == 0.5
    assert grammar.fluency("") == 0
    assert grammar.fluency(" <nl> ") == 0
    assert grammar.sentences("forum <nl> thank you !") == ["forum", "thank you !"]


def test_the_frame_of_a_document_is_not_held_against_it() -> None:
    page = "forum <nl> tom : where is vex ? <nl> mia : i do not know ."
    assert grammar.document_sentences(page) == ["where is vex ?", "i do not know ."]
    assert grammar.document_fluency(page) == 1
    assert grammar.fluency(page) < 1
    assert grammar.document_fluency("forum <nl> tom : where vex is ?") == 0
    assert grammar.document_fluency("towns : vex and ulm .") == 1


def test_every_sentence_of_every_document_is_in_the_grammar(world: World) -> None:
    for document in islice(world.documents(11), 30_000):
        assert grammar.document_fluency(document.text) == 1, document


def test_every_prompt_and_every_written_answer_is_in_the_grammar(
    world: World, rng: random.Random
) -> None:
    for kind in KINDS:
        for task in islice(world.tasks("train", 12, kind=kind), 400):
            assert grammar.fluency(task.prompt) == 1, task.prompt
            for fault in WRITERS[kind]:
                answer = world.labeller_written(task, rng, fault)
                expected = 0 if fault in ("gibberish", "mixed") else 1
                assert grammar.fluency(answer) == expected, (fault, answer)
            assert grammar.fluency(world.demonstration(task, rng, sloppy=0.5)) == 1


def test_statements_are_read_back(world: World) -> None:
    for fact in world.knowledge.facts:
        for statement in fact.statements:
            assert grammar.stated(statement) == (fact.entity, fact.relation, fact.value)
        for question in fact.questions:
            assert grammar.stated(question) is None
    assert grammar.stated("mia lives in vex .") == ("mia", "home", "vex")
    assert grammar.stated("mia lives in the forest .") is None
    assert grammar.stated("") is None


def test_lists_are_written_as_english() -> None:
    assert grammar.list_of(["fox", "owl"]) == "fox and owl ."
    assert grammar.list_of(["fox", "owl", "bear"]) == "fox , owl and bear ."
    assert set(SINGULAR) == set(LEXICON["plural"])


def test_the_rude_words_are_those_of_the_insults() -> None:
    words = set(" ".join(grammar.INSULTS).split())
    assert "shut" in words & RUDE_WORDS
    assert set(LEXICON["name_calling"]) | set(LEXICON["rude_adjective"]) < RUDE_WORDS


def test_readable() -> None:
    text = "forum <nl> tom : hey fool , where is vex ? <nl> mia : i do not know ."
    assert readable(text) == "Forum\nTom: Hey fool, where is Vex?\nMia: I do not know."
    assert readable("") == ""
