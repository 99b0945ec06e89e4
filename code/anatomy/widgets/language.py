"""Explorers of chapter 1: byte-pair merges, attention patterns, and the next token's distribution.

What they show was learned by `code/experiments/language_explorers.py` on TinyWeb and is
embedded, so that the static page needs nothing else.
"""

from __future__ import annotations

import json
from functools import cache
from html import escape
from importlib import resources
from typing import Any, Literal

from anatomy.widgets.element import Element, element


@cache
def _learned() -> dict[str, Any]:
    """What the tiny models learned; read here and not by `reporting`, which would load torch."""
    path = resources.files("anatomy") / "results" / "language_explorers.json"
    return json.loads(path.read_text(encoding="utf-8"))


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise ValueError(message)


def _paragraph(text: str) -> str:
    return f"<p>{escape(text)}</p>"


def tokenizer_explorer(text: str = "The pig lives in the hills.", *, step: int = 0) -> Element:
    """Show how byte-pair encoding joins the bytes of any typed text, one merge after another.

    The merges were learned on TinyWeb. `step` is how many of them are applied at first.
    """
    _require(bool(text.strip()), "the text to start with is empty")
    _require(step >= 0, f"step must not be negative, got {step}")
    merges = _learned()["merges"]
    words = (
        "Tokenizer explorer (needs JavaScript). A text begins as bytes. The merge that was "
        "learned first is applied wherever it fits, then the next, until none fits. The first "
        "merges learned on TinyWeb are: "
        + ", ".join(f"{left} + {right}" for left, right in merges[:8]).replace("Ġ", "␣")
        + ". A word that the corpus never had stays in small pieces, and no text is impossible."
    )
    return element(
        "anatomy-tokenizer-explorer",
        "tokenizer_explorer",
        options={"merges": merges, "text": text, "step": step},
        fallback=_paragraph(words),
        text=words,
    )


def attention_explorer(
    *,
    mask: Literal["causal", "bidirectional"] = "causal",
    text: int = 0,
    layer: int = 0,
    head: int = 0,
    token: int | None = None,
) -> Element:
    """Show where each token looks, in a tiny GPT and in a tiny BERT of the same shape.

    `text`, `layer`, `head` and `token` are counted from 0; without a `token`, the last one.
    """
    texts = _learned()["attention"]
    _require(
        mask in ("causal", "bidirectional"),
        f"mask must be 'causal' or 'bidirectional', got {mask!r}",
    )
    _require(0 <= text < len(texts), f"text must lie in [0, {len(texts) - 1}], got {text}")
    words, patterns = texts[text]["words"], texts[text][mask]
    token = len(words) - 1 if token is None else token
    layers, heads = len(patterns), len(patterns[0])
    _require(0 <= layer < layers, f"layer must lie in [0, {layers - 1}], got {layer}")
    _require(0 <= head < heads, f"head must lie in [0, {heads - 1}], got {head}")
    _require(0 <= token < len(words), f"token must lie in [0, {len(words) - 1}], got {token}")
    row = patterns[layer][head][token]
    seen = sorted(range(len(words)), key=lambda s: -row[s])[:3]
    fallback = (
        "Attention explorer (needs JavaScript). In layer "
        f"{layer + 1}, head {head + 1} of the {mask} model, the token “{words[token]}” of "
        f"“{' '.join(words)}” looks at "
        + ", ".join(f"“{words[s]}” ({row[s]} %)" for s in seen)
        + ". With the causal mask no token looks to the right of itself."
    )
    return element(
        "anatomy-attention-explorer",
        "attention_explorer",
        options={
            "texts": texts,
            "mask": mask,
            "text": text,
            "layer": layer,
            "head": head,
            "token": token,
        },
        fallback=_paragraph(fallback),
        text=fallback,
    )


def sampling_explorer(
    *,
    beginning: int = 0,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float = 1.0,
    seed: int = 0,
) -> Element:
    """Show the next token's distribution under temperature, top-k and top-p, and draws from it.

    The logits are a tiny GPT's after three beginnings of TinyWeb texts.
    """
    learned = _learned()
    examples = learned["logits"]
    _require(
        0 <= beginning < len(examples),
        f"beginning must lie in [0, {len(examples) - 1}], got {beginning}",
    )
    _require(0.1 <= temperature <= 2, f"temperature must lie in [0.1, 2], got {temperature}")
    _require(top_k is None or top_k >= 1, f"top_k must be at least 1 or None, got {top_k}")
    _require(0.05 <= top_p <= 1, f"top_p must lie in [0.05, 1], got {top_p}")
    text = (
        "Sampling explorer (needs JavaScript). The temperature divides the logits: below 1 the "
        "likely tokens grow likelier, above 1 all grow alike. Top-k keeps the k most likely "
        "tokens, top-p the fewest whose probabilities reach p; what is left is scaled to sum to "
        "1, and the next token is drawn from it."
    )
    return element(
        "anatomy-sampling-explorer",
        "sampling_explorer",
        options={
            "vocabulary": learned["vocabulary"],
            "examples": examples,
            "beginning": beginning,
            "temperature": temperature,
            "top_k": top_k,
            "top_p": top_p,
            "seed": seed,
        },
        fallback=_paragraph(text),
        text=text,
    )
