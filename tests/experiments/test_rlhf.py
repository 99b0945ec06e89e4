"""The scripts behind chapter 3's results: short runs, the committed numbers."""

from __future__ import annotations

import importlib
import random
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from anatomy.reporting import read_result
from anatomy.rlhf.answers import written
from anatomy.rlhf.comparisons import Ranking
from anatomy.tinyweb import World, tokenizer_of

SCRIPTS = Path(__file__).parents[2] / "code" / "experiments"


@pytest.fixture(scope="module")
def script() -> Iterator[Callable[[str], ModuleType]]:
    sys.path.insert(0, str(SCRIPTS))
    yield importlib.import_module
    sys.path.remove(str(SCRIPTS))


@pytest.mark.parametrize("when", ["online", "offline"])
def test_a_short_run_asks_what_it_may_and_repeats(
    script: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    clips = script("rlhf_clips")
    monkeypatch.setattr(clips, "EPISODE", 50)
    short = clips.Run(1, 30, "random", when, iterations=2, fit_steps=1, measured=1)
    found = clips.learn(short)
    assert found["labels"] == 30
    assert len(found["true"]) == 3
    assert np.isfinite(found["predicted"]).all()
    assert found == clips.learn(short)


def test_the_true_reward_is_not_asked_for(
    script: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    clips = script("rlhf_clips")
    monkeypatch.setattr(clips, "EPISODE", 50)
    found = clips.learn(clips.Run(1, 0, iterations=1, measured=1))
    assert found["labels"] == 0


def test_the_committed_clips_are_complete(script: Callable[[str], ModuleType]) -> None:
    clips, data = script("rlhf_clips"), read_result("rlhf_clips")
    seeds = data["receipt"]["seeds"]
    assert tuple(seeds) == clips.SEEDS
    assert tuple(data["runs"]) == tuple(clips.kinds())
    for name, run in clips.kinds().items():
        found = data["runs"][name]
        assert np.shape(found["true"]) == (len(seeds), len(data["iterations"]))
        assert found["labels"] == [run.labels] * len(seeds)
        assert max(map(max, found["true"])) <= clips.EPISODE


def test_what_the_text_says_of_early_questions(script: Callable[[str], ModuleType]) -> None:
    """A frozen reward model ends below one half, one that goes on asking well above."""
    runs = read_result("rlhf_clips")["runs"]
    for labels in (200, 700):
        frozen, asked = (runs[f"{labels} {when}"] for when in ("offline", "random"))
        assert np.mean(frozen["accuracy"], axis=0)[-1] < 0.5 < 0.85
        assert np.mean(asked["accuracy"], axis=0)[-1] > 0.85
        assert np.mean(frozen["true"], axis=0)[-1] < np.mean(asked["true"], axis=0)[-1]


def ranked(world: World, count: int) -> list[Ranking]:
    """Two written answers to each of some tasks, the better one first."""
    tokenizer, rng = tokenizer_of(world), random.Random(0)
    found, asked = [], world.tasks("train", 0)
    while len(found) < count:
        task = next(asked)
        texts = [world.ideal(task, rng), world.labeller_written(task, rng, "idk")]
        gold = tuple(world.gold(task, text).score for text in texts)
        if gold[0] > gold[1]:
            answers = tuple(written(tokenizer, text) for text in texts)
            found.append(Ranking(task, answers, gold, 0))
    return found


def test_a_pair_is_picked_with_its_gold(script: Callable[[str], ModuleType]) -> None:
    labels = script("rlhf_labels")
    (ranking,) = ranked(World(), 1)
    turned = labels.picked(ranking, 1, 0)
    assert turned.answers == ranking.answers[::-1]
    assert turned.gold == ranking.gold[::-1]


def test_noise_turns_pairs_round(script: Callable[[str], ModuleType]) -> None:
    """One feature says who is better; with 30 % noise its weight shrinks to log(.7/.3)."""
    labels = script("rlhf_labels")
    pairs = torch.zeros(4_000, 2, 1)
    pairs[:, 0] = 1.0
    clean, noisy = (
        labels.reward_model(pairs, 4_000, noise, l2=1e-4, seed=0).item() for noise in (0.0, 0.3)
    )
    assert noisy == pytest.approx(np.log(0.7 / 0.3), abs=0.1)
    assert clean > 3


def test_the_judge_counts_by_kind(script: Callable[[str], ModuleType]) -> None:
    labels = script("rlhf_labels")
    gold = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]).repeat(3, 1)
    kinds = ["qa", "story", "list", "review", "polite", "insult", "qa, unknown", "qa", "qa"]
    found = labels.judged(gold.clone(), labels.Prepared(gold, gold, gold, kinds))
    assert found["accuracy"] == 1
    assert set(found["by kind"].values()) == {1.0}
    wrong = labels.judged(-gold, labels.Prepared(gold, gold, gold, kinds))
    assert wrong["accuracy"] == 0


def test_features_are_kept_whole_or_not_at_all(
    script: Callable[[str], ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels, file = script("rlhf_labels"), tmp_path / "features" / "400.pt"
    labels.keep(file, (torch.arange(3), ["qa"]))
    assert torch.load(file, weights_only=True)[0].tolist() == [0, 1, 2]

    def cut_off(found: Any, place: Any) -> None:
        place.write(b"PK") if hasattr(place, "write") else Path(place).write_bytes(b"PK")
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", cut_off)
    with pytest.raises(KeyboardInterrupt):
        labels.keep(file, (torch.arange(4), ["qa"]))
    assert torch.load(file, weights_only=True)[0].tolist() == [0, 1, 2]


def test_all_clean_labels_are_drawn_once(script: Callable[[str], ModuleType]) -> None:
    labels = script("rlhf_labels")
    run: Any = replace(labels.Run(0), draws=7, large_draws=2)
    assert [labels.draws_of(run, 5_000, noise) for noise in (0.0, 0.3)] == [1, 2]
    assert labels.draws_of(run, 100, 0.0) == 7


def test_the_committed_labels_are_complete(script: Callable[[str], ModuleType]) -> None:
    labels, data = script("rlhf_labels"), read_result("rlhf_labels")
    assert tuple(data["receipt"]["seeds"]) == labels.SEEDS
    assert len(data["runs"]) == len(labels.LABELS) * len(labels.NOISE)
    means = {
        name: np.mean([row["accuracy"] for row in rows]) for name, rows in data["runs"].items()
    }
    # more labels help at every noise, noise costs at every number, and less where there are many
    for noise in ("0%", "10%", "30%"):
        assert means[f"100, {noise}"] < means[f"500, {noise}"] < means[f"5000, {noise}"]
    cost = [means[f"{n}, 0%"] - means[f"{n}, 30%"] for n in labels.LABELS]
    assert 0 < cost[2] < min(cost[:2])


def test_the_committed_best_of_n_has_its_hump(script: Callable[[str], ModuleType]) -> None:
    best, data = script("rlhf_best_of_n"), read_result("rlhf_best_of_n")
    assert tuple(data["n"]) == best.CHOICES
    for name in best.PROXIES:
        proxy, gold = (np.mean(data["runs"][name][key], axis=0) for key in ("proxy", "gold"))
        assert (np.diff(proxy) > 0).all()
        assert gold.max() > gold[0]
        assert gold[-1] < gold.max()
    oracle = np.mean(data["runs"]["oracle"]["gold"], axis=0)
    assert (np.diff(oracle) > 0).all()
