"""Twelve bugs of the kind that PPO code has. None raises an error; only tests tell."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from anatomy.classroom.chapter_05.advantages import wrong_gae
from anatomy.classroom.chapter_05.token_rewards import last_column, variant
from anatomy.classroom.mutation import Implementation, Mutant, MutationLab


def larger_of_the_two(new: Tensor, old: Tensor, advantages: Tensor, *, clip_range: float) -> Tensor:
    ratio = torch.exp(new - old)
    clipped = ratio.clamp(1 - clip_range, 1 + clip_range)
    return -torch.maximum(ratio * advantages, clipped * advantages)


def clip_alone(new: Tensor, old: Tensor, advantages: Tensor, *, clip_range: float) -> Tensor:
    ratio = torch.exp(new - old)
    return -ratio.clamp(1 - clip_range, 1 + clip_range) * advantages


def advantage_twice(new: Tensor, old: Tensor, advantages: Tensor, *, clip_range: float) -> Tensor:
    ratio = torch.exp(new - old)
    clipped = ratio.clamp(1 - clip_range, 1 + clip_range) * advantages
    return -torch.minimum(ratio * advantages, clipped * advantages.abs())


def optimistic_values(
    values: Tensor, old_values: Tensor, returns: Tensor, *, clip_range: float
) -> Tensor:
    near = old_values + (values - old_values).clamp(-clip_range, clip_range)
    return 0.5 * torch.minimum((values - returns).square(), (near - returns).square())


def k3_turned_round(logprobs: Tensor, other_logprobs: Tensor) -> Tensor:
    log_ratio = logprobs - other_logprobs
    return torch.expm1(log_ratio) - log_ratio


def no_dead_band(kl_coef: float, kl: float, *, target: float) -> float:
    return kl_coef / 2 if kl < target else kl_coef * 2


def mean_of_everything(values: Tensor, mask: Tensor) -> Tensor:
    return torch.where(mask, values, 0.0).mean()


def whitened_with_padding(
    values: Tensor, mask: Tensor, *, shift_mean: bool = True, eps: float = 1e-8
) -> Tensor:
    mean, std = values.mean(), values.std(correction=0)
    whitened = (values - mean) / (std + eps) + (0.0 if shift_mean else mean)
    return torch.where(mask, whitened, 0.0)


MUTANTS = (
    Mutant(
        "gae",
        partial(wrong_gae, mistake="worthless after both"),
        "A truncation was treated as a termination: the future it did not see counted as 0.",
    ),
    Mutant(
        "gae",
        partial(wrong_gae, mistake="cut at terminations"),
        "The sum ran across truncations into the next episode.",
    ),
    Mutant(
        "gae",
        partial(wrong_gae, mistake="γ only"),
        "λ was missing from the recursion, so λ = 0.95 behaved like λ = 1.",
    ),
    Mutant(
        "clipped_surrogate",
        larger_of_the_two,
        "max stood for min: the bound was optimistic. Visible only where the ratio has left the "
        "range.",
    ),
    Mutant(
        "clipped_surrogate",
        clip_alone,
        "The min was missing: a change for the worse beyond the range lost its gradient.",
    ),
    Mutant(
        "clipped_surrogate",
        advantage_twice,
        "The clipped branch was multiplied by |Â| once more. With Â = ±1, as in most toy tests, "
        "nothing shows.",
    ),
    Mutant(
        "clipped_value_loss",
        optimistic_values,
        "min stood for max: a value that moved too far was forgiven.",
    ),
    Mutant(
        "k3",
        k3_turned_round,
        "The two policies were exchanged. The result is still ≥ 0 and still 0 for equal policies, "
        "but it estimates another number.",
    ),
    Mutant(
        "adapt_kl_coef",
        no_dead_band,
        "There was no dead band: the coefficient jumped at every step.",
    ),
    Mutant(
        "masked_mean",
        mean_of_everything,
        "The sum was divided by B·T instead of the number of real elements. Short episodes then "
        "weigh less.",
    ),
    Mutant(
        "whiten",
        whitened_with_padding,
        "Mean and deviation came from the padding as well.",
    ),
    Mutant(
        "token_rewards",
        variant(paid=last_column),
        "The score went to the last column, where a shorter response has padding.",
    ),
)


def reference_tests(impl: Implementation) -> None:
    """Tests that kill all twelve: one small case by hand for each function."""

    def near(got: Tensor, expected: list[list[float]] | list[float] | float) -> None:
        torch.testing.assert_close(got, torch.tensor(expected), atol=1e-5, rtol=1e-4)

    rewards, values = torch.tensor([[1.0, 0.0, 2.0]]), torch.tensor([[0.5, 1.0, 0.5]])
    nowhere = torch.zeros(1, 3, dtype=torch.bool)
    truncated = torch.tensor([[False, True, False]])
    found = impl.gae(rewards, values, torch.ones(1), nowhere, truncated, gamma=0.9, gae_lambda=0.5)
    near(found, [[1.1525, -0.55, 2.4]])

    ratios = torch.tensor([[0.7, 1.1, 1.5], [0.7, 1.1, 1.5]])
    signs = torch.tensor([[0.5], [-0.5]]).expand(2, 3)
    found = impl.clipped_surrogate(ratios.log(), torch.zeros(2, 3), signs, clip_range=0.2)
    near(found, [[-0.35, -0.55, -0.6], [0.4, 0.55, 0.75]])

    # V moved from 0 to 1, the return is 1: only the clipped value 0.2 is wrong, by 0.8
    one = torch.ones(1, 1)
    near(impl.clipped_value_loss(one, 0 * one, one, clip_range=0.2), [[0.32]])

    near(impl.k3(torch.tensor([0.5]).log(), torch.tensor([0.25]).log()), [0.193147])
    assert impl.adapt_kl_coef(1.0, 0.012, target=0.01) == 1.0

    row, mask = torch.tensor([[1.0, 3.0, 8.0]]), torch.tensor([[True, True, False]])
    near(impl.masked_mean(row, mask), 2.0)
    near(impl.whiten(row, mask), [[-1.0, 1.0, 0.0]])

    found = impl.token_rewards(torch.tensor([2.0]), row, row - 0.5, mask, kl_coef=1.0)
    near(found, [[-0.5, 1.5, 0.0]])


MUTATION_LAB = MutationLab(
    id="ppo.mutants",
    title="Mutation lab",
    points=5,
    needed=10,
    mutants=MUTANTS,
    reference=reference_tests,
)
