"""Words to numbers and back, and the stream of batches."""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import sys
from itertools import islice

import pytest
import torch

from anatomy.tinyweb import KINDS, WordTokenizer, World, token_stream, tokenizer_of
from anatomy.tinyweb.tokenizer import SPECIALS


def test_the_vocabulary(world: World, tokenizer: WordTokenizer) -> None:
    assert 440 <= len(tokenizer) <= 500
    assert tokenizer.words[:9] == SPECIALS
    assert tokenizer.encode(" ".join(SPECIALS)) == list(range(9))
    assert (tokenizer.eos_id, tokenizer.nl_id, tokenizer.unk_id, tokenizer.mask_id) == (0, 1, 4, 8)
    assert len(set(tokenizer.words)) == len(tokenizer)


def test_round_trip_of_every_document_prompt_and_answer(
    world: World, tokenizer: WordTokenizer, rng: random.Random
) -> None:
    texts = [document.text for document in islice(world.documents(5), 20_000)]
    for task in islice(world.tasks("test", 5), 2_000):
        texts += [task.chat, world.ideal(task, rng), world.demonstration(task, rng, sloppy=1.0)]
    used = set()
    for text in texts:
        ids = tokenizer.encode(text)
        used.update(ids)
        assert tokenizer.decode(ids) == text
    # no dead words: the web and the tasks use the whole vocabulary
    assert set(range(len(tokenizer))) - used <= set(range(9))


def test_ordinary_writing_is_understood(tokenizer: WordTokenizer) -> None:
    ids = tokenizer.encode("Where does Mia live?\n")
    assert tokenizer.decode(ids) == "where does mia live ?"
    assert tokenizer.encode("I DO NOT KNOW.") == tokenizer.encode("i do not know .")
    assert tokenizer.encode("") == []
    assert tokenizer.decode([]) == ""
    assert tokenizer.decode(torch.tensor([0, 1])) == "<eos> <nl>"


@pytest.mark.parametrize(
    "text", ["the 🦊 lives", "naïve", "the fox's", "a\u200bb", "42", "<system>"]
)
def test_unknown_words_give_a_sentence_or_unk(world: World, text: str) -> None:
    with pytest.raises(ValueError, match=r"TinyWeb has no word .* unknown='replace'") as caught:
        tokenizer_of(world).encode(text)
    assert "\n" not in str(caught.value)
    lenient = tokenizer_of(world, unknown="replace")
    assert lenient.unk_id in lenient.encode(text)
    assert "<unk>" in lenient.decode(lenient.encode(text))


def test_odd_input_is_named(tokenizer: WordTokenizer) -> None:
    with pytest.raises(TypeError, match="only a text can be encoded, got NoneType"):
        tokenizer.encode(None)  # type: ignore[arg-type]
    for numbers in ([len(tokenizer)], [-1], torch.tensor([3, 10_000])):
        with pytest.raises(ValueError, match="token numbers lie in 0"):
            tokenizer.decode(numbers)
    with pytest.raises(ValueError, match="twice"):
        WordTokenizer(["fox", "fox"])
    with pytest.raises(ValueError, match="'error' or 'replace'"):
        WordTokenizer(["fox"], unknown="ignore")  # type: ignore[arg-type]


def test_the_stream_is_the_documents_one_after_another(
    world: World, tokenizer: WordTokenizer
) -> None:
    stream = token_stream(world, tokenizer, 9, batch_size=3, length=50)
    batches = list(islice(stream, 20))
    assert all(batch.shape == (3, 50) and batch.dtype == torch.int64 for batch in batches)
    flat = torch.cat([batch.flatten() for batch in batches])
    pages = [f"<eos> {document.text}" for document in islice(world.documents(9), 400)]
    expected = tokenizer.encode(" ".join(pages))[: 20 * 150]
    assert flat.tolist() == expected
    only = next(token_stream(world, tokenizer, 9, batch_size=1, length=64, kind="list"))
    assert tokenizer.index["forum"] not in only


@pytest.mark.parametrize(("batch_size", "length"), [(0, 8), (1, 1)])
def test_a_batch_without_room_is_named(
    world: World, tokenizer: WordTokenizer, batch_size: int, length: int
) -> None:
    with pytest.raises(ValueError, match=rf"got \({batch_size}, {length}\)"):
        next(token_stream(world, tokenizer, 0, batch_size=batch_size, length=length))


DIGEST = """
import hashlib, json, random
from itertools import islice
from anatomy.tinyweb import KINDS, Labeller, World
world = World(3)
rng = random.Random(1)
said = [d.text for d in islice(world.documents(4), 300)]
for split in ("train", "test"):
    for task in islice(world.tasks(split, 5), 200):
        said += [task.prompt, task.user, world.demonstration(task, rng)]
        said += [world.labeller_written(task, rng), world.gold(task, said[-1]).score]
labeller = Labeller(world, seed=2)
said += [labeller.rank_utilities([0.1, 0.2, 0.3]) for _ in range(50)]
said += [[user.id for user in users] for users in world.source.users.values()]
said += list(world.vocabulary)
print(hashlib.sha256(json.dumps(said).encode()).hexdigest())
"""


def test_every_process_makes_the_same_world() -> None:
    """Sets and hashes are salted by process: nothing may depend on their order."""
    digests = set()
    for salt in ("0", "4242"):
        answer = subprocess.run(
            [sys.executable, "-c", DIGEST],
            env={**os.environ, "PYTHONHASHSEED": salt},
            capture_output=True,
            text=True,
            check=True,
        )
        digests.add(answer.stdout)
    assert len(digests) == 1


def test_seeds_make_different_streams(world: World) -> None:
    def pages(seed: int) -> str:
        texts = [document.text for document in islice(world.documents(seed), 50)]
        return hashlib.sha256(json.dumps(texts).encode()).hexdigest()

    assert pages(1) == pages(1)
    assert pages(1) != pages(2)
    prompts = [next(world.tasks("train", seed)).prompt for seed in range(30)]
    assert len(set(prompts)) > 20
    assert len(KINDS) == 6
