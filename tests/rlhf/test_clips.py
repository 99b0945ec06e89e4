"""Comparisons of clips: what is cut, asked, answered and learned."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from anatomy.rlhf.clips import (
    Clips,
    Comparisons,
    RewardEnsemble,
    choose_pairs,
    comparison_loss,
    cut,
    disagreement,
    fit,
    join,
    labels_due,
    scripted_answers,
)
from anatomy.rollout import Rollout


def made(count: int, reward: Callable[[Tensor, Tensor], Tensor], seed: int = 0) -> Clips:
    """Clips of random observations of size 3, paid by a planted reward."""
    generator = torch.Generator().manual_seed(seed)
    seen = torch.randn(count, 5, 3, generator=generator)
    actions = torch.randint(2, (count, 5), generator=generator)
    return Clips(seen, actions, reward(seen, actions).sum(dim=1))


def planted(seen: Tensor, actions: Tensor) -> Tensor:
    return seen[..., 0] - 0.5 * seen[..., 1] + torch.where(actions == 1, 0.7, 0.0)


def test_clips_are_cut_in_order_and_without_resets(rollout: Callable[..., Rollout]) -> None:
    numbers = torch.arange(14.0).view(2, 7)
    mask = torch.ones(2, 7, dtype=torch.bool)
    mask[0, 4] = False
    record = rollout(2, 7, rewards=numbers, actions=numbers.long(), mask=mask)
    clips = cut(record, 3)
    assert clips.actions.tolist() == [[0, 1, 2], [7, 8, 9], [10, 11, 12]]
    assert clips.returns.tolist() == [3, 24, 33]
    assert clips.observations.shape == (3, 3, 4)
    with pytest.raises(ValueError, match="1 to 7 steps"):
        cut(record, 8)


def test_the_loss_is_the_cross_entropy_of_the_paper() -> None:
    first = torch.tensor([[0.3, -1.0, 2.0]], requires_grad=True)
    second = torch.tensor([[1.0, 0.5, 2.0]])
    target = torch.tensor([1.0, 0.0, 0.5])
    p = torch.sigmoid(first - second)
    by_hand = -(target * p.log() + (1 - target) * (1 - p).log()).mean()
    torch.testing.assert_close(comparison_loss(first, second, target), by_hand)
    slope = torch.autograd.grad(comparison_loss(first, second, target), first)[0]
    assert slope[0, 2] == pytest.approx(0)  # a tie of equal scores asks for nothing


def test_an_ensemble_is_its_members_one_by_one() -> None:
    ensemble = RewardEnsemble((1.0, 2.0, 4.0), choices=2, members=3, hidden=8, seed=1)
    clips = made(4, planted)
    inputs = torch.cat(
        [
            clips.observations / torch.tensor([1.0, 2.0, 4.0]),
            torch.nn.functional.one_hot(clips.actions, 2).float(),
        ],
        dim=-1,
    )
    for k, found in enumerate(ensemble(clips.observations, clips.actions)):
        x = inputs
        for layer in range(3):
            x = x @ ensemble.weights[layer][k] + ensemble.biases[layer][k]
            x = torch.nn.functional.leaky_relu(x, 0.01) if layer < 2 else x
        torch.testing.assert_close(found, x.squeeze(-1))
    each = replace(
        clips,
        observations=clips.observations.expand(3, -1, -1, -1),
        actions=clips.actions.expand(3, -1, -1),
    )
    torch.testing.assert_close(ensemble.own_scores(each), ensemble.scores(clips))


def test_a_planted_reward_is_learned_up_to_zero_and_unit() -> None:
    generator = torch.Generator().manual_seed(0)
    first, second = made(400, planted, 1), made(400, planted, 2)
    said = scripted_answers(first.returns, second.returns, generator=generator)
    ensemble = RewardEnsemble((1.0, 1.0, 1.0), choices=2, hidden=32)
    optimizer = torch.optim.AdamW(ensemble.parameters(), lr=3e-3)
    comparisons = Comparisons(first, second, said)
    nothing = Comparisons(first[:0], second[:0], said[:0])
    with pytest.raises(ValueError, match="no comparison to learn from"):
        fit(ensemble, optimizer, nothing, steps=1, generator=generator)
    before = fit(ensemble, optimizer, comparisons, steps=1, generator=generator)
    after = fit(ensemble, optimizer, comparisons, steps=200, generator=generator)
    assert after < 0.5 * before
    fresh = made(200, planted, 3)
    paid = ensemble.rewards(fresh.observations, fresh.actions)
    true = planted(fresh.observations, fresh.actions)
    assert torch.corrcoef(torch.stack([paid.flatten(), true.flatten()]))[0, 1] > 0.95
    assert paid.mean() == pytest.approx(0, abs=1e-5)


def test_members_differ_and_agree_where_there_are_answers() -> None:
    scores = torch.tensor([[3.0, 0.0], [3.0, 4.0], [3.0, -4.0]])
    doubt = disagreement(scores, torch.zeros_like(scores))
    assert doubt[0] == pytest.approx(0)
    assert doubt[1] > 0.1


def test_questions_are_those_with_the_most_disagreement() -> None:
    clips, ensemble = made(60, planted), RewardEnsemble((1.0, 1.0, 1.0), choices=2, seed=3)
    draws = [torch.Generator().manual_seed(5) for _ in range(2)]
    asked = choose_pairs(ensemble, clips, 12, candidates=10, generator=draws[0])
    anything = choose_pairs(ensemble, clips, 120, candidates=1, generator=draws[1])
    assert asked.shape == (12, 2)
    assert (anything[:, 0] != anything[:, 1]).all()
    scores = ensemble.scores(clips)

    def doubt(pairs: Tensor) -> Tensor:
        return disagreement(scores[:, pairs[:, 0]], scores[:, pairs[:, 1]])

    assert doubt(asked).min() >= doubt(anything).topk(12).values.min() - 1e-6
    with pytest.raises(ValueError, match="needs two clips"):
        choose_pairs(ensemble, clips[:1], 1, generator=draws[0])


def test_the_scripted_labeller_sees_returns_and_errs_as_often_as_told() -> None:
    generator = torch.Generator().manual_seed(0)
    first = torch.tensor([1.0, 0.0, 2.0])
    second = torch.tensor([0.0, 1.0, 2.0])
    assert scripted_answers(first, second, generator=generator).tolist() == [1.0, 0.0, 0.5]
    many = torch.ones(20_000)
    said = scripted_answers(many, 0 * many, mistakes=0.2, generator=generator)
    assert said.mean() == pytest.approx(0.9, abs=0.01)  # half of the coins are right


def test_answers_come_early_and_all_come() -> None:
    due = [labels_due(400, i, 60) for i in range(60)]
    assert due[0] == 100
    assert due[-1] == 400
    steps = torch.tensor(due).diff()
    assert (steps >= 0).all()
    assert steps[:10].sum() > 2 * steps[-10:].sum()
    assert labels_due(7, 0, 1) >= 1


def test_comparisons_are_joined_in_order() -> None:
    parts = [Comparisons(made(n, planted), made(n, planted, 9), torch.ones(n)) for n in (2, 3)]
    whole = join(parts)
    assert len(whole) == 5
    torch.testing.assert_close(whole.second.returns[2:], parts[1].second.returns)
    with pytest.raises(ValueError, match="shapes must be equal"):
        Comparisons(made(2, planted), made(3, planted), torch.ones(2))


def test_an_action_is_a_choice_or_a_vector() -> None:
    with pytest.raises(ValueError, match="either"):
        RewardEnsemble((1.0,))
    vector = RewardEnsemble((1.0, 1.0), action_size=1)
    assert vector(torch.zeros(4, 5, 2), torch.zeros(4, 5, 1)).shape == (3, 4, 5)
