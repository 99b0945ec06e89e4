"""Chapter 1's exercises: hand-computed answers, and a page whose solutions pass."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import jupytext
import pytest
import torch

from anatomy.classroom import chapter_01, check
from anatomy.classroom.chapter_01.cache import cached_attention
from anatomy.classroom.chapter_01.hiding import chi_square
from anatomy.classroom.chapter_01.sight import visible
from anatomy.models.gpt import GPT, GPTConfig

EXERCISES = {exercise.id: exercise for exercise in chapter_01.EXERCISES}
PAGE = Path(__file__).parents[2] / "chapters" / "01_language_models" / "exercises.md"
CELLS = [cell for cell in jupytext.read(PAGE, fmt="md:myst").cells if cell.cell_type == "code"]


def tags(cell) -> set[str]:
    return set(cell.metadata.get("tags", []))


def is_loop(cell) -> bool:
    return bool(re.search(r"^if \w+_report\b", cell.source, re.MULTILINE))


def execute(cells) -> dict:
    namespace = {"__name__": "__main__", "display": lambda *args: None}
    for number, cell in enumerate(cells):
        exec(compile(cell.source, f"<cell {number}>", "exec"), namespace)
    return namespace


def reports(namespace) -> dict:
    return {name: value for name, value in namespace.items() if name.endswith("_report")}


def definition(source: str) -> ast.FunctionDef:
    return next(node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef))


def pairs():
    return [
        pytest.param(stub, CELLS[i + 1], id=definition(stub.source).name)
        for i, stub in enumerate(CELLS)
        if "exercise" in tags(stub)
    ]


def test_six_exercises_worth_20_points():
    assert list(EXERCISES) == [
        "lm.sight",
        "lm.hiding",
        "lm.cross_entropy",
        "lm.sampler",
        "lm.bits",
        "lm.kv_cache",
    ]
    assert sum(exercise.points for exercise in chapter_01.EXERCISES) == 20


def test_chi_square_by_hand():
    assert chi_square([12, 8], [0.5, 0.5]) == pytest.approx(0.4 + 0.4)


def test_the_mask_of_the_exercise_is_the_models_own():
    model = GPT(GPTConfig(7, context=5, width=8, layers=1, heads=2))
    real = torch.tensor([[False, False, True, True, True], [True] * 5])
    built_in = model._visible(5, 0, real, torch.device("cpu"))
    assert torch.equal(visible(real, causal=True), built_in.squeeze(1))


def test_the_cache_of_the_exercise_remembers_in_order():
    q = k = torch.zeros(1, 1, 1, 2)
    past = torch.tensor([[[[1.0, 0.0], [2.0, 0.0]]]])
    v = torch.tensor([[[[6.0, 3.0]]]])
    y, keys, values = cached_attention(q, k, v, torch.zeros_like(past), past)
    assert y.tolist() == [[[[3.0, 1.0]]]]
    assert keys.shape == (1, 1, 3, 2)
    assert values[0, 0].tolist() == [[1.0, 0.0], [2.0, 0.0], [6.0, 3.0]]


def test_a_single_draw_for_choice_and_fate_is_caught():
    """Not among the listed mistakes, and it fails: the fate depends on the choice."""

    def one_draw(tokens, *, mask_token, vocabulary, generator, keep):
        draw = torch.rand(tokens.shape, generator=generator)
        other = torch.randint(vocabulary, tokens.shape, generator=generator)
        chosen = (draw < 0.15) & ~keep
        read = torch.where(chosen & (draw < 0.8), mask_token, tokens)
        read = torch.where(chosen & (draw >= 0.9), other, read)
        return read, tokens.masked_fill(~chosen, -100)

    assert not check("lm.hiding", one_draw)


def test_another_right_answer_passes():
    """The χ² test does not depend on how random numbers are used."""

    def shuffled(tokens, *, mask_token, vocabulary, generator, keep):
        chosen = torch.empty(tokens.shape).bernoulli_(0.15, generator=generator).bool() & ~keep
        fate = torch.randint(10, tokens.shape, generator=generator)
        other = torch.randint(vocabulary, tokens.shape, generator=generator)
        read = torch.where(chosen & (fate >= 2), mask_token, tokens)
        read = torch.where(chosen & (fate == 0), other, read)
        return read, tokens.masked_fill(~chosen, -100)

    for seed in range(5):
        assert check("lm.hiding", shuffled, seed=seed)


def test_every_exercise_is_checked_on_the_page_by_the_name_of_its_stub():
    checked = dict(re.findall(r'_report = check\("([\w.]+)", (\w+)\)', PAGE.read_text()))
    assert list(checked) == list(EXERCISES)
    assert list(checked.values()) == [pair.id for pair in pairs()]


@pytest.mark.parametrize(("stub", "solution"), pairs())
def test_a_stub_is_followed_by_its_solution_and_raises(stub, solution):
    assert tags(stub) == {"exercise", "skip-execution"}
    assert tags(solution) == {"solution", "hide-cell"}
    asked, given = definition(stub.source), definition(solution.source)
    assert asked.name == given.name
    assert ast.dump(asked.args) == ast.dump(given.args)
    assert ast.get_docstring(asked)
    assert ast.unparse(asked.body[1:]) == "raise NotImplementedError"


def without_training(cells):
    """The page without its real runs; the model at its top stays untrained."""
    cells = [cell.copy() for cell in cells]
    for cell in cells:
        cell["source"] = cell.source.replace("train(gpt, stream(200), next_token_loss)", "0.0")
    return cells


def test_the_solutions_pass_every_check():
    cells = [c for c in CELLS if "skip-execution" not in tags(c) and not is_loop(c)]
    found = reports(execute(without_training(cells)))
    assert len(found) == len(EXERCISES)
    for name, report in found.items():
        assert report, f"{name}: {report!r}"


def test_the_students_version_runs_to_its_end_and_says_what_is_missing(capsys):
    cells = [c for c in CELLS if "solution" not in tags(c)]
    namespace = execute(without_training(cells))
    for report in reports(namespace).values():
        assert not report
        assert not report.written
    printed = capsys.readouterr().out
    loops = sum(is_loop(c) for c in CELLS)
    assert printed.count("once it is written and passes its check") == loops == 6
    assert "0 of 20 points" in printed


def test_the_readers_copy_holds_no_solution():
    def bodies(cells):
        found = [n for c in cells for n in ast.walk(ast.parse(c.source)) if hasattr(n, "body")]
        return {ast.unparse(n.body) for n in found if isinstance(n, ast.FunctionDef)}

    student = bodies(c for c in CELLS if "solution" not in tags(c))
    solutions = bodies(c for c in CELLS if "solution" in tags(c))
    assert len(solutions) == len(EXERCISES)
    assert not student & solutions
