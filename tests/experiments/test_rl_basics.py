"""The script behind chapter 2's comparison: the old map, a short run, the committed result."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from anatomy.envs.gridworld import Gridworld
from anatomy.reporting import read_result

SCRIPTS = Path(__file__).parents[2] / "code" / "experiments"


@pytest.fixture(scope="module")
def script() -> Iterator[ModuleType]:
    sys.path.insert(0, str(SCRIPTS))
    yield importlib.import_module("rl_basics_methods")
    sys.path.remove(str(SCRIPTS))


def test_the_old_map_differs_by_one_door(script: ModuleType) -> None:
    house = Gridworld("house")
    believed = script.old_map(house)
    changed = np.argwhere(believed.transition != house.mdp.transition)
    here = house.number[1, 1]
    assert {(s, a) for s, a, _ in changed} == {(here, 1)}
    assert believed.transition[here, 1, house.number[1, 3]] == pytest.approx(0.9)


def test_every_learner_runs_and_repeats(script: ModuleType) -> None:
    short = replace(script.CONFIG, steps=200, planning=2)
    for name in script.LEARNERS:
        curve = script.learn(name, 0, short)
        assert len(curve) == 3
        assert np.isfinite(curve).all()
        assert curve == script.learn(name, 0, short)


def test_the_committed_result_is_complete(script: ModuleType) -> None:
    data = read_result("rl_basics_methods")
    assert len(set(data["receipt"]["seeds"])) >= 10
    assert tuple(data["value"]) == script.LEARNERS
    for runs in data["value"].values():
        assert np.shape(runs) == (len(data["receipt"]["seeds"]), len(data["steps"]))
    assert data["planned"] == script.planned(script.CONFIG)
    best = data["planned"]["true model"]
    assert max(max(run) for runs in data["value"].values() for run in runs) <= best + 1e-4
