"""Two processes that each hold half of the weights compute what one process computes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from anatomy.algorithms import ppo
from anatomy.models.generation import generate
from anatomy.models.gpt import GPT, GPTConfig
from anatomy.models.heads import TextActorCritic
from anatomy.rollout import Batch
from anatomy.runtime import clip_gradients, gathered, initial_weights, make_generator

WORKER = """
import sys, torch
from safetensors.torch import save_file
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict
sys.path.insert(0, sys.argv[2])
from test_sharding import actor_critic, sample, step
from anatomy.runtime import distributed, gathered, shard

torch.set_num_threads(1)
with distributed() as (rank, processes):
    assert processes == 2
    policy = actor_critic()
    shard(policy, policy.policy.blocks, methods=("evaluate", "generate"))
    shares = sum(p.to_local().numel() for p in policy.parameters())
    texts = sample(policy)
    stats = step(policy, rank=rank, processes=processes)
    whole = get_model_state_dict(policy, options=StateDictOptions(full_state_dict=True))
    if rank == 0:
        found = {name: tensor.contiguous() for name, tensor in whole.items()}
        found["texts"], found["shares"] = texts, torch.tensor(shares)
        found["norm"] = torch.tensor(stats["gradient_norm"])
        save_file(found, sys.argv[1])
"""


def actor_critic() -> TextActorCritic:
    with initial_weights(0):
        policy = GPT(GPTConfig(17, context=16, width=16, layers=2, heads=2))
        return TextActorCritic(policy, pad_token=0)


def sample(policy: TextActorCritic) -> torch.Tensor:
    prompts = torch.tensor([[1, 2, 3], [4, 5, 6]])
    with gathered(policy):
        return policy.generate(prompts, 5, end_token=16, generator=make_generator(0))[0]


def step(policy: TextActorCritic, *, rank: int = 0, processes: int = 1) -> dict[str, float]:
    """One PPO update on a batch that is the same wherever it is cut."""
    draw = make_generator(1)
    texts = torch.randint(1, 17, (4, 8), generator=draw)
    old = -torch.rand(4, 5, generator=draw) - 2
    rest = {
        name: torch.randn(4, 5, generator=draw) for name in ("old_values", "advantages", "returns")
    }
    batch = Batch(
        observations=texts,
        actions=texts[:, 3:],
        old_logprobs=old,
        mask=torch.ones(4, 5, dtype=torch.bool),
        **rest,
    )[slice(rank, None, processes)]
    config = ppo.PPOConfig(epochs=1, minibatches=1, normalise_advantages=False)
    optimizer = torch.optim.SGD(policy.parameters(), lr=0.5)
    return ppo.update(policy, optimizer, batch, config, make_generator(2))


def test_a_sharded_update_is_the_whole_update(
    tmp_path: Path, in_two_processes: Callable[..., None]
):
    file = tmp_path / "found"
    in_two_processes(WORKER, str(file), str(Path(__file__).parent))
    found = load_file(file)
    policy = actor_critic()
    before = {name: p.detach().clone() for name, p in policy.named_parameters()}
    total = sum(p.numel() for p in policy.parameters())
    assert found.pop("shares") < 0.6 * total  # a process holds about half
    assert torch.equal(found.pop("texts"), sample(policy))
    stats = step(policy)
    torch.testing.assert_close(found.pop("norm").item(), stats["gradient_norm"], rtol=1e-5, atol=0)
    for name, parameter in policy.named_parameters():
        torch.testing.assert_close(found[name], parameter.detach(), rtol=1e-5, atol=1e-6, msg=name)
    assert any(not torch.allclose(before[name], found[name], atol=1e-4) for name in before)


def test_clipping_returns_the_norm_before_it():
    weight = nn.Parameter(torch.zeros(2))
    weight.grad = torch.tensor([3.0, 4.0])
    assert clip_gradients([weight], 1.0).item() == pytest.approx(5.0)
    torch.testing.assert_close(weight.grad, torch.tensor([0.6, 0.8]), rtol=1e-4, atol=0)


def test_an_unsharded_model_stays_as_it_is():
    policy = actor_critic()
    with gathered(policy):
        texts = generate(
            policy.policy, torch.tensor([[1, 2]]), 3, generator=make_generator(0)
        ).texts
    assert texts.shape == (1, 5)
