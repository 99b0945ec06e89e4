"""Exercise 3: the rule that keeps the KL near a target."""

from __future__ import annotations

from functools import partial

from anatomy.classroom.case import Case, given
from anatomy.classroom.exercise import Exercise, WrongAnswer
from anatomy.losses import adapt_kl_coef


def rule(
    kl_coef: float,
    kl: float,
    *,
    target: float,
    low: float = 1 / 1.5,
    high: float = 1.5,
    factor: float = 2.0,
) -> float:
    """The rule with its thresholds and its factor changed."""
    if kl < target * low:
        return kl_coef / factor
    if kl > target * high:
        return kl_coef * factor
    return kl_coef


def proportional(kl_coef: float, kl: float, *, target: float) -> float:
    return kl_coef * kl / target


def without_a_middle(kl_coef: float, kl: float, *, target: float) -> float | None:
    if kl < target / 1.5:
        return kl_coef / 2
    if kl > target * 1.5:
        return kl_coef * 2
    return None


def thresholds_for_one_target(kl_coef: float, kl: float, *, target: float) -> float:
    return rule(kl_coef, kl, target=0.01)


def halving_by_subtraction(kl_coef: float, kl: float, *, target: float) -> float:
    return kl_coef - 0.5 if kl < target / 1.5 else rule(kl_coef, kl, target=target)


def doubling_only(kl_coef: float, kl: float, *, target: float) -> float:
    return kl_coef * 2 if kl > target * 1.5 else kl_coef


KL_CONTROLLER = Exercise(
    id="ppo.kl_controller",
    title="The adaptive KL coefficient",
    points=2,
    reference=adapt_kl_coef,
    cases=(
        Case(
            "KL twice the target",
            given(1.0, 0.02, target=0.01),
            "Too far: the penalty must grow.",
            expected=2.0,
        ),
        Case(
            "KL a third of the target",
            given(1.0, 0.0033, target=0.01),
            "Too timid: the penalty must shrink.",
            expected=0.5,
        ),
        Case(
            "KL on target",
            given(3.0, 0.01, target=0.01),
            "Near the target nothing changes.",
            expected=3.0,
        ),
        Case(
            "KL 1.4 times the target",
            given(1.0, 0.014, target=0.01),
            "1.4 is less than 1.5.",
            expected=1.0,
        ),
        Case(
            "KL 0.7 times the target",
            given(1.0, 0.007, target=0.01),
            "1/1.5 is 0.667, and 0.7 is more.",
            expected=1.0,
        ),
        Case(
            "KL 1.7 times the target",
            given(1.0, 0.017, target=0.01),
            "The threshold is 1.5; the 2 is the factor.",
            expected=2.0,
        ),
        Case(
            "KL 0.6 times the target",
            given(1.0, 0.006, target=0.01),
            "The threshold is 1/1.5; the ½ is the factor.",
            expected=0.5,
        ),
        Case(
            "KL exactly 1.5 times the target",
            given(1.0, 3.0, target=2.0),
            "The paper's rule says more than 1.5 times.",
            expected=1.0,
        ),
        Case(
            "KL far beyond the target",
            given(0.25, 5.0, target=0.01),
            "The step is always a factor of 2, however far the KL is.",
            expected=0.5,
        ),
        Case(
            "KL 0: the policy did not move",
            given(0.02, 0.0, target=0.01),
            "The step is always a factor of 2, however small the KL is, and nothing limits it.",
            expected=0.01,
        ),
        Case(
            "another target, KL half of it",
            given(1000.0, 0.25, target=0.5),
            "The thresholds move with the target; the coefficient has no limit.",
            expected=500.0,
        ),
        Case(
            "another target, KL twice of it",
            given(1000.0, 1.0, target=0.5),
            "The thresholds move with the target; the coefficient has no limit.",
            expected=2000.0,
        ),
        Case(
            "a tiny coefficient",
            given(1e-4, 0.02, target=0.01),
            "Nothing limits the coefficient, at neither end.",
            expected=2e-4,
        ),
        Case(
            "a huge one",
            given(1e6, 0.02, target=0.01),
            "Nothing limits the coefficient, at neither end.",
            expected=2e6,
        ),
        Case(
            "KL exactly target/1.5",
            given(1.0, 2.0, target=3.0),
            "The paper's rule says less than target/1.5.",
            expected=1.0,
        ),
        Case(
            "KL 0.66 times the target",
            given(1.0, 0.66, target=1.0),
            "1/1.5 is 0.667, and 0.66 is less.",
            expected=0.5,
        ),
        Case(
            "KL 1.51 times the target",
            given(1.0, 1.51, target=1.0),
            "1.51 is more than 1.5.",
            expected=2.0,
        ),
    ),
    wrong_answers=(
        WrongAnswer(
            "You turn the wrong way: a KL that is too large needs a larger penalty.",
            partial(rule, factor=0.5),
        ),
        WrongAnswer(
            "You have no dead band: near the target the coefficient should stay.",
            partial(rule, low=1.0, high=1.0),
        ),
        WrongAnswer(
            "You exchanged the numbers: the thresholds are 1.5, the factor is 2.",
            partial(rule, low=0.5, high=2.0, factor=1.5),
        ),
        WrongAnswer(
            "Your thresholds are 2 and ½; the paper's are 1.5 and 1/1.5.",
            partial(rule, low=0.5, high=2.0),
        ),
        WrongAnswer(
            "Your lower threshold is target/2; the paper's is target/1.5.",
            partial(rule, low=0.5),
        ),
        WrongAnswer(
            "You scale by KL/target. The paper's rule moves by a factor of 2 or not at all.",
            proportional,
        ),
        WrongAnswer(
            "Your thresholds are those of a target of 0.01, whatever `target` says.",
            thresholds_for_one_target,
        ),
        WrongAnswer(
            "You subtract ½. The rule halves: kl_coef / 2.",
            halving_by_subtraction,
        ),
        WrongAnswer(
            "Between the thresholds you return nothing: return kl_coef unchanged.",
            without_a_middle,
        ),
        WrongAnswer(
            "You keep the coefficient within limits; the rule has none.",
            lambda kl_coef, kl, *, target: min(max(rule(kl_coef, kl, target=target), 1e-3), 1e4),
        ),
        WrongAnswer(
            "Your coefficient can only grow: halve it when the KL is too small.", doubling_only
        ),
    ),
)
