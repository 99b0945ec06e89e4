"""What several tests draw from: seeded generators and records with random ends."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

from anatomy.rollout import Batch, Rollout


class Experience(NamedTuple):
    """The arguments of `gae` and its kin, in their order."""

    rewards: Tensor
    values: Tensor
    last_values: Tensor
    terminated: Tensor
    truncated: Tensor


@pytest.fixture(autouse=True)
def _repeatable() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(20170720)


@pytest.fixture
def experience() -> Callable[..., Experience]:
    """Random (B, T) experience in float64, with about the given share of ends of each kind."""

    def make(seed: int, batch: int = 3, steps: int = 9, ends: float = 0.15) -> Experience:
        g = torch.Generator().manual_seed(seed)

        def normal(*shape: int) -> Tensor:
            return torch.randn(*shape, generator=g, dtype=torch.float64)

        draw = torch.rand(batch, steps, generator=g)
        return Experience(
            rewards=normal(batch, steps),
            values=normal(batch, steps),
            last_values=normal(batch),
            terminated=draw < ends,
            truncated=(draw > 1 - ends) | (draw < ends / 3),  # sometimes both at once
        )

    return make


@pytest.fixture
def rollout() -> Callable[..., Rollout]:
    """A valid Rollout of zeros; keywords replace fields."""

    def make(batch: int = 2, steps: int = 3, **fields: Tensor) -> Rollout:
        zeros, no = torch.zeros(batch, steps), torch.zeros(batch, steps, dtype=torch.bool)
        plain = {
            "observations": torch.zeros(batch, steps, 4),
            "actions": torch.zeros(batch, steps, dtype=torch.int64),
            "logprobs": zeros,
            "values": zeros,
            "last_values": torch.zeros(batch),
            "rewards": zeros,
            "terminated": no,
            "truncated": no,
            "mask": ~no,
        }
        return Rollout(**{**plain, **fields})

    return make


@pytest.fixture
def batch() -> Callable[..., Batch]:
    """A valid Batch with random numbers and discrete actions; keywords replace fields."""

    def make(
        rows: int = 8, steps: int = 1, *, actions: int = 3, seed: int = 0, **fields: Tensor
    ) -> Batch:
        g = torch.Generator().manual_seed(seed)

        def normal() -> Tensor:
            return torch.randn(rows, steps, generator=g)

        plain = {
            "observations": torch.randn(rows, steps, 4, generator=g),
            "actions": torch.randint(actions, (rows, steps), generator=g),
            "old_logprobs": -normal().abs() - 0.1,
            "old_values": normal(),
            "advantages": normal(),
            "returns": normal(),
            "mask": torch.ones(rows, steps, dtype=torch.bool),
        }
        return Batch(**{**plain, **fields})

    return make


@pytest.fixture
def in_two_processes() -> Callable[..., None]:
    """Run a program in two processes that find each other, as torchrun starts them.

    torchrun itself would be a third process and seconds more.
    """

    def run(program: str, *arguments: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        environment = os.environ | {
            "WORLD_SIZE": "2",
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(port),
            "OMP_NUM_THREADS": "1",
        }
        workers = [
            subprocess.Popen(
                [sys.executable, "-c", program, *arguments],
                env=environment | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
                stderr=subprocess.PIPE,
                text=True,
            )
            for rank in range(2)
        ]
        try:
            for worker in workers:
                _, errors = worker.communicate(timeout=300)
                assert worker.returncode == 0, errors
        finally:
            for worker in workers:
                worker.kill()

    return run


QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
NO_BROWSER = (
    "The browser tests need Chromium: install it (on Debian `apt-get install chromium`, elsewhere "
    "`.venv/bin/playwright install chromium`), or leave them out with ANATOMY_NO_BROWSER=1."
)


def chromium() -> str | None:
    """An installed Chromium, or None for the one that Playwright brings."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return next(filter(None, map(shutil.which, names)), None)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """One headless Chromium for all browser tests: Playwright starts only once in a thread."""
    if os.environ.get("ANATOMY_NO_BROWSER") == "1":
        pytest.skip("ANATOMY_NO_BROWSER=1")
    from playwright.sync_api import Error, sync_playwright

    with sync_playwright() as playwright:
        try:
            found = playwright.chromium.launch(executable_path=chromium(), args=QUIET)
        except Error as problem:
            if "Executable doesn't exist" not in str(problem):
                raise
            pytest.fail(NO_BROWSER, pytrace=False)
        yield found
        found.close()
