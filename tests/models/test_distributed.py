"""Two processes that each see half of a batch have the gradients of the whole batch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn

from anatomy.models.gpt import GPT, GPTConfig
from anatomy.models.pretraining import cross_entropy
from anatomy.runtime import distributed, initial_weights, replicate

SHAPE = GPTConfig(17, context=8, width=16, layers=2, heads=2)

WORKER = """
import sys, torch
from safetensors.torch import save_file
from anatomy.models.gpt import GPT, GPTConfig
from anatomy.models.pretraining import cross_entropy
from anatomy.runtime import distributed, initial_weights, replicate

torch.set_num_threads(1)
with distributed() as (rank, processes):
    assert processes == 2
    with initial_weights(rank):  # replicate() must make them those of process 0
        model = GPT(GPTConfig(17, context=8, width=16, layers=2, heads=2))
    replica = replicate(model)
    tokens = torch.load(sys.argv[1])[rank::processes]
    cross_entropy(replica(tokens[:, :-1]), tokens[:, 1:]).backward()
    gradients = {name: p.grad.contiguous() for name, p in model.named_parameters()}
    save_file(gradients, f"{sys.argv[1]}.{rank}")
"""


def gradients(tokens: torch.Tensor) -> dict[str, torch.Tensor]:
    with initial_weights(0):
        model = GPT(SHAPE)
    cross_entropy(model(tokens[:, :-1]), tokens[:, 1:]).backward()
    return {name: p.grad for name, p in model.named_parameters()}


def test_two_processes_have_the_gradients_of_one(
    tmp_path: Path, in_two_processes: Callable[..., None]
):
    tokens = torch.randint(17, (6, 9), generator=torch.Generator().manual_seed(3))
    file = tmp_path / "tokens.pt"
    torch.save(tokens, file)
    in_two_processes(WORKER, str(file))
    whole, half = gradients(tokens), gradients(tokens[::2])
    for rank in range(2):
        found = load_file(f"{file}.{rank}")
        assert found.keys() == whole.keys()
        for name, gradient in found.items():
            torch.testing.assert_close(gradient, whole[name], rtol=1e-5, atol=1e-7, msg=name)
    assert any(not torch.allclose(half[name], whole[name], atol=1e-5) for name in whole)


def test_alone_nothing_is_joined(monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    with distributed() as (rank, processes):
        assert (rank, processes) == (0, 1)
        module = nn.Linear(2, 2)
        assert replicate(module) is module
