"""Muon, AdamW's groups, the loss, the schedule, and the units."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch

from anatomy.models.bert import IGNORE
from anatomy.models.gpt import GPT, GPTConfig
from anatomy.models.optimisers import Muon, adamw, muon_and_adamw, orthogonalise
from anatomy.models.pretraining import bits_per_byte, cosine, cross_entropy, perplexity


@pytest.mark.parametrize("shape", [(24, 24), (16, 48), (48, 16)])
def test_orthogonalising_keeps_directions_and_levels_sizes(shape):
    """Singular vectors stay; singular values that differ 20-fold go to [0.65, 1.25]."""
    torch.manual_seed(2)
    rank = min(shape)
    u, _ = torch.linalg.qr(torch.randn(shape[0], rank))
    v, _ = torch.linalg.qr(torch.randn(shape[1], rank))
    sizes = torch.logspace(0, -1.3, rank)
    result = orthogonalise(u @ torch.diag(sizes) @ v.T * 300)
    middle = u.T @ result @ v  # diagonal if the directions are kept
    torch.testing.assert_close(middle, middle.diag().diag(), rtol=0, atol=1e-4)
    assert middle.diag().min() > 0.65
    assert middle.diag().max() < 1.25


def test_one_step_by_hand():
    """A gradient of one direction: the step is lr · √max(1, rows/columns) · c · u vᵀ, c near 1."""
    matrix = torch.zeros(4, 2, requires_grad=True)
    u, v = torch.tensor([0.5, 0.5, 0.5, 0.5]), torch.tensor([0.6, 0.8])
    matrix.grad = 17.0 * torch.outer(u, v)
    Muon([matrix], lr=0.1).step()
    a, b, c, s = 3.4445, -4.7750, 2.0315, 1.0
    for _ in range(5):
        s = a * s + b * s**3 + c * s**5
    expected = -0.1 * math.sqrt(2) * s * torch.outer(u, v)
    torch.testing.assert_close(matrix.detach(), expected, rtol=1e-4, atol=1e-6)


def test_a_closure_makes_the_gradient_of_the_step():
    """As torch's own optimizers do: evaluate, step, hand back the loss."""
    weights = [torch.zeros(3, 2, requires_grad=True) for _ in range(2)]
    target = torch.arange(6.0).view(3, 2)
    by_hand, by_closure = (Muon([weight], lr=0.1) for weight in weights)
    (weights[0] - target).square().sum().backward()
    assert by_hand.step() is None

    def closure() -> torch.Tensor:
        by_closure.zero_grad()
        loss = (weights[1] - target).square().sum()
        loss.backward()
        return loss

    assert by_closure.step(closure).item() == 55.0
    torch.testing.assert_close(weights[1], weights[0], rtol=0, atol=0)


def test_muon_solves_a_regression_whose_directions_differ_in_size():
    """Y = X W with inputs whose scales differ 100-fold: gradient descent crawls, Muon does not."""
    torch.manual_seed(3)
    scales = torch.logspace(0, -2, 16)
    inputs, truth = torch.randn(256, 16) * scales, torch.randn(16, 12)

    def worst_direction(optimizer_class, **options) -> float:
        weight = torch.zeros(16, 12, requires_grad=True)
        optimizer = optimizer_class([weight], **options)
        for step in range(200):
            for group in optimizer.param_groups:
                group["lr"] = options["lr"] * cosine(step, 200, floor=0.0)
            optimizer.zero_grad()
            (inputs @ (weight - truth)).square().mean().backward()
            optimizer.step()
        return ((weight - truth).norm(dim=1) / truth.norm(dim=1)).max().item()

    assert worst_direction(Muon, lr=0.4) < 0.15
    for lr in (1.0, 4.0, 12.0):  # at 20 it diverges
        assert worst_direction(torch.optim.SGD, lr=lr, momentum=0.9) > 0.7


def test_muon_refuses_vectors():
    with pytest.raises(ValueError, match="Muon moves matrices"):
        Muon([torch.zeros(3, requires_grad=True)])


def test_every_parameter_has_one_optimiser():
    model = GPT(GPTConfig.like_gpt2(11, context=8, width=8, layers=2, heads=2))
    muon, other = muon_and_adamw(model)
    inside = {id(p) for group in muon.param_groups for p in group["params"]}
    outside = {id(p) for group in other.param_groups for p in group["params"]}
    assert not inside & outside
    assert inside | outside == {id(p) for p in model.parameters()}
    assert inside == {
        id(p) for n, p in model.named_parameters() if n.startswith("blocks") and p.ndim == 2
    }
    groups = adamw(model, 1e-3, weight_decay=0.1).param_groups
    assert [group["weight_decay"] for group in groups] == [0.1, 0.0]
    assert all(p.ndim == 2 for p in groups[0]["params"])
    assert sum(len(group["params"]) for group in groups) == len(list(model.parameters()))


@pytest.mark.learning
@pytest.mark.parametrize("kind", ["muon", "adamw"])
def test_a_tiny_gpt_learns_to_copy(kind):
    """Second half = first half: below 0.2 nats there, where guessing costs ln 8 = 2.08."""
    torch.manual_seed(4)
    model = GPT(GPTConfig(8, context=16, width=32, layers=2, heads=2))
    optimizers = muon_and_adamw(model) if kind == "muon" else [adamw(model, 3e-3)]
    peaks = [[group["lr"] for group in o.param_groups] for o in optimizers]
    steps = 250
    for step in range(steps):
        half = torch.randint(8, (32, 8))
        tokens = torch.cat([half, half], dim=1)
        mask = torch.arange(15).expand(32, 15) >= 7
        loss = cross_entropy(model(tokens[:, :-1]), tokens[:, 1:], mask)
        for optimizer, peak in zip(optimizers, peaks, strict=True):
            optimizer.zero_grad()
            for group, lr in zip(optimizer.param_groups, peak, strict=True):
                group["lr"] = lr * cosine(step, steps, warmup=10)
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()
    assert loss.item() < 0.2


def test_cross_entropy_by_hand():
    """−(ln ½ + ln ¼)/2; the third position does not count, for either reason."""
    logits = torch.tensor([[[0.5, 0.25, 0.25], [0.5, 0.25, 0.25], [0.1, 0.1, 0.8]]]).log()
    expected = (math.log(2) + math.log(4)) / 2
    targets = torch.tensor([[0, 2, 1]])
    mask = torch.tensor([[True, True, False]])
    assert cross_entropy(logits, targets, mask).item() == pytest.approx(expected, rel=1e-5)
    ignored = torch.tensor([[0, 2, IGNORE]])
    assert cross_entropy(logits, ignored).item() == pytest.approx(expected, rel=1e-5)
    with pytest.raises(ValueError, match="no position counts"):
        cross_entropy(logits, targets, torch.zeros(1, 3, dtype=torch.bool))


def test_units_by_hand():
    """1 bit per token, 4 bytes per token: a quarter bit per byte. ln 8 nats: 8 choices."""
    assert bits_per_byte(math.log(2), tokens=100, bytes=400) == pytest.approx(0.25)
    assert perplexity(math.log(8)) == pytest.approx(8)


def test_bits_per_byte_do_not_depend_on_the_tokenizer():
    """The same probability of the same text, cut once into 3 and once into 30 tokens."""
    total = 20.0  # −ln p(text)
    coarse = bits_per_byte(total / 3, tokens=3, bytes=50)
    fine = bits_per_byte(total / 30, tokens=30, bytes=50)
    assert coarse == pytest.approx(fine)


def test_the_schedule_by_hand():
    values = [cosine(step, 11, warmup=2, floor=0.2) for step in range(11)]
    assert values[:3] == pytest.approx([0.5, 1.0, 1.0])
    assert values[6] == pytest.approx(0.2 + 0.8 * 0.5)  # half way down
    assert values[-1] == pytest.approx(0.2)
    assert all(a >= b for a, b in pairwise(values[1:]))
    assert cosine(99, 11, floor=0.2) == pytest.approx(0.2)
