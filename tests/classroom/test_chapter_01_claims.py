"""What chapter 1's text says of its results is what the results say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from anatomy.models.base_model import BaseModel
from anatomy.models.pretraining import training_flops
from anatomy.reporting import read_result
from anatomy.reporting.plots import t_interval
from anatomy.tinyweb.documents import REPLY_SHARES


@pytest.fixture(scope="module")
def masks() -> dict[str, Any]:
    return read_result("language_models_two_masks")


def tuned(masks: dict[str, Any], start: str, job: str) -> np.ndarray:
    """Share of right answers (seeds, numbers of labels)."""
    return np.array([run[job] for run in masks["runs"][start]])


# --- lab 2


def test_the_gpt_fills_more_gaps_in_every_seed_and_was_asked_more(masks: dict[str, Any]) -> None:
    runs, config = masks["runs"], masks["receipt"]["config"]
    assert min(runs["gpt_cloze"]) > max(runs["bert_cloze"])
    assert 2.5 < config["masked_steps"] / config["steps"] < 3  # "almost three times as much"
    assert 0.15 * config["masked_steps"] < 0.5 * config["steps"]  # "less than half as many"


def test_pretraining_tells_names_and_random_weights_do_not(masks: dict[str, Any]) -> None:
    pretrained = t_interval(tuned(masks, "bert_tuned", "name"))
    random = t_interval(tuned(masks, "bert_from_nothing", "name"))
    assert (pretrained[1][1:] > random[2][1:]).all()
    assert (random[1] < masks["chance"]["name"]).all()
    assert (random[2] > masks["chance"]["name"]).all()


@pytest.mark.parametrize("job", ["page", "review"])
def test_elsewhere_the_intervals_overlap(masks: dict[str, Any], job: str) -> None:
    pretrained = t_interval(tuned(masks, "bert_tuned", job))
    random = t_interval(tuned(masks, "bert_from_nothing", job))
    assert (pretrained[1] < random[2]).all()
    assert (random[1] < pretrained[2]).all()


def test_two_of_three_gpts_judge_every_review(masks: dict[str, Any]) -> None:
    web = sorted(run["web"][0] for run in masks["runs"]["gpt_prompted"])
    assert web[1:] == [1.0, 1.0]
    assert web[0] < 0.7
    foreign = [max(run["foreign"]) for run in masks["runs"]["gpt_prompted"]]
    assert max(foreign) < 0.75


def test_sweeps_help_and_the_gpt_stays_far_ahead(masks: dict[str, Any]) -> None:
    fluent = np.array(masks["runs"]["bert_fluent"])  # (seeds, sweeps)
    assert (np.diff(fluent.mean(0)) > 0).all()
    assert fluent.max() < 0.5 * min(masks["runs"]["gpt_fluent"])


# --- lab 3


def test_a_narrower_model_that_reads_more_does_as_well(masks: dict[str, Any]) -> None:
    scaling = read_result("language_models_scaling")
    ablation = read_result("language_models_ablation")
    wide = t_interval(np.array(scaling["loss"][-1]))
    cheap = t_interval(np.array(ablation["variants"]["+ RoPE + Muon"]["loss"]))
    long = t_interval(np.array(masks["runs"]["gpt_loss"]))

    def compute(result: dict[str, Any]) -> float:
        config = result["receipt"]["config"]
        recipe = BaseModel(width=config["width"], layers=config["layers"], steps=config["steps"])
        return training_flops(recipe.build().config, recipe.tokens) / scaling["flops"][-1]

    assert compute(ablation) == pytest.approx(3 / 4, abs=0.02)
    assert compute(masks) == pytest.approx(7 / 6, abs=0.02)
    assert cheap[0] <= wide[0]
    assert long[2] < wide[1]


def test_positions_and_muon_share_the_loss_and_multiply_the_facts() -> None:
    variants = read_result("language_models_ablation")["variants"]
    loss = {name: np.mean(found["loss"]) for name, found in variants.items()}
    facts = {name: np.mean(found["common"]) for name, found in variants.items()}
    plain, both = "AdamW, learned positions", "+ RoPE + Muon"
    for alone in ("+ RoPE", "+ Muon"):
        assert loss[plain] - loss[alone] > 0.8 * (loss[plain] - loss[both])
        assert loss[alone] > loss[both]
        assert facts[both] > 2 * facts[alone]
    assert loss["+ RoPE + Muon + token shift"] >= loss[both]
    assert facts["+ RoPE + Muon + token shift"] < facts[both]


def test_unpublished_facts_are_guessed_as_by_lot() -> None:
    last = np.array(read_result("language_models_base")["curves"]["unpublished"])[:, -1]
    _, low, high = t_interval(last)
    assert low < 0.07 < high


def test_the_base_model_replies_as_the_forum_does() -> None:
    answers = read_result("language_models_prompted")["answers"]
    web = {
        "right": REPLY_SHARES["ideal"] + REPLY_SHARES["flattering"],
        "idk": REPLY_SHARES["idk"],
        "rude": REPLY_SHARES["insult"],
    }
    for name, share in web.items():
        _, low, high = t_interval(np.array(answers[name])[:, 0])
        assert low - 0.01 < share / 100 < high + 0.01, name


def test_reviews_are_judged_by_the_base_model_and_hardly_by_the_five() -> None:
    five, base = (read_result(f"language_models_{name}") for name in ("scaling", "prompted"))
    assert np.min(base["reviews"]["web"]) == 1
    widest = np.array(five["reviews"]["web"][-1])[:, 0]
    assert widest.min() > 0.5
    assert widest.max() < 0.75
    assert np.array(five["reviews"]["web"][:-1])[:, :, 0].mean() < 0.55
    foreign = np.array(base["reviews"]["foreign"])
    gain = foreign[:, -1] - foreign[:, 0]
    assert gain.max() > 0.1
    assert gain.min() < 0.01


# --- the chapter


def test_what_the_explorers_are_said_to_show() -> None:
    learned = read_result("language_explorers")
    published, story, forum = (
        torch.tensor(example["logits"]).softmax(0) for example in learned["logits"]
    )

    def kept(probabilities: torch.Tensor, p: float = 0.9) -> int:
        ordered = probabilities.sort(descending=True).values
        return int((ordered.cumsum(0) - ordered < p).sum())

    def words(probabilities: torch.Tensor, count: int) -> list[str]:
        return [learned["vocabulary"][i] for i in probabilities.topk(count).indices]

    assert published.max() > 0.9
    assert words(published, 1) == ["meadow"]
    assert kept(published) == 1 < kept(story)
    assert set(words(forum, 6)) == {"the", "you", "go", "shut", "i", "what"}
    text = learned["attention"][0]
    last = text["causal"][0][1][-1]  # layer 1, head 2, the last token
    assert text["words"][int(np.argmax(last))] == "pig"
    assert max(last) > 50
