"""Checkpoints: nothing lost, nothing half-written, nothing changed by a file that is refused."""

from __future__ import annotations

import json
import os
import pickle
import stat
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from anatomy.algorithms.ppo import PPOConfig, judge, make_optimizer, update
from anatomy.models.actor_critic import CategoricalActorCritic, GaussianActorCritic
from anatomy.models.bigram import BigramActorCritic
from anatomy.reporting.checkpoints import (
    CheckpointError,
    load_checkpoint,
    read_checkpoint,
    save_checkpoint,
)
from anatomy.rlhf.respond import respond
from anatomy.runtime import initial_weights, make_generator

CONFIG = PPOConfig(epochs=2, minibatches=2)


def policy(seed: int = 0, **options) -> CategoricalActorCritic:
    with initial_weights(seed):
        return CategoricalActorCritic(4, 3, **{"hidden": (8,), **options})


def trained(seed: int = 0) -> tuple[nn.Module, torch.optim.Optimizer]:
    """A policy after a step of its optimiser, so that there are moments to keep."""
    module = policy(seed)
    optimizer = make_optimizer(module, CONFIG)
    sum(weight.square().sum() for weight in module.parameters()).backward()
    optimizer.step()
    optimizer.zero_grad()
    return module, optimizer


def snapshot(module: nn.Module, optimizer: torch.optim.Optimizer | None = None) -> list[Tensor]:
    tensors = [value.clone() for value in module.state_dict().values()]
    if optimizer is not None:
        for _, slots in sorted(optimizer.state_dict()["state"].items()):
            tensors += [torch.as_tensor(slots[name]).clone() for name in sorted(slots)]
    return tensors


def same(a: list[Tensor], b: list[Tensor]) -> bool:
    return len(a) == len(b) and all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.fixture
def path(tmp_path):
    """A good checkpoint of seed 0."""
    module, optimizer = trained(0)
    return save_checkpoint(
        tmp_path / "run" / "policy.safetensors", module,
        config=CONFIG, seed=17, step=4096, optimizer=optimizer, extra={"note": "für später"},
    )  # fmt: skip


def test_everything_comes_back(path):
    module, optimizer = trained(0)
    other, other_optimizer = trained(1)
    assert not same(snapshot(other), snapshot(module))
    meta = load_checkpoint(path, other, optimizer=other_optimizer, config=CONFIG)
    assert same(snapshot(other, other_optimizer), snapshot(module, optimizer))
    assert other_optimizer.param_groups[0]["lr"] == CONFIG.learning_rate
    assert (meta["seed"], meta["step"], meta["extra"]) == (17, 4096, {"note": "für später"})
    assert meta["config"]["gae_lambda"] == CONFIG.gae_lambda
    assert meta["version"]


def test_weights_alone_can_be_loaded(path):
    module = policy(1)
    load_checkpoint(path, module)
    assert same(snapshot(module), snapshot(trained(0)[0]))


def test_loaded_weights_are_not_tied_to_the_file_or_to_each_other(path):
    first, second = policy(1), policy(2)
    load_checkpoint(path, first)
    load_checkpoint(path, second)
    with torch.no_grad():
        first.actor[0].weight.zero_()
    assert second.actor[0].weight.abs().sum() > 0


def test_tied_weights_and_other_dtypes(tmp_path):
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(5, 3)
            self.head = nn.Linear(3, 5, bias=False)
            self.head.weight = self.embedding.weight
            self.register_buffer("counts", torch.arange(4))
            self.narrow = nn.Parameter(torch.randn(2, 3).bfloat16().T)  # not contiguous either

    module, other = Tied(), Tied()
    file = save_checkpoint(tmp_path / "tied.safetensors", module, config={}, seed=0)
    load_checkpoint(file, other)
    assert same(snapshot(other), snapshot(module))
    assert other.head.weight is other.embedding.weight


# --- what is refused, and that nothing has changed then


def refuse(path, match: str, module=None, optimizer=None, **options) -> None:
    module = policy(1) if module is None else module
    before = snapshot(module, optimizer)
    with pytest.raises(CheckpointError, match=match) as error:
        load_checkpoint(path, module, optimizer=optimizer, **options)
    assert "\n" not in str(error.value)
    assert path.name in str(error.value)
    assert same(snapshot(module, optimizer), before)


def test_a_missing_file_and_a_folder(tmp_path):
    refuse(tmp_path / "none.safetensors", "no checkpoint at")
    refuse(tmp_path, "no checkpoint at")


def test_a_truncated_file(path):
    whole = path.read_bytes()
    for length in (0, 4, 8, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        refuse(path, "damaged or not a safetensors file")


def test_a_file_with_bytes_too_many(path):
    path.write_bytes(path.read_bytes() + b"junk")
    refuse(path, "damaged or not a safetensors file")


@pytest.mark.parametrize("content", [b"hello", b"\x00" * 64, b"\xff" * 64, pickle.dumps({"a": 1})])
def test_a_file_of_another_kind(path, content):
    path.write_bytes(content)
    refuse(path, "damaged or not a safetensors file")


def test_a_pickle_is_never_executed(path, tmp_path):
    class Bomb:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "executed"),))

    torch.save({"weights": Bomb()}, path)
    refuse(path, "damaged or not a safetensors file")
    assert not (tmp_path / "executed").exists()


def test_safetensors_of_someone_else(path):
    save_file(policy(0).state_dict(), path)
    refuse(path, "was not written by this course")


@pytest.mark.parametrize("header", ["{broken", "[]", "{}", '{"format": "other"}', "null"])
def test_a_header_that_is_not_ours_inside(path, header):
    save_file(policy(0).state_dict(), path, metadata={"anatomy-checkpoint": header})
    refuse(path, "damaged")


def test_another_module(path):
    with initial_weights(0):
        other = GaussianActorCritic(4, 3, hidden=(8,))
    refuse(path, "holds a CategoricalActorCritic, not a GaussianActorCritic", other)


def test_another_configuration(path):
    changed = replace(CONFIG, gae_lambda=0.5)
    refuse(path, r"another configuration: gae_lambda is 0\.95 there and 0\.5 here", config=changed)
    refuse(path, "another configuration", config={"gae_lambda": 0.95})
    refuse(path, "another configuration", config=[1, 2])


def test_another_shape(path):
    refuse(path, r"is \(8, 4\), this model needs \(9, 4\)|is \(8,\)", policy(1, hidden=(9,)))


def test_another_depth(path):
    refuse(path, r"lacks weight|has an unknown weight|is \(", policy(1, hidden=(8, 8)))


def test_an_optimiser_of_another_kind(path):
    module = policy(1)
    sgd = torch.optim.SGD(module.parameters(), lr=0.1)
    refuse(path, "holds the state of Adam, not that of SGD", module, sgd)


def test_an_optimiser_where_none_was_saved(tmp_path):
    module, optimizer = trained(1)
    file = save_checkpoint(tmp_path / "bare.safetensors", module, config=CONFIG, seed=0)
    refuse(file, "holds no optimizer state", module, optimizer)


def test_an_optimiser_of_other_weights(path):
    """Checked before anything is changed: also when torch itself would refuse it afterwards."""
    module = policy(1)
    refuse(path, "optimizer", module, torch.optim.Adam(module.actor.parameters()))
    pair = [{"params": module.actor.parameters()}, {"params": module.critic.parameters()}]
    refuse(path, "optimizer", module, torch.optim.Adam(pair))
    backwards = torch.optim.Adam(list(module.parameters())[::-1])
    refuse(path, "optimizer", module, backwards)


def test_a_configuration_that_json_cannot_hold_is_refused_before_writing(path):
    before = path.read_bytes()
    with pytest.raises(TypeError):
        save_checkpoint(path, policy(1), config={"device": torch.device("cpu")}, seed=0)
    assert path.read_bytes() == before


# --- atomic


@pytest.mark.parametrize("step", ["fsync", "chmod", "replace"])
@pytest.mark.parametrize("failure", [OSError("no space left"), KeyboardInterrupt()])
def test_a_crash_while_writing_leaves_the_old_file(path, monkeypatch, step, failure):
    before = path.read_bytes()

    def crash(*_):
        raise failure

    monkeypatch.setattr(os, step, crash)
    with pytest.raises(type(failure)):
        save_checkpoint(path, policy(1), config=CONFIG, seed=1)
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]  # and no half-written file beside it
    load_checkpoint(path, policy(1))


def test_the_content_is_on_disk_before_the_name_points_to_it(path, monkeypatch):
    order, fsync, swap = [], os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (order.append("fsync"), fsync(handle)))
    monkeypatch.setattr(os, "replace", lambda *names: (order.append("replace"), swap(*names)))
    save_checkpoint(path, policy(1), config=CONFIG, seed=1)
    assert order == ["fsync", "replace"]


def test_others_may_read_the_file(path):
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_the_header_can_be_read_without_this_course(path):
    tensors, meta = read_checkpoint(path)
    raw = path.read_bytes()
    size = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + size])
    assert json.loads(header["__metadata__"]["anatomy-checkpoint"]) == meta
    assert set(header) - {"__metadata__"} == set(tensors)


# --- interrupted and resumed


def score(texts: Tensor, mask: Tensor) -> Tensor:
    return (texts[:, 2:] == 1).float().sum(1)


def iterate(module, reference, optimizer, generator) -> dict[str, float]:
    prompts = torch.randint(1, 4, (16, 2), generator=generator)
    rollout, _ = respond(
        module, reference, prompts, score,
        steps=3, end_token=0, kl_coef=0.1, generator=generator,
    )  # fmt: skip
    return update(module, optimizer, judge(rollout, CONFIG), CONFIG, generator)


def test_an_interrupted_run_continues_bit_for_bit(tmp_path):
    """Weights, moments and the generator: six iterations equal three, a crash, and three more."""
    reference, file = BigramActorCritic(4), tmp_path / "run.safetensors"

    module, generator = BigramActorCritic(4), make_generator(5)
    optimizer = make_optimizer(module, CONFIG)
    expected = [iterate(module, reference, optimizer, generator) for _ in range(6)]
    final = snapshot(module, optimizer)

    module, generator = BigramActorCritic(4), make_generator(5)
    optimizer = make_optimizer(module, CONFIG)
    found = []

    def run() -> None:
        for iteration in range(6):
            if iteration == 3:
                raise KeyboardInterrupt
            found.append(iterate(module, reference, optimizer, generator))
            save_checkpoint(
                file, module, config=CONFIG, seed=5, step=iteration + 1,
                optimizer=optimizer, generator=generator,
            )  # fmt: skip

    with pytest.raises(KeyboardInterrupt):
        run()

    module, generator = BigramActorCritic(4), make_generator(99)
    optimizer = make_optimizer(module, CONFIG)
    meta = load_checkpoint(file, module, optimizer=optimizer, generator=generator, config=CONFIG)
    found += [iterate(module, reference, optimizer, generator) for _ in range(meta["step"], 6)]
    assert repr(found) == repr(expected)
    assert same(snapshot(module, optimizer), final)


def test_a_generator_where_none_was_saved(path):
    generator = make_generator(3)
    before = generator.get_state()
    refuse(path, "holds no generator state", generator=generator)
    assert torch.equal(generator.get_state(), before)


def test_the_generator_of_another_device_is_refused_before_anything_changes(path):
    """A GPU's generator has a state of 16 bytes, which a CPU's cannot take."""
    module, optimizer = trained(1)
    before = snapshot(module, optimizer)
    file = path.with_name("from a gpu.safetensors")
    save_checkpoint(file, policy(), config=CONFIG, seed=0, generator=make_generator(0))
    tensors, meta = read_checkpoint(file)
    tensors["generator"] = torch.zeros(16, dtype=torch.uint8)
    save_file(tensors, file, metadata={"anatomy-checkpoint": json.dumps(meta)})
    with pytest.raises(CheckpointError, match="kind of device that the run began on"):
        load_checkpoint(file, module, generator=make_generator(0))
    assert same(before, snapshot(module, optimizer))
