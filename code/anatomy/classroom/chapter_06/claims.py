"""Exercise 5: a claim about a sweep, stated as code, and tried on sweeps where it is false."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import product
from typing import NamedTuple

import torch

from anatomy.classroom.case import Case, Inputs
from anatomy.classroom.exercise import Exercise, WrongAnswer

RECOVERED = 0.9  # of the tax that PPO pays without the mix
DEFAULT_KL = 0.04  # β of the runs that sweep κ


class Run(NamedTuple):
    """One run of a sweep: κ, β, the seed, and the loss on held-out web text afterwards."""

    ptx_coef: float
    kl_coef: float
    seed: int
    web_loss: float


Sweep = Sequence[Run]
Base = dict[int, float]  # seed → web loss of the base model
Answer = dict[str, float]


def claim(sweep: Sweep, base: Base) -> Answer:
    """The smallest κ, and the smallest β at κ = 0, that recover 90 % of the tax in every seed.

    The tax of a seed is the web loss of plain PPO, κ = 0 and β = 0.04, minus that of the base
    model; a setting recovers (PPO − setting)/(PPO − base) of it. ∞ where no setting does.
    """
    return claim_with(all)(sweep, base)


def recovered(run: Run, sweep: Sweep, base: Base) -> float:
    plain = next(
        one.web_loss
        for one in sweep
        if (one.ptx_coef, one.kl_coef, one.seed) == (0, DEFAULT_KL, run.seed)
    )
    return (plain - run.web_loss) / (plain - base[run.seed])


def smallest(
    settings: Iterable[tuple[float, list[Run]]], holds: Callable[[list[Run]], bool]
) -> float:
    return min((value for value, runs in settings if holds(runs)), default=math.inf)


def swept(sweep: Sweep, *, kappa: bool) -> list[tuple[float, list[Run]]]:
    """Runs by κ at the default β, or by β without the mix."""
    line = [r for r in sweep if (r.kl_coef == DEFAULT_KL if kappa else r.ptx_coef == 0)]
    values = sorted({r.ptx_coef if kappa else r.kl_coef for r in line})
    return [(v, [r for r in line if (r.ptx_coef if kappa else r.kl_coef) == v]) for v in values]


def claim_with(
    in_seeds: Callable[[Iterable[bool]], bool],
    share: Callable[[Run, Sweep, Base], float] = recovered,
) -> Callable[[Sweep, Base], Answer]:
    """The claim with another word for "in every seed", or another idea of the tax."""

    def function(sweep: Sweep, base: Base) -> Answer:
        def holds(runs: list[Run]) -> bool:
            return in_seeds(share(run, sweep, base) >= RECOVERED for run in runs)

        return {
            "kappa": smallest(swept(sweep, kappa=True), holds),
            "beta": smallest(swept(sweep, kappa=False), holds),
        }

    return function


def on_average(sweep: Sweep, base: Base) -> Answer:
    def holds(runs: list[Run]) -> bool:
        return sum(recovered(run, sweep, base) for run in runs) / len(runs) >= RECOVERED

    return {
        "kappa": smallest(swept(sweep, kappa=True), holds),
        "beta": smallest(swept(sweep, kappa=False), holds),
    }


def of_the_loss(run: Run, sweep: Sweep, base: Base) -> float:
    """The share of the base model's quality that is left, which is never far from 1."""
    return base[run.seed] / run.web_loss


def of_one_seed(run: Run, sweep: Sweep, base: Base) -> float:
    """Measured against the base model and the PPO run of the first seed."""
    first = min(base)
    plain = next(r.web_loss for r in sweep if r[:3] == (0, DEFAULT_KL, first))
    return (plain - run.web_loss) / (plain - base[first])


def of_the_mean_tax(run: Run, sweep: Sweep, base: Base) -> float:
    """What a seed got back, as a share of what the seeds lost on average."""
    lost = [r.web_loss - base[r.seed] for r in sweep if r[:2] == (0, DEFAULT_KL)]
    plain = next(r.web_loss for r in sweep if r[:3] == (0, DEFAULT_KL, run.seed))
    return (plain - run.web_loss) / (sum(lost) / len(lost))


def kappa_at_any_kl(sweep: Sweep, base: Base) -> Answer:
    """All runs of a κ, whatever their β."""
    values = sorted({run.ptx_coef for run in sweep})

    def holds(runs: list[Run]) -> bool:
        return all(recovered(run, sweep, base) >= RECOVERED for run in runs)

    settings = [(value, [r for r in sweep if r.ptx_coef == value]) for value in values]
    return {
        "kappa": smallest(settings, holds),
        "beta": smallest(swept(sweep, kappa=False), holds),
    }


def any_kl(sweep: Sweep, base: Base) -> Answer:
    """The β of any κ: a run with the mix is taken for one without."""

    def holds(runs: list[Run]) -> bool:
        return all(recovered(run, sweep, base) >= RECOVERED for run in runs)

    values = sorted({run.kl_coef for run in sweep})
    settings = [
        (value, [r for r in sweep if r.kl_coef == value and r.ptx_coef == kappa])
        for value in values
        for kappa in {r.ptx_coef for r in sweep}
    ]
    return {
        "kappa": smallest(swept(sweep, kappa=True), holds),
        "beta": smallest([(v, runs) for v, runs in settings if runs], holds),
    }


def best_setting(sweep: Sweep, base: Base) -> Answer:
    """The setting with the lowest loss instead of the smallest that suffices."""

    def lowest(settings: list[tuple[float, list[Run]]]) -> float:
        return min(settings, key=lambda pair: sum(run.web_loss for run in pair[1]))[0]

    return {
        "kappa": lowest(swept(sweep, kappa=True)),
        "beta": lowest(swept(sweep, kappa=False)),
    }


def made_up(shares: Mapping[tuple[float, float], Sequence[float]]) -> Inputs:
    """A sweep in which setting (κ, β) recovers these shares, a seed each; bases differ by seed."""
    seeds = range(len(next(iter(shares.values()))))
    base = {seed: 0.9 + 0.05 * seed for seed in seeds}
    tax = {seed: 0.1 + 0.1 * seed for seed in seeds}
    shares = {(0.0, DEFAULT_KL): [0.0] * len(base), **shares}
    runs = [
        Run(kappa, beta, seed, base[seed] + tax[seed] * (1 - shares[kappa, beta][seed]))
        for (kappa, beta), seed in product(shares, seeds)
    ]
    return Inputs((runs, base), {})


def sweep_of(
    shares: Mapping[tuple[float, float], Sequence[float]],
) -> Callable[[torch.Generator], Inputs]:
    """The same runs in an order that depends on the seed of the check."""

    def draw(generator: torch.Generator) -> Inputs:
        (runs, base), _ = made_up(shares)
        order = torch.randperm(len(runs), generator=generator).tolist()
        return Inputs(([runs[i] for i in order], base), {})

    return draw


AS_IN_THE_PAPER: dict[tuple[float, float], Sequence[float]] = {
    (0.3, DEFAULT_KL): (0.4, 0.5, 0.45),
    (1.0, DEFAULT_KL): (0.93, 0.97, 0.95),
    (3.0, DEFAULT_KL): (1.02, 1.01, 0.99),
    (0.0, 0.2): (0.1, 0.2, 0.15),
    (0.0, 1.0): (0.4, 0.5, 0.3),
    (1.0, 0.2): (0.5, 0.5, 0.5),  # both knobs turned: no word on either
    (0.3, 1.0): (0.6, 0.95, 0.6),
}

CLAIM = Exercise(
    id="instruct.claim",
    title="A claim as code",
    points=3,
    reference=claim,
    cases=(
        Case(
            "a sweep as in the paper",
            sweep_of(AS_IN_THE_PAPER),
            "At β = 0.04, κ = 1 recovers at least 0.93 in every seed, and κ = 0.3 does not; no β "
            "does so without the mix. Runs with both knobs turned count for neither.",
            expected={"kappa": 1.0, "beta": math.inf},
        ),
        Case(
            "a world in which β alone suffices",
            sweep_of(AS_IN_THE_PAPER | {(0.0, 1.0): (0.95, 0.92, 0.99)}),
            "The claim must be able to fail: here β = 1 recovers 90 % without the mix.",
            expected={"kappa": 1.0, "beta": 1.0},
        ),
        Case(
            "one seed of three falls short",
            sweep_of(AS_IN_THE_PAPER | {(1.0, DEFAULT_KL): (1.0, 0.98, 0.8)}),
            "The mean of κ = 1 is above 90 %; one seed is not.",
            expected={"kappa": 3.0, "beta": math.inf},
        ),
        Case(
            "87 % in every seed, and 95 % in a single one",
            sweep_of(
                AS_IN_THE_PAPER
                | {(0.1, DEFAULT_KL): (0.95, 0.2, 0.3), (0.3, DEFAULT_KL): (0.87, 0.87, 0.87)}
            ),
            "Neither suffices: 87 % is not 90 %, and one seed is not all.",
            expected={"kappa": 1.0, "beta": math.inf},
        ),
        Case(
            "too much of it hurts again",
            sweep_of(AS_IN_THE_PAPER | {(3.0, DEFAULT_KL): (0.7, 1.0, 0.8)}),
            "κ = 1 suffices, though κ = 3 does not: nobody promised that more is better.",
            expected={"kappa": 1.0, "beta": math.inf},
        ),
        Case(
            "a seed that reads the web better than its base model",
            sweep_of(AS_IN_THE_PAPER | {(0.3, DEFAULT_KL): (1.85, 0.91, 0.62)}),
            "κ = 0.3 gives one seed back more than it lost, and another only 62 % of its own tax.",
            expected={"kappa": 1.0, "beta": math.inf},
        ),
        Case(
            "nothing suffices",
            sweep_of(
                {
                    key: tuple(0.5 * share for share in values)
                    for key, values in AS_IN_THE_PAPER.items()
                }
            ),
            "float('inf') says that no setting of the sweep does.",
            expected={"kappa": math.inf, "beta": math.inf},
        ),
        Case(
            "a run with both knobs turned",
            sweep_of(
                {(0.3, 0.2): (1.0, 1.0, 1.0), (0.3, DEFAULT_KL): (0.2, 0.2, 0.2)}
                | {(0.0, 0.2): (0.1, 0.1, 0.1)}
            ),
            "κ is judged at the default β, and β without the mix; this run shows neither.",
            expected={"kappa": math.inf, "beta": math.inf},
        ),
    ),
    wrong_answers=(
        WrongAnswer(
            "You ask for the mean over seeds. One seed may fail badly and hide behind the others.",
            on_average,
        ),
        WrongAnswer(
            "You ask whether any seed recovers. With enough seeds one always will.",
            claim_with(any),
        ),
        WrongAnswer(
            "You compare losses, not what was lost. A loss near the base model's is near it also "
            "when most of the tax is still paid.",
            claim_with(all, of_the_loss),
        ),
        WrongAnswer(
            "You measure every seed against the first one's base model. Each seed has its own.",
            claim_with(all, of_one_seed),
        ),
        WrongAnswer(
            "You divide by the mean tax of the seeds. Each seed has a tax of its own.",
            claim_with(all, of_the_mean_tax),
        ),
        WrongAnswer(
            "You judge a κ by its runs at every β; only those at the default β sweep κ.",
            kappa_at_any_kl,
        ),
        WrongAnswer(
            "You take the setting with the lowest loss. Asked is the smallest that suffices, and "
            "none where none does.",
            best_setting,
        ),
        WrongAnswer(
            "You judge β also by runs with the mix, where κ does the work.",
            any_kl,
        ),
    ),
)
