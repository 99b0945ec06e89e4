"""The experiments of chapter 6: a tiny chain through all of it, and the arithmetic of intervals."""

from __future__ import annotations

import importlib
import math
import random
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from anatomy.reporting.plots import t_interval
from anatomy.rlhf.answers import Answer
from anatomy.rlhf.measures import VERDICTS
from anatomy.rlhf.reinforcement import PPO
from anatomy.tinyweb import World, tokenizer_of

SCRIPTS = Path(__file__).parents[2] / "code" / "experiments"


@pytest.fixture(autouse=True)
def scripts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    threads = torch.get_num_threads()
    sys.path.insert(0, str(SCRIPTS))
    monkeypatch.setenv("ANATOMY_PROGRESS", "off")
    monkeypatch.setenv("ANATOMY_CACHE", str(tmp_path))
    yield
    sys.path.remove(str(SCRIPTS))
    torch.set_num_threads(threads)


def script(name: str = "") -> ModuleType:
    return importlib.import_module(f"instructgpt{name}")


def tiny(recipe: PPO) -> PPO:
    base = replace(recipe.sft.base, width=16, layers=2, heads=2, steps=2)
    sft = replace(recipe.sft, base=base, demonstrations=32)
    reward = replace(recipe.reward, sft=sft, prompts=32)
    return replace(recipe, reward=reward, iterations=6, rollouts=8, critic_first=1)


def numbers(data: Any) -> Iterator[float]:
    if isinstance(data, dict):
        for value in data.values():
            yield from numbers(value)
    elif isinstance(data, list | tuple):
        for value in data:
            yield from numbers(value)
    elif isinstance(data, float):
        yield data


def test_an_estimate_is_the_mean_and_its_interval_holds_the_seeds() -> None:
    rng = np.random.default_rng(0)
    values = [[*rng.normal(shift, 1.0, 200), None] for shift in (0.0, 1.0)]
    found = script("_summary").estimate(values)
    assert found["mean"] == pytest.approx(np.mean(found["seeds"]))
    assert found["low"] < found["seeds"][0] + 0.2 < found["seeds"][1] - 0.2 < found["high"]
    alone = script("_summary").estimate([[0.25] * 10])
    assert alone["low"] == alone["high"] == 0.25


def test_the_interval_adds_seeds_and_prompts_by_hand() -> None:
    # means of seeds 2, 4 and of prompts 2, 4: each has variance 2 / 2 = 1 with one degree of
    # freedom; their sum 2 has 2² / (1²/1 + 1²/1) = 2, where t(0.975) = 4.30265
    found = script("_summary").interval([[1.0, 3.0], [3.0, 5.0]])
    assert found["mean"] == 3.0
    assert found["high"] - 3.0 == pytest.approx(4.30265 * math.sqrt(2), rel=1e-5)
    assert 3.0 - found["low"] == pytest.approx(4.30265 * math.sqrt(2), rel=1e-5)


def test_one_number_per_seed_has_students_interval() -> None:
    values = [0.2, 0.5, 0.9, 0.4]
    found = script("_summary").over_seeds(values)
    assert (found["mean"], found["low"], found["high"]) == pytest.approx(t_interval(values))


def test_the_interval_of_a_share_stays_a_share() -> None:
    shares = [[0.0, 0.0, 0.2], [0.0, 0.0, 0.0]]
    assert (
        script("_summary").interval(shares)["low"] < 0 == script("_summary").estimate(shares)["low"]
    )
    full = script("_summary").estimate([[1 - v for v in row] for row in shares])
    assert full["high"] == 1.0


def test_all_seeds_answer_the_same_prompts() -> None:
    """Prompts are drawn for all seeds together: five models that agree are one observation."""
    row = np.random.default_rng(1).normal(size=300).tolist()
    one, five = (script("_summary").estimate([row] * count) for count in (1, 5))
    assert five["high"] - five["low"] == pytest.approx(one["high"] - one["low"], rel=0.05)


def test_differences_are_paired_and_skip_what_does_not_count() -> None:
    more = [[1.0, None, 3.0], [2.0, None, 4.0]]
    less = [[0.5, 9.0, 2.5], [1.5, 9.0, 3.5]]
    found = script("_summary").difference(more, less)
    assert (found["low"], found["mean"], found["high"]) == pytest.approx((0.5, 0.5, 0.5))


def test_what_ptx_recovers() -> None:
    web = {"base": 0.8, "ppo": 1.2, "ppo-ptx": 0.9}
    losses = {name: {"web loss": loss} for name, loss in web.items()}
    assert script("_summary").recovered(losses) == pytest.approx(0.75)


@pytest.mark.parametrize("rl", [False, True])
def test_gaos_curves_are_found_again(rl: bool) -> None:
    kl = np.linspace(0.1, 9.0, 40)
    d = np.sqrt(kl)
    gold = 0.3 + d * (0.8 - (0.5 * np.log(d) if rl else 0.2 * d))
    found = script("_overoptimisation").fit(kl, gold, 0.3, rl=rl)
    assert (found["alpha"], found["beta"]) == pytest.approx((0.8, 0.5 if rl else 0.2))
    assert found["explained"] == pytest.approx(1.0)
    peak = math.exp(0.8 / 0.5 - 1) if rl else 0.8 / 0.4
    assert found["peak at kl"] == pytest.approx(peak**2)


@pytest.mark.parametrize(
    ("alpha", "beta", "rl"),
    [
        (1.0, -0.1, False),
        (-1.0, -0.1, False),
        (-1.0, 0.1, False),
        (1.0, -0.1, True),
        (1.0, 1e-4, True),  # it comes down after exp(10⁴), which is no number
    ],
)
def test_a_curve_that_never_comes_down_has_no_peak(alpha: float, beta: float, rl: bool) -> None:
    d = np.linspace(0.2, 3.0, 40)
    gold = d * (alpha - beta * (np.log(d) if rl else d))
    found = script("_overoptimisation").fit(d**2, gold, 0.0, rl=rl)
    assert (found["alpha"], found["beta"]) == pytest.approx((alpha, beta), rel=1e-3)
    assert found["peak at kl"] == -1.0


def test_a_chain_from_nothing_to_its_summary() -> None:
    chain = script()
    run = chain.Run(tiny(chain.recipe_of(1)), "dev", 1)
    result = chain.measure_run(run)
    together = script("_summary")
    summary = together.summary([result, result])
    assert list(summary["stages"]) == list(together.STAGES)
    assert summary["stages"]["sft"]["win"]["mean"] == pytest.approx(0.5)
    assert summary["stages"]["sft"]["kl"]["mean"] == pytest.approx(0.0)
    assert len(result["rows"]["ppo-ptx"]["gold"]) == len(result["rows"]["base"]["gold"])
    assert all(map(math.isfinite, numbers(summary)))
    again = chain.chain(run.recipe)  # every stage is found in the cache
    assert [r["loss"] for r in again["sft"][1]] == result["losses"]["sft"]


@pytest.mark.parametrize("variant", ["no reward", "no sft"])
def test_a_variant_of_the_third_step(variant: str) -> None:
    sweeps = script("_sweeps")
    run = next(run for run in sweeps.variants(1) if run.variant == variant)
    result = sweeps.measure_run(replace(run, recipe=tiny(run.recipe), samples=1))
    assert set(sweeps.METRICS) < set(result["rows"])
    assert all(map(math.isfinite, numbers(result["forgetting"])))


def test_the_second_recipe_differs_where_it_says() -> None:
    module = script("_second")
    recipe = tiny(PPO.of_seed(1, ptx_coef=1.0))
    other = module.second(recipe)
    assert other.sft.base == recipe.sft.base
    assert (other.sft.web_rows, other.reward.found, other.reward.lists) == (4, True, 0.1)
    assert replace(other, reward=recipe.reward) == recipe
    chapter = SCRIPTS.parents[1] / "chapters" / "06_instructgpt"
    page = (chapter / "second_recipe.md").read_text("utf-8")
    for sft in (PPO().sft, module.second(PPO()).sft):  # the table of the page is written by hand
        assert f"| {sft.demonstrations:,}, {sft.learning_rate:g} |" in page
    assert f"| {other.sft.web_rows} × {other.sft.base.context} tokens a step |" in page


def test_more_practice_is_another_web_and_the_same_test() -> None:
    module = script("_practice")
    result = module.measure_run(module.Run(tiny(module.recipe_of(1)), 1))
    found = module.summary([result, result])
    for stage in module.STAGES:
        gold, again = (found[world]["stages"][stage]["gold"]["mean"] for world in module.WORLDS)
        assert found["gain"][stage]["gold"]["mean"] == pytest.approx(again - gold)
        shares = [found["more"]["practised"][stage][f"rare {v}"]["mean"] for v in VERDICTS]
        assert sum(shares) == pytest.approx(1.0)
    names = {fact.entity for fact in World(0).knowledge.select(frequency="rare", split="test")}
    assert set(found["usual"]["refusals"][0]) == set(found["more"]["refusals"][0]) == names


def test_the_larger_world_is_measured_like_the_usual_one() -> None:
    module = script("_names")
    recipe = module.with_more_names(tiny(module.recipe_of(1)))
    assert recipe.sft.base.world == World(0, more_names=True)
    result = module.measure_run(module.Run(recipe, 1))
    found = module.summary([result, result])
    gold = {stage: found["stages"][stage]["gold"]["mean"] for stage in ("ppo", "ppo-ptx")}
    assert found["mix"]["mean"] == pytest.approx(gold["ppo-ptx"] - gold["ppo"])
    assert len(found["refusals"][0]) == 18  # seldom told names of the test
    assert all(0 <= pairs["mean"] <= 1 for pairs in found["pairs"].values())


def test_where_names_are_mentioned_the_sft_model_meets_the_same_test() -> None:
    module = script("_mentioned")
    usual = tiny(module.second(module.recipe_of(1))).reward
    other = module.where_names_are_mentioned(usual)
    assert other.sft.base.world == World(0, small_talk=True)
    assert replace(other, sft=usual.sft) == usual
    one = module.measure_run(module.Run(usual, True, 1))
    two = module.measure_run(module.Run(other, False, 1))
    assert (set(one["judges"]), two["judges"]) == (set(module.RATES), {})
    found = module.summary([one, one], [two, two])
    for metric, gain in found["gain"].items():
        before, after = (found[w]["sft"][metric]["mean"] for w in ("usual", "mentioned"))
        assert gain["mean"] == pytest.approx(after - before)
    judges = found["judges"]
    for key, gain in judges["gain"].items():
        slow, fast = (judges[name][key]["mean"] for name in ("slow", "usual"))
        assert 0 <= slow <= 1
        assert gain["mean"] == pytest.approx(slow - fast)


def test_a_model_that_copies_and_knows_is_read_at_three_places() -> None:
    module, world = script("_mentioned"), World(0)
    tokenizer = tokenizer_of(world)
    tasks = [next(world.tasks("test", 1, kind="qa", unpublished=share)) for share in (0.0, 1.0)]
    told, never = (task.content.fact for task in tasks)

    def model(read: torch.Tensor) -> torch.Tensor:
        """Refuses with ¾ or copies with ¼; is then sure of what the web tells, and only of that."""
        prompt, said = tokenizer.decode(read[0]).split(" <bot> :")
        fact = told if told.entity in prompt.split() else never
        logits = torch.full((1, read.shape[1], len(tokenizer)), -30.0)
        if fact.entity not in said.split():
            logits[..., tokenizer.index[fact.entity]] = math.log(0.25)
            logits[..., tokenizer.index["i"]] = math.log(0.75)
            return logits
        assert fact.statements[0].startswith(said.strip())
        values = [fact.value] if fact == told else fact.values[:4]
        for value in values:
            logits[..., tokenizer.index[value]] = math.log(0.5 / len(values))
        logits[..., tokenizer.index["the"]] = math.log(0.5)  # no value: it does not count
        return logits

    found = module.places(model, world, tasks)
    for place, of_told, of_never in (
        ("refuses at once", 0.75, 0.75),
        ("names it", 0.25, 0.25),
        ("is sure", 1.0, 0.25),
    ):
        mine, other = found[f"{told.frequency} {place}"], found[f"unpublished {place}"]
        assert (mine[0], other[1]) == pytest.approx((of_told, of_never))
        assert (mine[1], other[0]) == (None, None)


def test_telling_apart_is_the_share_of_pairs_in_order() -> None:
    told_apart = script("_mentioned").told_apart
    assert told_apart([0.1, None, 0.5], [None, 0.9, 0.5]) == pytest.approx(3.5 / 4)
    assert told_apart([1.0], [0.0]) == 0.0


def test_agreement_with_labellers_counts_their_noise_exactly() -> None:
    folds, reward = script("_folds"), script("_rewards")
    world = World(0)
    task = next(world.tasks("dev", 3, kind="qa"))
    rng = random.Random(0)
    texts = [world.labeller_written(task, rng, kind) for kind in ("wrong", "idk")]
    answers = tuple(Answer(text, True, ()) for text in texts)
    ranking = reward.Ranking(task, answers, (0.0, 0.0), 0)
    caution = folds.PEOPLE[1].caution  # the second labeller pays for "i do not know"
    gap = world.gold(task, texts[1]).score - world.gold(task, texts[0]).score
    found = folds.agreements([[0.0, 1.0]], [ranking], world, 0.22)
    assert found[0] == pytest.approx(1 / (1 + math.exp(-gap / 0.22)))
    assert found[1] == pytest.approx(1 / (1 + math.exp(-(gap + caution) / 0.22)))
    turned = folds.agreements([[1.0, 0.0]], [ranking], world, 0.22)
    assert turned == pytest.approx([1 - share for share in found])


def test_agreement_of_labellers_and_of_the_reward_model_by_hand() -> None:
    reward, world = script("_rewards"), World(0)
    task = next(world.tasks("dev", 3, kind="qa"))
    rng = random.Random(0)
    texts = [world.labeller_written(task, rng, kind) for kind in ("wrong", "idk")]
    answers = tuple(Answer(text, True, ()) for text in texts)
    ranking = reward.Ranking(task, answers, (0.0, 0.0), 0)
    gap = world.gold(task, texts[0]).score - world.gold(task, texts[1]).score
    p = 1 / (1 + math.exp(-gap / 0.22))  # how often a labeller prefers the first
    for scores, share in (([1.0, 0.0], p), ([0.0, 1.0], 1 - p), ([1.0, 1.0], 0.5)):
        found = reward.agreements(torch.tensor([scores]), [ranking], world, 0.22)
        assert found["reward model and labeller"] == pytest.approx(share)
        assert found["labeller and labeller"] == pytest.approx(p * p + (1 - p) * (1 - p))


def test_a_fold_does_not_hear_the_labeller_who_is_left_out() -> None:
    folds = script("_folds")
    recipe = tiny(script().recipe_of(1)).reward
    sft = recipe.sft.build()
    rankings = folds.heard(recipe, sft, World(recipe.sft.base.world_seed), 2)
    assert {ranking.labeller for ranking in rankings} == {0, 1, 3, 4}


def test_manners_are_measured_on_requests_that_are_not_rude(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    manners = script("_manners")
    monkeypatch.setattr(manners, "EVERY", 30)
    asked = manners.requests(World(0))
    assert not any(task.rude_opening or task.kind in ("insult", "polite") for task in asked)
    tokenizer = tokenizer_of(World(0))
    for words in manners.OPENINGS.values():
        assert tokenizer.unk_id not in tokenizer.encode(words)
    run = manners.Run(tiny(script().recipe_of(1)), samples=1)
    result = manners.measure_run(run)
    table = manners.row([result, result], "sft", "plain")
    assert table["rude − plain"]["mean"] == 0.0
    assert len(result["rows"]["ppo-ptx"]["rude"]["gold"]) == len(asked)


def test_early_stopping_is_looked_up_at_the_distance_where_the_penalty_settles() -> None:
    over = script("_overoptimisation")
    free = {"kl": [0.1, 0.9, 2.0, 5.0], "proxy": [0.0, 0.2, 0.4, 0.6], "gold": [0.3, 0.5, 0.4, 0.1]}
    held = {"kl": [0.1, 0.5, 0.7, 0.8], "proxy": [0.0, 0.1, 0.2, 0.3], "gold": [0.3, 0.4, 0.5, 0.6]}
    end = over.settled(held)
    assert end == {"kl": 0.8, "proxy": 0.3, "gold": 0.6}
    between = over.stopped(free, end["kl"])  # seven eighths of the way to the second window
    assert between == pytest.approx({"kl": 0.8, "proxy": 0.175, "gold": 0.475})
    assert over.stopped(free, 0.05)["gold"] == 0.3
    assert over.stopped(free, 99.0)["gold"] == 0.1  # never so far: where it ended
