"""Calling a reader's function, whatever it does, and comparing what it returns."""

from __future__ import annotations

import math
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from anatomy.classroom.case import Case, Inputs

ABSOLUTE, RELATIVE = 1e-5, 1e-4  # float32 arithmetic in another order differs by less
SHOWN = 12  # tensors up to this size are printed whole


@dataclass(frozen=True)
class Attempt:
    """What one call gave: a value, or a sentence about what went wrong."""

    value: Any = None
    problem: str = ""
    written: bool = True


def attempt(function: Callable[..., Any], case: Case, seed: int) -> Attempt:
    """Call `function` on a case's inputs. Never raises, except when interrupted."""
    if not callable(function):
        return Attempt(problem=f"This should be a function, but it is a {type(function).__name__}.")
    inputs = case.inputs(torch.Generator().manual_seed(seed))
    before = case.inputs(torch.Generator().manual_seed(seed))
    try:
        value = case.observe(function, inputs)
        if isinstance(value, Tensor):
            plain(value.flatten())  # a tensor that cannot be read fails here
    except (Exception, SystemExit) as error:
        if is_stub(error):
            return Attempt(written=False)
        return Attempt(problem=describe(error, function))
    if _contents(inputs) != _contents(before):
        return Attempt(value, "It changes its inputs in place; the caller still needs them.")
    return Attempt(value, "" if value is not None else "It returns None: is a `return` missing?")


def _contents(inputs: Inputs) -> str:
    """All that a function was given, in numbers; a generator is meant to move on."""
    named = [x for x in inputs.kwargs.values() if not isinstance(x, torch.Generator)]
    return repr(plain([*inputs.args, *named]))


def is_stub(error: BaseException) -> bool:
    """Whether this is the bare `raise NotImplementedError` of a stub; torch's own has a message."""
    return isinstance(error, NotImplementedError) and not error.args


def describe(error: BaseException, function: Callable[..., Any]) -> str:
    """One sentence for an exception, with the line of the reader's code that it came from."""
    if isinstance(error, RecursionError):
        return "It calls itself without end (RecursionError)."
    code = getattr(function, "__code__", None)
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if code is not None and frame.filename == code.co_filename
    ]
    where = f" in the line `{frames[-1].line}`" if frames and frames[-1].line else ""
    try:
        said = str(error).strip().splitlines()
    except Exception:  # an exception may fail at describing itself
        said = []
    return f"It raises {type(error).__name__}{where}" + (f": {said[0]}" if said else ".")


def what_differs(got: Any, expected: Any) -> str:
    """Return a sentence on how `got` differs from `expected`, or nothing when it does not."""
    if isinstance(expected, dict):
        return _dictionaries(got, expected)
    if isinstance(expected, Tensor):
        return _tensors(got, expected)
    if isinstance(expected, np.ndarray):
        if type(got) is not np.ndarray or got.dtype.kind not in "bif":
            return f"It should return a NumPy array of numbers, not {_a_kind(got)}."
        return _tensors(_as_tensor(got), _as_tensor(expected))
    if type(got) not in (int, float):
        return f"It should return a Python number, not {_a_kind(got)}."
    if not close(got, expected):
        return f"Expected {_number(expected)}, got {_number(got)}."
    return ""


def same_answer(one: Any, other: Any) -> bool:
    """Whether two answers are the same in kind and value; NaN equals NaN here."""
    if one is None or other is None:
        return one is other
    if type(one) is not type(other):
        return False
    if isinstance(one, np.ndarray):
        if {one.dtype.kind, other.dtype.kind} - set("bif"):
            return False
        one, other = _as_tensor(one), _as_tensor(other)
    numbers, others = plain(one), plain(other)
    if isinstance(one, Tensor):
        if one.shape != other.shape or one.dtype != other.dtype:
            return False
        numbers, others = plain(one.flatten()), plain(other.flatten())
    elif isinstance(one, dict):
        if one.keys() != other.keys():
            return False
        numbers, others = list(one.values()), [other[name] for name in one]
        if not all(type(value) in (int, float) for value in [*numbers, *others]):
            return False
    else:
        numbers, others = [one], [other]
    return all(
        a == b or (a != a and b != b) or close(a, b) for a, b in zip(numbers, others, strict=True)
    )


def close(a: float, b: float) -> bool:
    # On Python floats, so that a replaced torch.allclose or a lying __eq__ has no say.
    try:
        return math.isclose(a, b, rel_tol=RELATIVE, abs_tol=ABSOLUTE)
    except OverflowError:  # an integer beyond the range of floats
        return False


def plain(value: Any) -> Any:
    """Tensors and arrays, also inside lists, as nested Python lists."""
    if isinstance(value, Tensor):
        return value.detach().cpu().tolist()
    if isinstance(value, np.ndarray):
        return value.tolist()
    return [plain(item) for item in value] if isinstance(value, list) else value


def _as_tensor(array: Any) -> Tensor:
    return torch.from_numpy(np.array(array))  # a copy: a view may have strides torch refuses


def _tensors(got: Any, expected: Tensor) -> str:
    if type(got) is not Tensor:
        return f"It should return a tensor, not {_a_kind(got)}."
    if got.shape != expected.shape:
        return f"Expected the shape {tuple(expected.shape)}, got {tuple(got.shape)}."
    if got.dtype != expected.dtype:
        return f"Expected the dtype {expected.dtype}, got {got.dtype}."
    numbers, wanted = plain(got.flatten()), plain(expected.flatten())
    wrong = [i for i, (a, b) in enumerate(zip(numbers, wanted, strict=True)) if not close(a, b)]
    if not wrong:
        return ""
    broken = [i for i in wrong if math.isnan(numbers[i])]
    if broken:
        first = broken[0]
        return f"NaN at {_place(first, expected)}, expected {_number(wanted[first])}."
    if len(numbers) <= SHOWN:
        return f"Expected {_table(expected)}, got {_table(got)}."
    first = wrong[0]
    return (
        f"{len(wrong)} of {len(numbers)} elements differ; at {_place(first, expected)} "
        f"expected {_number(wanted[first])}, got {_number(numbers[first])}."
    )


def _dictionaries(got: Any, expected: dict[str, float]) -> str:
    if type(got) is not dict:
        return f"It should return a dict, not {_a_kind(got)}."
    if got.keys() != expected.keys():
        return f"Expected the keys {sorted(expected)}, got {sorted(map(str, got))}."
    for name, number in expected.items():
        problem = what_differs(got[name], number)
        if problem:
            return f"{name!r}: {problem}"
    return ""


def _a_kind(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"a {type(value).__name__} of shape {tuple(value.shape)}"
    return f"a {type(value).__name__}"


def _place(index: int, tensor: Tensor) -> str:
    place = []
    for size in reversed(tensor.shape):
        index, remainder = divmod(index, size)
        place.append(remainder)
    return str(place[::-1])


def _number(value: float) -> str:
    try:
        return f"{float(value):.4g}"
    except OverflowError:
        return "a number beyond all floats"


def _table(tensor: Tensor) -> str:
    def text(value: Any) -> str:
        if isinstance(value, list):
            return "[" + ", ".join(text(item) for item in value) + "]"
        return _number(value)

    return text(plain(tensor))
