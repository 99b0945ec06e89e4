"""What more speed would cost in clarity: faster variants of our own code, measured beside it.

Each variant does the same work as the package and gives the same numbers up to
rounding; none is in the package, because each hides what it does. All of them
take turns in one process, so a round compares them in the same moment.

    python code/benchmarks/variants.py           # makes anatomy/results/benchmark_variants.json
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from time import perf_counter, process_time
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor, nn

from anatomy import estimators, losses, masking
from anatomy.algorithms.ppo import judge, make_optimizer, update
from anatomy.envs import Actors
from anatomy.models.actor_critic import CategoricalActorCritic
from anatomy.reporting import progress, receipt, write_result
from anatomy.reporting.plots import bootstrap_interval
from anatomy.rollout import Rollout
from anatomy.runtime import initial_weights, make_generator
from ppo import interval, pin
from tasks import TASKS

NAME = "benchmark_variants"
TASK = TASKS["cartpole"]
SEED = 0
ROWS = (64, 128, 256, 512, 1024, 2048)


class OneVector(CategoricalActorCritic):
    """All weights are views of one vector, so that zeroing, clipping and Adam are one call each."""

    def __init__(self, *sizes: int) -> None:
        super().__init__(*sizes)
        weights = list(super().parameters())
        self.vector = nn.Parameter(torch.cat([w.detach().flatten() for w in weights]))
        self.vector.grad = torch.zeros_like(self.vector)
        begin = 0
        for weight in weights:
            end = begin + weight.numel()
            weight.data = self.vector.data[begin:end].view_as(weight)
            weight.grad = self.vector.grad[begin:end].view_as(weight)
            begin = end

    def parameters(self, recurse: bool = True) -> Iterator[nn.Parameter]:
        yield self.vector


class NumPyActor(CategoricalActorCritic):
    """Acts with NumPy's matrix products, which start faster than torch's."""

    def act(self, observations: Tensor, noise: Tensor) -> Tensor:
        x = observations.numpy()
        layers = [layer for layer in self.actor if isinstance(layer, nn.Linear)]
        for layer in layers[:-1]:
            x = np.tanh(x @ layer.weight.numpy().T + layer.bias.numpy())
        x = x @ layers[-1].weight.numpy().T + layers[-1].bias.numpy()
        return torch.from_numpy((x + noise.numpy()).argmax(axis=-1))


@contextmanager
def unchecked() -> Iterator[None]:
    """Shapes and devices are not looked at."""
    with ExitStack() as stack:
        for module in (masking, losses, estimators):
            stack.enter_context(patch.object(module, "require_same_shape", lambda **_: None))
        stack.enter_context(patch.object(Rollout.__mro__[1], "__post_init__", lambda _: None))
        yield


def make_update(kind: type[CategoricalActorCritic], rollout: Rollout) -> Callable[[], Any]:
    """One whole update of a fresh policy on a fixed rollout."""
    with initial_weights(SEED):
        policy = kind(4, 2)
    optimizer, generator = make_optimizer(policy, TASK.config), make_generator(SEED)
    if kind is OneVector:
        optimizer.zero_grad = lambda: policy.vector.grad.zero_()  # keeps the views
    batch = judge(rollout, TASK.config).flatten()
    return lambda: update(policy, optimizer, batch, TASK.config, generator)


def make_acting(kind: type[CategoricalActorCritic]) -> Callable[[], Any]:
    """One rollout of a fresh policy."""
    with initial_weights(SEED):
        policy = kind(4, 2)
    actors, generator = Actors(TASK.env, TASK.actors, seed=SEED), make_generator(SEED)
    return lambda: actors.run(policy, TASK.config.steps, generator)


def without_checks(work: Callable[[], Any]) -> Callable[[], Any]:
    def run() -> Any:
        with unchecked():
            return work()

    return run


def works() -> dict[str, dict[str, Callable[[], Any]]]:
    """For acting and for updating: the package, then its variants."""
    rollout = make_acting(CategoricalActorCritic)()
    return {
        "updating": {
            "package": make_update(CategoricalActorCritic, rollout),
            "all weights in one vector": make_update(OneVector, rollout),
            "no checks of shape and device": without_checks(
                make_update(CategoricalActorCritic, rollout)
            ),
        },
        "acting": {
            "package": make_acting(CategoricalActorCritic),
            "acting in NumPy": make_acting(NumPyActor),
        },
    }


def measure(variants: dict[str, Callable[[], Any]], rounds: int) -> dict[str, Any]:
    """CPU milliseconds of each, and each variant's time over the package's of the same round."""
    times: dict[str, list[float]] = {name: [] for name in variants}
    for work in variants.values():
        work()  # the first call allocates
    for _ in progress(range(rounds), "rounds"):
        for name, work in variants.items():
            began = process_time()
            work()
            times[name].append(1e3 * (process_time() - began))
    package = np.asarray(times["package"])
    return {
        name: {
            "milliseconds": round(float(np.median(found)), 3),
            "share": interval(*bootstrap_interval(np.asarray(found) / package, np.median)),
        }
        for name, found in times.items()
    }


def step_cost(rounds: int) -> dict[int, float]:
    """Median CPU milliseconds of one optimisation step, by the rows of its minibatch."""
    with initial_weights(SEED):
        policy = CategoricalActorCritic(4, 2)
    actors, generator = Actors(TASK.env, TASK.actors, seed=SEED), make_generator(SEED)
    batch = judge(actors.run(policy, TASK.config.steps, generator), TASK.config).flatten()
    config = replace(TASK.config, epochs=16, minibatches=1)  # 16 steps on all rows there are
    optimizer = make_optimizer(policy, config)
    times: dict[int, list[float]] = {rows: [] for rows in ROWS}
    for _ in progress(range(rounds), "rounds"):
        for rows in ROWS:
            part = batch[:rows]
            began = process_time()
            update(policy, optimizer, part, config, generator)
            times[rows].append(1e3 * (process_time() - began) / config.epochs)
    return {rows: round(float(np.median(found)), 3) for rows, found in times.items()}


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=60)
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    pin(None)
    wall, cpu = perf_counter(), process_time()
    found = {part: measure(variants, options.rounds) for part, variants in works().items()}
    cost = step_cost(options.rounds)
    stamp = receipt(
        config=TASK.settings(),
        seeds=[SEED],
        wall_seconds=perf_counter() - wall,
        cpu_seconds=process_time() - cpu,
    )
    data = {"rounds": options.rounds, "variants": found, "optimisation_step": cost}
    write_result(NAME, {"receipt": stamp} | data)
    for part, variants in found.items():
        for name, figures in variants.items():
            print(f"{part:9s} {name:32s} {figures['milliseconds']:8.2f} ms  {figures['share']}")
    for rows, milliseconds in cost.items():
        print(f"one optimisation step on {rows:4d} rows {milliseconds:8.2f} ms")


if __name__ == "__main__":
    main()
