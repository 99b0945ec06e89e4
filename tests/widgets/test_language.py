"""The explorers of chapter 1: their mathematics against the package, and their controls."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest
import torch

from anatomy.models.bpe import BytePairTokenizer, byte_signs, cut
from anatomy.models.generation import apply_temperature, apply_top_k, apply_top_p
from anatomy.widgets import Element, attention_explorer, sampling_explorer, tokenizer_explorer

MAKERS = {
    "tokenizer": tokenizer_explorer,
    "attention": attention_explorer,
    "sampling": sampling_explorer,
}


def options(made: Element) -> dict[str, Any]:
    found = re.search(r'data-options="([^"]*)"', made.html)
    assert found
    return json.loads(unescape(found[1]))


def package_tokenizer() -> BytePairTokenizer:
    """The embedded merges as the package's tokenizer."""
    numbers = {sign: token for token, sign in enumerate(byte_signs().values())}
    merges = []
    for left, right in options(tokenizer_explorer())["merges"]:
        merges.append((numbers[left], numbers[right]))
        numbers.setdefault(left + right, 256 + len(merges) - 1)
    return BytePairTokenizer(merges)


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_self_contained_and_readable_without_javascript(make: Callable[[], Element]) -> None:
    made = make()
    assert set(re.findall(r"https?://[^\s\"'`]+", made.html)) <= {"http://www.w3.org/2000/svg"}
    assert "needs JavaScript" in made.text
    assert "needs JavaScript" in made.html.split("<script")[0]
    assert len(made.html) < 100_000


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: tokenizer_explorer(" "), "text to start with is empty"),
        (lambda: tokenizer_explorer(step=-1), "step must not be negative"),
        (lambda: attention_explorer(mask="none"), "mask must be"),  # type: ignore[arg-type]
        (lambda: attention_explorer(text=9), "text must lie in"),
        (lambda: attention_explorer(layer=3), "layer must lie in"),
        (lambda: attention_explorer(head=-1), "head must lie in"),
        (lambda: attention_explorer(token=99), "token must lie in"),
        (lambda: sampling_explorer(beginning=3), "beginning must lie in"),
        (lambda: sampling_explorer(temperature=0), "temperature must lie in"),
        (lambda: sampling_explorer(top_k=0), "top_k must be at least 1"),
        (lambda: sampling_explorer(top_p=0), "top_p must lie in"),
    ],
)
def test_a_wrong_argument_is_named(make: Callable[[], Element], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_embedded_patterns_are_attention() -> None:
    for text in options(attention_explorer())["texts"]:
        for mask in ("causal", "bidirectional"):
            weights = torch.tensor(text[mask])  # (L, H, T, T) in per cent
            assert weights.shape == (3, 4, len(text["words"]), len(text["words"]))
            assert (weights.sum(-1) - 100).abs().max() <= 6  # each weight is rounded
            ahead = weights.triu(1)
            assert bool(ahead.any()) == (mask == "bidirectional")


TEXTS = [
    "The pig lives in the hills.",
    "Zoë’s café 😀 isn't 3.14\n\n  two  lines\t!",
    "🐷",
    " ",
    "the" * 9,
]


@pytest.mark.browser
@pytest.mark.parametrize("text", TEXTS)
def test_tokens_are_the_packages(text: str, call: Callable[..., Any]) -> None:
    tokenizer = package_tokenizer()
    merges = options(tokenizer_explorer())["merges"]
    assert call("tokenizer_explorer", "cut", text) == cut(text)
    states = call("tokenizer_explorer", "trace", text, merges)
    last = [token for piece in states[-1]["pieces"] for token in piece]
    assert last == [tokenizer.written(token) for token in tokenizer.encode(text)]
    first = [token for piece in states[0]["pieces"] for token in piece]
    assert len(first) == len(text.encode())
    ranks = [state["rank"] for state in states]
    assert ranks == sorted(ranks)
    for token in tokenizer.encode(text):
        written = tokenizer.written(token)
        assert call("tokenizer_explorer", "numberOf", written, merges) == token


@pytest.mark.browser
def test_joining_by_hand(call: Callable[..., Any]) -> None:
    def join(tokens: str, left: str, right: str) -> list[str]:
        return call("tokenizer_explorer", "join", tokens.split(), left, right)

    assert join("a a a b", "a", "a") == ["aa", "a", "b"]
    assert join("a b a b", "a", "b") == ["ab", "ab"]
    # what was just made is no part of another pair: aa + a is a merge of its own
    assert join("a a a", "a", "a") == ["aa", "a"]


@pytest.mark.browser
@pytest.mark.parametrize(
    ("tau", "k", "p"), [(1, None, 1), (0.5, 3, 1), (2, None, 0.7), (0.8, 9, 0.6)]
)
def test_the_distribution_is_the_packages(
    tau: float, k: int | None, p: float, call: Callable[..., Any]
) -> None:
    for example in options(sampling_explorer())["examples"]:
        logits = torch.tensor(example["logits"], dtype=torch.float64)
        kept = apply_temperature(logits, tau)
        kept = kept if k is None else apply_top_k(kept, k)
        kept = kept if p == 1 else apply_top_p(kept, p)
        found = call("sampling_explorer", "filtered", example["logits"], tau, k, p)
        assert found == pytest.approx(kept.softmax(-1).tolist(), abs=1e-9)


@pytest.mark.browser
def test_drawing_by_hand(call: Callable[..., Any]) -> None:
    def drawn(u: float) -> int:
        return call("sampling_explorer", "drawToken", [0.25, 0, 0.5, 0.25], u)

    assert [drawn(u) for u in (0, 0.24, 0.25, 0.74, 0.75, 0.999)] == [0, 0, 2, 2, 3, 3]
    assert call("sampling_explorer", "entropyBits", [0.5, 0.25, 0.25, 0]) == pytest.approx(1.5)
    numbers = call("sampling_explorer", "uniforms", 3, 2000)
    assert sum(numbers) / 2000 == pytest.approx(0.5, abs=0.03)
    assert numbers[:2] == call("sampling_explorer", "uniforms", 3, 2)


@pytest.mark.browser
def test_typing_and_stepping_through_merges(open_page: Callable[..., Any]) -> None:
    page = open_page(tokenizer_explorer("the the"))
    count = page.locator(".count")
    assert count.inner_text() == "7 tokens for 7 bytes"
    page.get_by_role("button", name="Next merge").click()  # h + e
    assert count.inner_text() == "5 tokens for 7 bytes"
    assert "number 1 joins “h” and “e”, in 2 places" in page.locator(".say").inner_text()
    page.get_by_role("button", name="Back").click()
    assert count.inner_text() == "7 tokens for 7 bytes"
    page.get_by_role("button", name="All merges").click()
    tokens = [package_tokenizer().written(t) for t in package_tokenizer().encode("the the")]
    shown = page.locator(".chip").all_inner_texts()
    assert shown == [token.replace("Ġ", "␣") for token in tokens]
    page.get_by_label("Text to cut into tokens").fill("😀")
    assert page.locator(".chip").all_inner_texts() == ["F0", "9F", "98", "80"]
    page.get_by_label("Text to cut into tokens").fill("")
    assert "Type something" in page.locator(".say").inner_text()


@pytest.mark.browser
def test_choosing_a_token_and_taking_the_mask_away(open_page: Callable[..., Any]) -> None:
    page = open_page(attention_explorer(head=1))
    text = options(attention_explorer())["texts"][0]
    words, say = text["words"], page.locator(".say")
    buttons = page.locator(".words button")

    def shown() -> list[str]:
        return page.locator(".words small").all_inner_texts()

    assert shown() == [f"{w} %" for w in text["causal"][0][1][-1]]
    buttons.nth(2).click()
    assert buttons.nth(2).get_attribute("aria-pressed") == "true"
    assert shown()[3:] == ["–"] * (len(words) - 3)
    assert f"The {len(words) - 3} tokens after it get exactly 0" in say.inner_text()
    page.get_by_label("none (BERT)").check()
    assert shown() == [f"{w} %" for w in text["bidirectional"][0][1][2]]
    assert "which a GPT could not see" in say.inner_text()
    page.get_by_role("slider", name="Layer").fill("3")
    assert shown() == [f"{w} %" for w in text["bidirectional"][2][1][2]]
    page.get_by_label("question").check()
    assert buttons.count() == len(options(attention_explorer())["texts"][1]["words"])


@pytest.mark.browser
def test_a_finger_chooses_a_row(open_page: Callable[..., Any]) -> None:
    page = open_page(attention_explorer(), viewport={"width": 390, "height": 800}, has_touch=True)
    page.locator("rect.cell").first.tap()
    assert page.locator(".words button").first.get_attribute("aria-pressed") == "true"
    assert page.evaluate("document.documentElement.scrollWidth") == 390


@pytest.mark.browser
def test_sliders_cut_and_draws_follow(open_page: Callable[..., Any]) -> None:
    page = open_page(sampling_explorer(beginning=1))
    say, strip = page.locator(".result"), page.locator(".strip span")
    assert say.inner_text().startswith("All 485 tokens")
    assert strip.count() == 24
    before = strip.all_inner_texts()
    page.get_by_role("button", name="Draw 24 again").click()
    assert strip.all_inner_texts() != before
    page.get_by_label("Top-k").fill("1")
    assert say.inner_text().startswith("2 of 485")
    assert len(set(strip.all_inner_texts())) <= 2
    page.get_by_role("button", name="Back to τ = 1").click()
    page.get_by_label("Top-p").fill("0.05")
    assert say.inner_text().startswith("1 of 485")
    page.get_by_role("button", name="Back to τ = 1").click()
    assert say.inner_text().startswith("All 485")
    page.get_by_label("a published fact").check()
    assert "all about the pig" in page.locator(".begin").inner_text()


@pytest.mark.browser
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_narrow_pages_do_not_scroll_sideways(theme: str, open_page: Callable[..., Any]) -> None:
    page = open_page(
        *(make() for make in MAKERS.values()), theme=theme, viewport={"width": 390, "height": 800}
    )
    assert page.evaluate("document.documentElement.scrollWidth") == 390
