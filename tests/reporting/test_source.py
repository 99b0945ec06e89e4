"""`show`: what a chapter prints is what runs."""

from __future__ import annotations

import ast
import inspect
from functools import partial

import pytest

import anatomy
from anatomy.algorithms.ppo import PPOConfig
from anatomy.envs import Actors
from anatomy.estimators import gae
from anatomy.reporting import show


def test_the_source_is_the_functions_own():
    shown = show(gae)
    assert shown.code == inspect.getsource(gae).rstrip()
    assert shown.origin == "anatomy.estimators.gae"
    assert repr(shown).startswith("# anatomy.estimators.gae\ndef gae(")


def test_a_notebook_gets_highlighted_python():
    bundle = show(gae)._repr_mimebundle_()
    assert bundle["text/plain"] == repr(show(gae))
    assert bundle["text/markdown"].startswith("*anatomy.estimators.gae*\n\n```python\ndef gae(")
    assert bundle["text/markdown"].endswith("\n```")


@pytest.mark.parametrize("target", [gae, PPOConfig, Actors.run, Actors])
def test_the_docstring_can_be_left_out_and_only_that(target):
    whole, short = show(target), show(target, docstring=False)
    first, second = (ast.parse(s.code).body[0] for s in (whole, short))
    assert ast.get_docstring(first)
    assert ast.get_docstring(second) is None
    del first.body[0]
    assert ast.dump(first) == ast.dump(second)


def test_comments_survive_without_the_docstring():
    assert "# (B, T)" in show(gae, docstring=False).code


def test_decorated_methods_are_shown_as_written():
    shown = show(Actors.run)
    assert shown.origin == "anatomy.envs.interact.Actors.run"
    assert "@torch.no_grad()" in shown.code
    assert shown.code.splitlines()[0] == shown.code.splitlines()[0].lstrip()


def only_documented():
    """Nothing else."""


def undocumented():
    return 1


def test_functions_without_anything_to_remove():
    assert show(undocumented, docstring=False).code == show(undocumented).code
    ast.parse(show(only_documented, docstring=False).code)  # still Python


@pytest.mark.parametrize("target", [len, partial(gae, gamma=1.0), 3, "gae", anatomy])
def test_what_has_no_source_is_one_clear_sentence(target):
    with pytest.raises(TypeError, match="has no Python source to show"):
        show(target)
