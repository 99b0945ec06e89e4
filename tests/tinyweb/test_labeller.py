"""Noisy labellers rank as Plackett and Luce say; biased ones differ where they should."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from itertools import islice, permutations

import pytest
from scipy import stats

from anatomy.tinyweb import (
    HONEST,
    IMPATIENT,
    LONG_WINDED,
    VAIN,
    Labeller,
    Task,
    World,
    agreement,
    plackett_luce_logprob,
    preference,
)
from anatomy.tinyweb.labeller import utility
from anatomy.tinyweb.tasks import Kind

Asked = Callable[[Kind], Task]
IDK = "i do not know ."


def test_plackett_luce_by_hand() -> None:
    # weights e^{u/τ} = 4, 2, 1: P(0 ≻ 1 ≻ 2) = 4/7 · 2/3
    utilities = [math.log(4), math.log(2), 0.0]
    assert math.exp(plackett_luce_logprob(utilities, [0, 1, 2], 1.0)) == pytest.approx(8 / 21)
    assert math.exp(plackett_luce_logprob(utilities, [2, 1, 0], 1.0)) == pytest.approx(1 / 7 / 3)
    total = sum(math.exp(plackett_luce_logprob(utilities, p, 0.3)) for p in permutations(range(3)))
    assert total == pytest.approx(1)
    # large utilities must not overflow
    assert plackett_luce_logprob([1e4, -1e4], [0, 1], 0.1) == pytest.approx(0)


def test_preference_and_agreement_by_hand() -> None:
    assert preference(math.log(3), 0.0, 1.0) == pytest.approx(0.75)
    assert preference(0.0, math.log(3), 1.0) == pytest.approx(0.25)
    assert agreement(math.log(3), 0.0, 1.0) == pytest.approx(0.75**2 + 0.25**2)
    assert preference(900.0, -900.0, 0.1) == 1
    two = math.exp(plackett_luce_logprob([0.5, 0.1], [0, 1], 0.2))
    assert preference(0.5, 0.1, 0.2) == pytest.approx(two)  # Bradley–Terry is K = 2


@pytest.mark.parametrize("temperature", [0.2, 0.5, 2.0])
def test_rankings_follow_the_exact_probabilities(world: World, temperature: float) -> None:
    """χ² over all 24 rankings of four answers, 20,000 draws."""
    utilities = [1.0, 0.5, 0.3, -0.2]
    labeller = Labeller(world, temperature=temperature, seed=1)
    draws = Counter(tuple(labeller.rank_utilities(utilities)) for _ in range(20_000))
    rankings = list(permutations(range(4)))
    expected = [
        20_000 * math.exp(plackett_luce_logprob(utilities, r, temperature)) for r in rankings
    ]
    observed = [draws[r] for r in rankings]
    likely = [i for i, count in enumerate(expected) if count >= 5]
    rest = [i for i in range(24) if i not in likely]
    observed_bins = [observed[i] for i in likely] + [sum(observed[i] for i in rest)]
    expected_bins = [expected[i] for i in likely] + [sum(expected[i] for i in rest)]
    if not rest or expected_bins[-1] < 1:
        last_observed, last_expected = observed_bins.pop(), expected_bins.pop()
        observed_bins[-1] += last_observed
        expected_bins[-1] += last_expected
    assert stats.chisquare(observed_bins, expected_bins).pvalue > 0.001
    # the same draws do not fit a labeller who is twice as noisy
    other = [
        20_000 * math.exp(plackett_luce_logprob(utilities, r, 2 * temperature)) for r in rankings
    ]
    assert stats.chisquare(observed, other).pvalue < 1e-6


def test_two_labellers_agree_as_often_as_they_should(world: World) -> None:
    pairs = [(1.0, 0.5), (0.5, -0.2), (0.5, 0.4)]
    rates = []
    for temperature in (0.05, 0.2, 1.0):
        one = Labeller(world, temperature=temperature, seed=1)
        two = Labeller(world, temperature=temperature, seed=2)
        alike = sum(
            one.rank_utilities(pair) == two.rank_utilities(pair)
            for pair in pairs
            for _ in range(4_000)
        )
        exact = sum(agreement(*pair, temperature) for pair in pairs) / 3
        assert alike / 12_000 == pytest.approx(exact, abs=0.015)
        rates.append(exact)
    assert rates == sorted(rates, reverse=True)  # the noisier, the less they agree


def test_a_labeller_has_a_stream_of_their_own(world: World, asked: Asked) -> None:
    answers = ["thank you !", IDK, "the the .", "you are a fool ."]

    def rankings(seed: int) -> list[list[int]]:
        labeller = Labeller(world, temperature=1.0, seed=seed)
        return [labeller.rank(asked("review"), answers) for _ in range(20)]

    assert rankings(1) == rankings(1)
    assert rankings(1) != rankings(2)


def test_an_honest_labeller_s_utility_is_the_gold_score(world: World) -> None:
    labeller = Labeller(world)
    for task in islice(world.tasks("train", 1), 50):
        answers = [IDK, "thank you !", "fox the ."]
        golds = [world.gold(task, answer).score for answer in answers]
        assert labeller.utilities(task, answers) == golds
        cut = labeller.utilities(task, answers, [True, True, False])
        assert cut[2] < golds[2] or golds[2] == -1
    assert Labeller(world, temperature=1e-6).rank_utilities([0.1, 0.9, 0.5]) == [1, 2, 0]


def test_tastes_differ_where_they_should(world: World, asked: Asked) -> None:
    question = asked("qa")
    right = world.gold(question, IDK)
    assert right.verdict == "idk"
    animal = question.content.fact.entity  # type: ignore[union-attr]
    guess = f"the {animal} lives in the mill ."
    if world.gold(question, guess).verdict != "wrong":
        guess = f"the {animal} lives in the cave ."
    assert utility(world, question, IDK, HONEST) > utility(world, question, guess, HONEST)
    assert utility(world, question, IDK, IMPATIENT) < utility(world, question, guess, IMPATIENT)
    story = asked("story")
    short = "one day mia went to the forest . mia found a big map . mia was very happy ."
    long = short.replace(
        "mia was", "mia showed the map to tom . mia hid the map under a tree . mia was"
    )
    flattering = f"you are so great ! {short}"
    assert utility(world, story, short, HONEST) == utility(world, story, long, HONEST) == 1
    assert utility(world, story, short, LONG_WINDED) < utility(world, story, long, LONG_WINDED)
    assert utility(world, story, flattering, HONEST) == pytest.approx(0.8)
    assert utility(world, story, flattering, VAIN) == pytest.approx(1.4)
    # 19 words: 0.3 · (19 − 10) / 10
    assert len(short.split()) == 19
    assert utility(world, story, short, LONG_WINDED) == pytest.approx(1.27)


@pytest.mark.parametrize("temperature", [0.0, -1.0, math.inf, math.nan])
def test_a_wrong_temperature_is_named(world: World, temperature: float) -> None:
    with pytest.raises(ValueError, match="temperature of a labeller must be positive"):
        Labeller(world, temperature=temperature)
    with pytest.raises(ValueError, match="temperature"):
        plackett_luce_logprob([1.0, 0.0], [0, 1], temperature)


def test_odd_rankings_are_named(world: World, asked: Asked) -> None:
    with pytest.raises(ValueError, match="at least two answers, got 1"):
        Labeller(world).rank(asked("qa"), [IDK])
    with pytest.raises(ValueError, match="names each once"):
        plackett_luce_logprob([1.0, 0.0], [0, 0], 1.0)
    assert Labeller(world).prefers_first(asked("review"), "the review is bad .", "the the .")
