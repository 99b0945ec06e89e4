"""Byte-pair encoding: by hand, and against the `tokenizers` library."""

from __future__ import annotations

import json
import random

import pytest

from anatomy.models.bpe import BytePairTokenizer, byte_signs, cut, learn_merges, merge

CORPUS = [
    "The lion lives in the hills. The lion's friend doesn't; they've 23 fish, 230 birds!\n" * 3,
    "aaaa aaa aa a  aaaaa\t\taaaa\n\n  banana bandana cabana\r\n",
    "Größe, naïve café — 北京 and 東京; 😀😀 👩‍👩‍👧 ½ ² Ⅷ ٣٤٥ हिन्दी \u2003 x",
    "if x == y: return [x, y]  # ==== \u00a0",
]

ODD = [
    "",
    " ",
    "   three  spaces   ",
    "tab\tand\nnewline\r\n \n",
    "I'll we'd they're I'm 's 'S ''ll it’s",
    "a\u0301 é e\u0301 ﬁ ǅ ß İ",
    "x²½Ⅷ٣〇一百",
    "👩‍👩‍👧‍👦🇩🇪🏽️ \u200d\ufe0f",
    "\u00a0\u2003\u3000\u2028\u2029\x85\x0b\x0c",
    "\x00\x1c\x1d\x1e\x1f\x7f\ufeff\ufffd",
    "العربية עברית हिन्दी ไทย 한국어",
    "𝔘𝔫𝔦 𐍈 𠀀 \U000e0041 \U0010ffff",
    "_under_score_ snake_1 3.14 1,000",
]


def strings(count: int = 400) -> list[str]:
    """Random mixtures of everything that Unicode had when Python 3.11 was made (14.0)."""
    rng = random.Random(4)
    pools = [(32, 127), (0, 0x250), (0x2000, 0x2070), (0x3000, 0x3100), (0x1F600, 0x1F650)]
    pools += [(0x370, 0x530), (0x600, 0x700), (0x900, 0xA00), (9, 14), (0x4E00, 0x4F00)]

    def sign() -> str:
        return chr(rng.randrange(*rng.choice(pools)))

    return ["".join(sign() for _ in range(rng.randrange(1, 24))) for _ in range(count)]


def test_merging_by_hand():
    assert merge([1, 1, 1, 2, 1, 1], (1, 1), 9) == [9, 1, 2, 9]
    assert merge([1, 2, 1, 2], (1, 2), 9) == [9, 9]
    assert merge([], (1, 2), 9) == []


def test_learning_by_hand():
    """In `ab ab abc`, within pieces: a·b three times, then Ġ·ab and, once, ab·c."""
    number = {byte: token for token, byte in enumerate(byte_signs())}
    a, b, c, space = (number[ord(sign)] for sign in "abc ")
    assert learn_merges(["ab ab abc"], 3) == [(a, b), (space, 256), (257, c)]


def test_ties_go_to_the_smaller_tokens():
    """z·y, y·x and b·a occur once each: the smallest left token first."""
    number = {byte: token for token, byte in enumerate(byte_signs())}
    b, a = number[ord("b")], number[ord("a")]
    assert learn_merges(["zyx", "ba"], 1) == [(b, a)]


def test_learning_stops_when_no_pair_is_left():
    assert len(learn_merges(["ab"], 50)) == 1
    assert learn_merges([""], 5) == []


def test_pieces_are_the_text():
    for text in ODD + strings(100):
        assert "".join(cut(text)) == text
    assert cut("I'll say  hi 23x!?") == ["I", "'ll", " say", " ", " hi", " 23", "x", "!?"]
    assert cut("a \n b") == ["a", " \n", " b"]


def test_any_text_survives():
    tokenizer = BytePairTokenizer.train(CORPUS, 330)
    for text in ODD + strings():
        assert tokenizer.decode(tokenizer.encode(text)) == text


def library(merges: list[list[str]], specials: list[str]):
    tokenizers = pytest.importorskip("tokenizers")
    signs = [*byte_signs().values()]
    names = signs + [left + right for left, right in merges] + specials
    theirs = tokenizers.Tokenizer(
        tokenizers.models.BPE(
            {name: i for i, name in enumerate(names)}, [tuple(pair) for pair in merges]
        )
    )
    theirs.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    theirs.decoder = tokenizers.decoders.ByteLevel()
    return theirs


def test_encoding_equals_the_library():
    ours = BytePairTokenizer.train(CORPUS, 400)
    written = [[ours.written(left), ours.written(right)] for left, right in ours.merges]
    theirs = library(written, [])
    for text in CORPUS + ODD + strings():
        assert ours.encode(text) == theirs.encode(text).ids, repr(text)
        assert ours.decode(ours.encode(text)[1:-1]) == theirs.decode(theirs.encode(text).ids[1:-1])


@pytest.mark.parametrize("vocabulary", [257, 300, 420])
def test_training_equals_the_library(vocabulary):
    tokenizers = pytest.importorskip("tokenizers")
    theirs = library([], [])
    theirs.train_from_iterator(
        CORPUS,
        tokenizers.trainers.BpeTrainer(
            vocab_size=vocabulary,
            initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    ours = BytePairTokenizer.train(CORPUS, vocabulary)
    written = [[ours.written(left), ours.written(right)] for left, right in ours.merges]
    assert written == json.loads(theirs.to_str())["model"]["merges"]


def test_specials_come_last_and_are_never_typed():
    tokenizer = BytePairTokenizer.train(["abab"], 260, specials=["<|endoftext|>"])
    end = tokenizer.specials["<|endoftext|>"]
    assert end == tokenizer.vocabulary - 1
    assert end not in tokenizer.encode("<|endoftext|>")
    assert tokenizer.decode([*tokenizer.encode("ab"), end]) == "ab<|endoftext|>"


def test_a_cut_character_is_shown_as_such():
    tokenizer = BytePairTokenizer([])
    assert tokenizer.decode(tokenizer.encode("é")[:1]) == "\ufffd"


def test_files_round_trip(tmp_path):
    ours = BytePairTokenizer.train(CORPUS, 380, specials=["<|endoftext|>", "<|pad|>"])
    ours.save(tmp_path)
    again = BytePairTokenizer.load(tmp_path)
    assert again.merges == ours.merges
    assert again.specials == ours.specials
    assert (tmp_path / "merges.txt").read_text(encoding="utf-8").startswith("#version: 0.2\n")
    names = json.loads((tmp_path / "vocab.json").read_text(encoding="utf-8"))
    assert names["!"] == 0
    assert names["Ġ"] == 220  # as in the published GPT-2


def test_the_library_reads_our_files(tmp_path):
    tokenizers = pytest.importorskip("tokenizers")
    ours = BytePairTokenizer.train(CORPUS, 380)
    ours.save(tmp_path)
    theirs = tokenizers.Tokenizer(
        tokenizers.models.BPE.from_file(str(tmp_path / "vocab.json"), str(tmp_path / "merges.txt"))
    )
    theirs.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    assert theirs.encode(CORPUS[2]).ids == ours.encode(CORPUS[2])


@pytest.mark.parametrize("damage", ["vocab", "merges", "order", "missing"])
def test_damaged_files_are_one_sentence(tmp_path, damage):
    BytePairTokenizer.train(CORPUS, 300).save(tmp_path)
    vocabulary, merges = tmp_path / "vocab.json", tmp_path / "merges.txt"
    if damage == "vocab":
        vocabulary.write_text(vocabulary.read_text(encoding="utf-8")[:500], encoding="utf-8")
    if damage == "merges":
        merges.write_text("#version: 0.2\nno such\n", encoding="utf-8")
    if damage == "order":
        names = json.loads(vocabulary.read_text(encoding="utf-8"))
        names["!"], names["a"] = names["a"], names["!"]
        vocabulary.write_text(json.dumps(names), encoding="utf-8")
    if damage == "missing":
        merges.unlink()
    with pytest.raises(ValueError, match=r"damaged|numbered|holds no tokenizer") as caught:
        BytePairTokenizer.load(tmp_path)
    assert "\n" not in str(caught.value)


def test_bad_input_is_one_sentence():
    tokenizer = BytePairTokenizer([])
    with pytest.raises(ValueError, match="token 256 is outside the vocabulary of 256"):
        tokenizer.decode([256])
    with pytest.raises(ValueError, match="half a character at 13"):
        tokenizer.encode("hello, wide w\ud800rld")
    with pytest.raises(ValueError, match="no room for 256 bytes"):
        BytePairTokenizer.train(["a"], 200)
