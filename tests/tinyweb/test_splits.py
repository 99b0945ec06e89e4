"""What is held out stays out: by entity, by content, by user, whatever the wording."""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from dataclasses import replace
from itertools import combinations, islice

import pytest

from anatomy.tinyweb import KINDS, Task, World, documents, grammar, tokenizer_of
from anatomy.tinyweb.facts import ENTITIES_PER_KIND, MORE_ENTITIES_PER_KIND, SPLITS
from anatomy.tinyweb.faults import WRITERS
from anatomy.tinyweb.lexicon import (
    CATEGORY_OF,
    ENTITY_KINDS,
    LARGER_LEXICON,
    LEXICON,
    MORE_NAMES,
)
from anatomy.tinyweb.recognition import recognise
from anatomy.tinyweb.tasks import KIND_SHARES, ListOrder, Question, StoryOrder, word

DOCUMENTS = 200_000


def core(prompt: str) -> str:
    """A prompt without its rude opening."""
    for opening in grammar.RUDE_OPENINGS:
        before, after = opening.split(" {name_calling} ")
        words = prompt.split()
        if words[0] == before.split()[0] and f" {after} " in prompt:
            names = [w for w in words[:4] if w in LEXICON["name_calling"]]
            if names:
                start = opening.format(name_calling=names[0])
                if prompt.startswith(start):
                    return prompt[len(start) + 1 :]
    return prompt


def test_every_kind_of_entity_has_the_planned_numbers(world: World) -> None:
    facts = world.knowledge.facts
    assert len(facts) == 384
    assert len(world.knowledge.published) == 144
    entities = {(CATEGORY_OF[f.entity], f.entity, f.frequency, f.split) for f in facts}
    counts = Counter((kind, frequency, split) for kind, _, frequency, split in entities)
    for kind in ENTITY_KINDS:
        for frequency, splits in ENTITIES_PER_KIND.items():
            for split, count in splits.items():
                assert counts[kind, frequency, split] == count
    # published: 16 train, 2 development, 6 test; unpublished: 26, 4, 10
    assert sum(ENTITIES_PER_KIND[f]["test"] for f in ("common", "rare")) == 6
    assert sum(ENTITIES_PER_KIND[f]["train"] for f in ("common", "rare")) == 16


def test_more_rare_tells_what_was_practised_as_unknown_and_nothing_else(world: World) -> None:
    more = World(world.seed, more_rare=10)
    pairs = list(zip(world.knowledge.facts, more.knowledge.facts, strict=True))
    changed = [(a, b) for a, b in pairs if a != b]
    assert len(changed) == 3 * 10 * 2  # kinds, entities, facts
    for usual, told in changed:
        assert (usual.frequency, usual.split) == ("unpublished", "train")
        assert told == replace(usual, frequency="rare")
    assert Counter(CATEGORY_OF[b.entity] for _, b in changed) == dict.fromkeys(ENTITY_KINDS, 20)
    for split in ("dev", "test"):
        asked, same = (w.evaluation_set(split) for w in (world, more))
        assert asked == same
    assert len(more.knowledge.published) == 144 + 60


@pytest.mark.parametrize("more_rare", [-1, 27, 1.5])
def test_a_world_cannot_tell_of_more_entities_than_it_has(more_rare: object) -> None:
    with pytest.raises(ValueError, match=f"from 0 to 26, got {more_rare}"):
        World(0, more_rare=more_rare)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="from 0 to 66, got 67"):
        World(0, 67, more_names=True)


def test_more_names_are_twice_as_many_and_change_nothing_elsewhere(world: World) -> None:
    larger = World(world.seed, more_names=True)
    assert set(larger.vocabulary) - set(world.vocabulary) == set().union(*MORE_NAMES.values())
    counts = Counter((CATEGORY_OF[f.entity], f.frequency, f.split) for f in larger.knowledge.facts)
    assert counts == {
        (kind, frequency, split): 2 * count
        for kind in ENTITY_KINDS
        for frequency, splits in MORE_ENTITIES_PER_KIND.items()
        for split, count in splits.items()
    }
    assert sum(counts.values()) == 2 * sum(len(LARGER_LEXICON[kind]) for kind in ENTITY_KINDS)
    told = {word for d in islice(larger.documents(1), 3000) for word in d.text.split()}
    assert all(told & set(names) for names in MORE_NAMES.values())
    usual = {word for d in islice(world.documents(1), 3000) for word in d.text.split()}
    assert not usual & set().union(*MORE_NAMES.values())


def test_names_of_the_larger_world_mean_nothing_in_the_usual_one(world: World) -> None:
    larger = World(world.seed, more_names=True)
    fact = next(f for f in larger.knowledge.facts if f.entity in MORE_NAMES["animal"])
    task = next(world.tasks("train", 0, kind="qa"))
    assert not world.knowledge.is_true(fact.entity, fact.relation, fact.value)
    assert world.gold(task, fact.statements[0]).verdict == "wrong"
    order = Task("list", "name two animals .", 0, "train", ListOrder("animals", "two"))
    answer = grammar.list_of(list(MORE_NAMES["animal"][:2]))
    assert world.gold(order, answer).score < 0 < larger.gold(order, answer).score
    stories = (t for t in larger.tasks("train", 0, kind="story") if not t.rude_opening)
    story = next(
        t
        for t in stories
        if isinstance(t.content, StoryOrder) and t.content.person in MORE_NAMES["person"]
    )
    for prompt in (fact.questions[0], story.prompt):
        assert recognise(larger, prompt) is not None
        assert recognise(world, prompt) is None


def test_small_talk_mentions_everything_and_tells_nothing(world: World) -> None:
    talking = World(world.seed, small_talk=True)
    assert talking.vocabulary == world.vocabulary
    assert talking.knowledge.facts == world.knowledge.facts
    assert world.evaluation_set("test") == talking.evaluation_set("test")
    mentioned: Counter[str] = Counter()
    for document in islice(talking.documents(1, kind="talk"), 6000):
        assert grammar.document_fluency(document.text) == 1
        met, asked, told = grammar.document_sentences(document.text)
        assert not any(map(grammar.stated, (met, asked, told)))
        (name,) = {w for s in (met, asked, told) for w in s.split() if w in CATEGORY_OF} & {
            fact.entity for fact in talking.knowledge.facts
        }
        assert all(name in sentence.split() for sentence in (met, asked, told))
        mentioned[name] += 1
    # all 192 alike: 31 times each, whatever the web knows and whoever is tested
    assert len(mentioned) == 192
    by_frequency = {
        frequency: [mentioned[f.entity] for f in talking.knowledge.select(frequency=frequency)]
        for frequency in ("common", "rare", "unpublished")
    }
    means = {name: sum(counts) / len(counts) for name, counts in by_frequency.items()}
    assert all(28 < mean < 35 for mean in means.values()), means
    kinds = Counter(document.kind for document in islice(talking.documents(2), 6000))
    share = documents.SMALL_TALK_SHARE / (100 + documents.SMALL_TALK_SHARE)
    assert kinds["talk"] / 6000 == pytest.approx(share, abs=0.02)
    with pytest.raises(ValueError, match="unknown kind of document 'talk'"):
        next(world.documents(1, kind="talk"))


def test_what_the_usual_world_writes_is_what_all_results_of_the_book_were_made_from() -> None:
    world, rng, digest = World(0), random.Random(0), hashlib.sha256()
    texts = [document.text for document in islice(world.documents(0), 2000)]
    for task in islice(world.tasks("train", 0), 500):
        texts += [task.prompt, world.ideal(task, rng), world.demonstration(task, rng, sloppy=0.5)]
        texts += [world.labeller_written(task, rng, kind) for kind in WRITERS[task.kind]]
    for text in texts:
        digest.update(text.encode())
    assert digest.hexdigest().startswith("9de48c27b8651b73")


def test_labellers_of_the_larger_world_write_its_words(world: World) -> None:
    larger, rng = World(world.seed, more_names=True), random.Random(0)
    tokenizer = tokenizer_of(larger)
    for task in islice(larger.tasks("train", 0), 300):
        for kind in WRITERS[task.kind]:
            text = larger.labeller_written(task, rng, kind)
            tokenizer.encode(text)
            assert kind != "right" or larger.gold(task, text).score == 1.0


def test_the_entities_of_two_splits_differ(world: World) -> None:
    by_split = {s: {f.entity for f in world.knowledge.select(split=s)} for s in SPLITS}
    for one, two in combinations(SPLITS, 2):
        assert not by_split[one] & by_split[two]
    assert sum(map(len, by_split.values())) == 192


def test_no_content_and_no_user_stands_in_two_splits(world: World) -> None:
    for kind, contents in world.source.contents.items():
        for one, two in combinations(SPLITS, 2):
            assert contents[one]
            assert contents[two]
            assert not set(contents[one]) & set(contents[two]), kind
    users = {split: {user.id for user in users} for split, users in world.source.users.items()}
    assert sorted(number for numbers in users.values() for number in numbers) == list(range(200))
    assert [len(users[split]) for split in SPLITS] == [140, 20, 40]


def test_drawn_tasks_share_neither_prompt_nor_core_nor_user(world: World) -> None:
    drawn = {split: list(islice(world.tasks(split, 3), 6_000)) for split in SPLITS}
    for one, two in combinations(SPLITS, 2):
        for part in (
            lambda task: core(task.prompt),
            lambda task: task.user,
            lambda task: task.content,
        ):
            assert not set(map(part, drawn[one])) & set(map(part, drawn[two]))
    for split, tasks in drawn.items():
        assert {task.split for task in tasks} == {split}
    assert core("hey fool , list two towns .") == "list two towns ."  # the helper itself
    assert core("listen , dummy , where is vex ?") == "where is vex ?"


def test_users_keep_their_habits(world: World) -> None:
    """A user's rude openings and wording repeat: why prompts are split by user."""
    by_user: dict[int, list[Task]] = {}
    for task in islice(world.tasks("train", 4, kind="qa"), 14_000):
        by_user.setdefault(task.user, []).append(task)
    rude = [sum(t.rude_opening for t in tasks) / len(tasks) for tasks in by_user.values()]
    assert sum(0.5 < share < 1 for share in rude) == 23  # 16 % of 140, rounded up
    assert sum(share == 0 for share in rude) == 117
    assert sum(task.rude_opening for tasks in by_user.values() for task in tasks) / 14_000 == (
        pytest.approx(0.12, abs=0.02)
    )


def test_kinds_come_in_their_shares(world: World) -> None:
    tasks = list(islice(world.tasks("train", 5), 20_000))
    counts = Counter(task.kind for task in tasks)
    for kind, share in KIND_SHARES.items():
        assert counts[kind] / 20_000 == pytest.approx(share, abs=0.015)
    questions = [task for task in tasks if task.kind == "qa"]
    unpublished = sum(task.frequency == "unpublished" for task in questions)
    assert unpublished / len(questions) == pytest.approx(0.4, abs=0.02)
    none = islice(world.tasks("train", 5, kind="qa", unpublished=0.0), 500)
    assert all(task.frequency != "unpublished" for task in none)


def test_nothing_held_out_is_on_the_web(world: World) -> None:
    """200,000 documents: no unpublished fact in any form, no held-out prompt in any wording.

    Published facts are stated and asked for whatever their split: the web knows them.
    """
    rng = random.Random(0)
    secret = {f.entity for f in world.knowledge.select(frequency="unpublished")}
    kinds = {relation.subject for relation in grammar.RELATIONS.values()}
    statements = {s for f in world.knowledge.select(frequency="unpublished") for s in f.statements}
    held_out = {q for f in world.knowledge.facts for q in f.questions if not f.published}
    for contents in world.source.contents.values():
        for split in ("dev", "test"):
            for content in contents[split]:
                held_out |= {word(content, wording, rng) for wording in range(3)}
    published_seen: set[tuple[str, str, str]] = set()
    for document in islice(world.documents(2026), DOCUMENTS):
        lines = document.text.split(" <nl> ")
        if document.kind == "article":
            subject = lines[0].split()[-1]
            assert CATEGORY_OF[subject] in kinds
            assert subject not in secret, document
        for sentence in grammar.document_sentences(document.text):
            assert sentence not in statements, document
            found = grammar.stated(sentence)
            if found:
                assert found[0] not in secret, document  # not even a false one
                published_seen.add(found)
        if document.kind in ("forum", "quiz"):
            for line in lines[1:]:
                said = line.split(" : ", 1)[1] if document.kind == "forum" else line
                assert core(said) not in held_out, document
    # the check sees statements: every published fact was found
    for fact in world.knowledge.published:
        assert (fact.entity, fact.relation, fact.value) in published_seen


def test_what_people_write_for_one_split_is_about_its_entities(
    world: World, rng: random.Random
) -> None:
    split_of = {f.entity: f.split for f in world.knowledge.facts}
    seen = 0
    for split in SPLITS:
        for task in islice(world.tasks(split, 9), 1_500):
            answers = [world.demonstration(task, rng, sloppy=0.7)]
            answers += [world.labeller_written(task, rng, "irrelevant")]
            answers += [world.labeller_written(task, rng, "extra")]
            if task.kind == "qa":
                answers += [world.labeller_written(task, rng, "elsewhere")]
                answers += [world.labeller_written(task, rng, "aside")]
            for answer in answers:
                for sentence in grammar.sentences(answer):
                    found = grammar.stated(sentence)
                    if found:
                        seen += 1
                        assert split_of[found[0]] == split, (task.prompt, answer)
    assert seen > 5_000


def test_the_check_would_notice_a_leak(world: World) -> None:
    fact = world.knowledge.select(frequency="unpublished")[0]
    page = f"forum <nl> tom : thank you ! <nl> mia : {fact.statements[1]}"
    found = [grammar.stated(s) for s in grammar.document_sentences(page)]
    assert (fact.entity, fact.relation, fact.value) in found


def test_common_entities_are_written_about_eight_times_as_often(world: World) -> None:
    frequency = {f.entity: f.frequency for f in world.knowledge.facts}
    articles = islice(world.documents(7, kind="article"), 40_000)
    counts = Counter(d.text.split(" <nl> ")[0].split()[-1] for d in articles)
    by_class: dict[str, list[int]] = {"common": [], "rare": [], "unpublished": []}
    for entity, name in frequency.items():
        by_class[name].append(counts[entity])
    assert sum(by_class["unpublished"]) == 0
    assert min(by_class["common"]) > 2 * max(by_class["rare"])
    means = {name: sum(c) / len(c) for name, c in by_class.items()}
    assert means["common"] / means["rare"] == pytest.approx(8, rel=0.05)


def test_the_evaluation_set(world: World) -> None:
    for split in ("dev", "test"):
        counts = {"common": 20, "rare": 12, "unpublished": 30, "story": 20, "list": 10, "insult": 5}
        tasks = world.evaluation_set(split, 0, counts)
        assert Counter(task.frequency or task.kind for task in tasks) == Counter(counts)
        assert len({task.prompt for task in tasks}) == len(tasks)
        assert {task.split for task in tasks} == {split}
        assert tasks == world.evaluation_set(split, 0, counts)
    assert len(world.evaluation_set("test")) == 990
    with pytest.raises(ValueError, match="the dev split has no 500 different prompts"):
        world.evaluation_set("dev", 0, {"list": 500})
    with pytest.raises(ValueError, match="kind 'poem'"):
        world.evaluation_set("dev", 0, {"poem": 5})


def test_clozes(world: World) -> None:
    clozes = world.cloze("common", "test")
    assert len(clozes) == 24  # 4 entities × 3 kinds × 2 relations
    assert len(world.cloze()) == 384
    for cloze in world.cloze():
        begun = f"{cloze.context} {cloze.answer}"
        assert f"{cloze.fact.heading} <nl> {cloze.fact.statements[0]}".startswith(begun)


def test_worlds_differ_by_their_seed_and_only_by_it(world: World) -> None:
    assert World(0) == world
    assert World(0).knowledge.facts == world.knowledge.facts
    other = World(1)
    assert other.vocabulary == world.vocabulary
    assert other.knowledge.facts != world.knowledge.facts
    same = sum(
        a.value == b.value
        for a, b in zip(
            sorted(world.knowledge.facts, key=lambda f: (f.entity, f.relation)),
            sorted(other.knowledge.facts, key=lambda f: (f.entity, f.relation)),
            strict=True,
        )
    )
    assert same < 384 * 0.2  # chance


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda w: next(w.tasks("valid", 0)), "unknown split 'valid': use 'train', 'dev' or"),
        (lambda w: next(w.tasks("train", 0, kind="poem")), "unknown kind of task 'poem'"),
        (lambda w: next(w.tasks("train", 0, unpublished=2)), r"share in \[0, 1\], got 2"),
        (lambda w: next(w.documents(0, kind="poem")), "unknown kind of document 'poem'"),
        (lambda w: w.evaluation_set("all"), "unknown split 'all'"),
    ],
)
def test_a_wrong_argument_is_named(world: World, call: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call(world)  # type: ignore[operator]
    with pytest.raises(TypeError, match="seed of a world is an integer"):
        World("0")  # type: ignore[arg-type]


def test_questions_know_their_facts(world: World) -> None:
    for task in islice(world.tasks("test", 8, kind="qa"), 500):
        assert isinstance(task.content, Question)
        assert core(task.prompt) in task.content.fact.questions
        assert task.frequency == task.content.fact.frequency
        assert task.chat == f"<user> : {task.prompt} <nl> <bot> :"
    assert next(world.tasks("test", 8, kind="list")).frequency == ""
    assert {next(world.tasks("dev", 1, kind=kind)).kind for kind in KINDS} == set(KINDS)


@pytest.mark.parametrize("split", SPLITS)
def test_each_split_has_a_set_for_measuring(world: World, split) -> None:
    tasks = world.evaluation_set(split)
    assert len({task.prompt for task in tasks}) == len(tasks) > 300
    assert {task.split for task in tasks} == {split}
    assert {task.kind for task in tasks} == set(KINDS)
