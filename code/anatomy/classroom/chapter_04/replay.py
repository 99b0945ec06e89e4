"""Exercise 2: a replay memory as a ring, written to and drawn from."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from anatomy.classroom.case import Case, Draw, Function, Inputs
from anatomy.classroom.exercise import Exercise, WrongAnswer

EMPTY = -1.0  # what a row holds before anything was written


def write_rows(memory: Tensor, count: int, rows: Tensor) -> int:
    """Write `rows` behind the `count` written so far, over the oldest ones; the new count."""
    slots = (count + torch.arange(len(rows))) % len(memory)
    memory[slots] = rows
    return count + len(rows)


def draw_rows(count: int, capacity: int, size: int, *, generator: torch.Generator) -> Tensor:
    """`size` rows of the memory, uniformly among those that were written: (size,)."""
    return torch.randint(min(count, capacity), (size,), generator=generator)


def chunks(capacity: int, *sizes: int, count: int = 0) -> Draw:
    """A capacity, how many rows are written at a time, and how many were written before."""
    return lambda _: Inputs((capacity, list(sizes)), {"count": count})


def written(function: Function, inputs: Inputs) -> Any:
    """The memory, and the count beside it, after all chunks: rows are numbered 0, 1, 2, …"""
    capacity, sizes = inputs.args
    memory, count, number = torch.full((capacity, 2), EMPTY), inputs.kwargs["count"], 0
    for size in sizes:
        numbers = torch.arange(number, number + size, dtype=torch.float32)
        count = function(memory, count, torch.stack([numbers, numbers + 0.5], dim=1))
        if type(count) is not int:
            return count
        number += size
    return torch.cat([memory.flatten(), torch.tensor([float(count)])])


def one_by_one(memory: Tensor, count: int, rows: Tensor) -> int:
    for row in rows:
        memory[count % len(memory)] = row
        count += 1
    return count


def stops_when_full(memory: Tensor, count: int, rows: Tensor) -> int:
    free = rows[: max(0, len(memory) - count)]
    memory[count : count + len(free)] = free
    return count + len(free)


def newest_first(memory: Tensor, count: int, rows: Tensor) -> int:
    both = torch.cat([memory.clone()[: min(count, len(memory))], rows])[-len(memory) :]
    memory[: len(both)] = both
    return count + len(rows)


def starts_over(memory: Tensor, count: int, rows: Tensor) -> int:
    start = 0 if count + len(rows) > len(memory) else count
    memory[start : start + len(rows)] = rows
    return start + len(rows)


def writes_last_row(memory: Tensor, count: int, rows: Tensor) -> int:
    memory[(count + torch.arange(len(rows))) % len(memory)] = rows[-1]
    return count + len(rows)


def counts_filled(memory: Tensor, count: int, rows: Tensor) -> int:
    return min(write_rows(memory, count, rows), len(memory))


def laid_out(expected_rows: list[float], count: int) -> list[float]:
    """The flat answer that `written` compares, from the number that each row should hold."""
    flat = [x for row in expected_rows for x in ((row, row + 0.5) if row >= 0 else (EMPTY, EMPTY))]
    return [*flat, float(count)]


RING = Exercise(
    id="pg.ring",
    title="A replay memory: writing",
    points=2,
    reference=write_rows,
    cases=(
        Case(
            "three rows into five places",
            chunks(5, 2, 1),
            "Rows go to places 0, 1, 2 in the order in which they came; the rest stays empty.",
            expected=laid_out([0, 1, 2, -1, -1], 3),
            observe=written,
        ),
        Case(
            "seven rows into five places, one after another",
            chunks(5, 1, 1, 1, 1, 1, 1, 1),
            "The sixth row goes to place 0, over the oldest one, the seventh to place 1.",
            expected=laid_out([5, 6, 2, 3, 4], 7),
            observe=written,
        ),
        Case(
            "a group that runs over the edge",
            chunks(5, 4, 3),
            "Four rows are in. The next three go to places 4, 0 and 1.",
            expected=laid_out([5, 6, 2, 3, 4], 7),
            observe=written,
        ),
        Case(
            "twice around",
            chunks(3, 2, 2, 2, 2),
            "Place k holds the newest row whose number leaves the remainder k when divided by 3.",
            expected=laid_out([6, 7, 5], 8),
            observe=written,
        ),
        Case(
            "three rows, when 1,003 were written before",
            chunks(5, 3, count=1_003),
            "The count alone says where to go on: 1,003 leaves the remainder 3 when divided by 5, "
            "so the places are 3, 4 and 0.",
            expected=laid_out([2, -1, -1, 0, 1], 1_006),
            observe=written,
        ),
    ),
    wrong_answers=(
        WrongAnswer(
            "You stop writing when the memory is full. It would never learn of anything new.",
            stops_when_full,
        ),
        WrongAnswer(
            "You move everything to make room. The rows are right and in another place: a million "
            "of them are copied for each new one, and a row's number means something else each "
            "time.",
            newest_first,
        ),
        WrongAnswer(
            "A group that does not fit starts again at 0 and leaves stale rows at the edge.",
            starts_over,
        ),
        WrongAnswer("You wrote the last row of the group into all its places.", writes_last_row),
        WrongAnswer(
            "You returned how many rows are filled. Once it is full the next place can no longer "
            "be found: return how many were ever written.",
            counts_filled,
        ),
    ),
)

BATCH, BATCHES = 32, 600


def drawn(count: int, capacity: int) -> Draw:
    def draw(generator: torch.Generator) -> Inputs:
        return Inputs((count, capacity, BATCH), {"seed": generator.initial_seed()})

    return draw


def habits(function: Function, inputs: Inputs) -> Any:
    """What is wrong with many drawn batches, in numbers that are 0 when nothing is.

    A deviation from chance counts from 5 standard errors on.
    """
    count, capacity, batch = inputs.args
    filled, seed = min(count, capacity), inputs.kwargs["seed"]

    def draw(batches: int, seed: int) -> list[Any]:
        generator = torch.Generator().manual_seed(seed)
        return [function(count, capacity, batch, generator=generator) for _ in range(batches)]

    drawn_rows, again, elsewhere = draw(BATCHES, seed), draw(2, seed), draw(1, seed + 1)
    for rows in (*drawn_rows, *again, *elsewhere):
        if type(rows) is not Tensor or rows.dtype != torch.int64 or rows.shape != (batch,):
            return rows
    first, second = drawn_rows[:2]
    stuck = torch.equal(first, second)
    deaf = torch.equal(first, elsewhere[0])
    repeats = torch.equal(first, again[0]) and torch.equal(second, again[1])
    rows, size = torch.cat(drawn_rows), batch * BATCHES
    outside = ((rows < 0) | (rows >= filled)).sum()
    shares = torch.bincount(rows.clamp(0, filled - 1), minlength=filled) / size
    chance = (1 / filled / size) ** 0.5
    error = (shares - 1 / filled).abs().max() / chance
    follow = (((rows[1:] - rows[:-1]) % filled == 1).float().mean() - 1 / filled) / chance
    return {
        "rows that were never written": float(outside),
        "unequal shares": float(error) if error > 5 else 0.0,
        "neighbours drawn in a row": float(follow) if follow > 5 else 0.0,
        "another draw for the same seed": float(not repeats),
        "the same draw at each call": float(stuck),
        "the same draw for another seed": float(deaf),
    }


RIGHT_HABITS = {
    "rows that were never written": 0.0,
    "unequal shares": 0.0,
    "neighbours drawn in a row": 0.0,
    "another draw for the same seed": 0.0,
    "the same draw at each call": 0.0,
    "the same draw for another seed": 0.0,
}


_ELSEWHERE = torch.Generator().manual_seed(0)  # goes on from call to call


def without_generator(count: int, capacity: int, size: int, *, generator: object) -> Tensor:
    return torch.randint(min(count, capacity), (size,), generator=_ELSEWHERE)


DRAWN = Exercise(
    id="pg.draw",
    title="A replay memory: drawing",
    points=1,
    reference=draw_rows,
    cases=(
        Case(
            "a memory that is not full yet",
            drawn(6, 50),
            "Six rows were written: only 0 to 5 may be drawn, all six of them equally often.",
            expected=RIGHT_HABITS,
            observe=habits,
        ),
        Case(
            "a full memory",
            drawn(1_000, 8),
            "All eight rows hold something: 0 to 7, equally often.",
            expected=RIGHT_HABITS,
            observe=habits,
        ),
    ),
    wrong_answers=(
        WrongAnswer(
            "You draw from all places, also from those that hold nothing yet.",
            lambda count, capacity, size, *, generator: torch.randint(
                capacity, (size,), generator=generator
            ),
        ),
        WrongAnswer(
            "You draw from the count. Once the memory is full it has only `capacity` rows.",
            lambda count, capacity, size, *, generator: torch.randint(
                count, (size,), generator=generator
            ),
        ),
        WrongAnswer(
            "The last row is never drawn: `torch.randint(n, …)` already leaves out n.",
            lambda count, capacity, size, *, generator: torch.randint(
                min(count, capacity) - 1, (size,), generator=generator
            ),
        ),
        WrongAnswer(
            "You go through the rows in their order. Neighbours in time are nearly the same step: "
            "what replay is there to avoid.",
            lambda count, capacity, size, *, generator: torch.arange(size) % min(count, capacity),
        ),
        WrongAnswer("The generator was not used: nobody could repeat this run.", without_generator),
        WrongAnswer(
            "You made a generator of your own, with a fixed seed: every batch holds the same rows.",
            lambda count, capacity, size, *, generator: torch.randint(
                min(count, capacity), (size,), generator=torch.Generator().manual_seed(0)
            ),
        ),
        WrongAnswer(
            "You start the generator again at each call, so every batch holds the same rows. Draw "
            "from it as it is: it moves on by itself.",
            lambda count, capacity, size, *, generator: torch.randint(
                min(count, capacity),
                (size,),
                generator=generator.manual_seed(generator.initial_seed()),
            ),
        ),
        WrongAnswer(
            "You shuffle the numbers from 0 to size − 1. A batch may be smaller than the memory "
            "and larger than what it holds: draw each row by itself.",
            lambda count, capacity, size, *, generator: (
                torch.randperm(size, generator=generator) % min(count, capacity)
            ),
        ),
    ),
)
