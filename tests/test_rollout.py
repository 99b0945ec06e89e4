"""The two frozen records: what they refuse, how rows are taken, what flatten keeps."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields

import pytest
import torch

from anatomy.rollout import Batch, Rollout


def test_records_are_frozen(rollout):
    record = rollout()
    with pytest.raises(FrozenInstanceError):
        record.rewards = torch.ones(2, 3)
    with pytest.raises(TypeError, match="reward"):
        Rollout(reward=torch.zeros(2, 3))  # a misspelt field is not swallowed


@pytest.mark.parametrize(
    "field", ["rewards", "logprobs", "values", "terminated", "truncated", "mask"]
)
def test_every_per_step_field_must_be_batch_by_time(rollout, field):
    good = rollout()
    for shape in [(3, 2), (2,), (2, 3, 1), (2, 4)]:
        wrong = torch.zeros(shape, dtype=getattr(good, field).dtype)
        with pytest.raises(ValueError, match=r"^Rollout\.\w+ must (be \(B, T\)|have B)") as error:
            rollout(**{field: wrong})
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("field", ["observations", "actions", "last_values"])
def test_every_other_field_must_have_a_row_per_actor(rollout, field):
    with pytest.raises(ValueError, match=rf"^Rollout\.{field} must have B = 2 rows, got \(5"):
        rollout(**{field: torch.zeros(5, 3)})


def test_a_list_or_an_array_is_refused(rollout):
    with pytest.raises(TypeError, match=r"^Rollout\.rewards must be a tensor, got list"):
        rollout(rewards=[[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]])


@pytest.mark.parametrize("field", ["terminated", "truncated", "mask"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.uint8, torch.int64])
def test_flags_must_be_bool(rollout, field, dtype):
    """~1 is 254 in uint8 and −2 in int64, so an integer flag would corrupt GAE silently."""
    with pytest.raises(TypeError, match=rf"^Rollout\.{field} must be bool"):
        rollout(**{field: torch.zeros(2, 3, dtype=dtype)})


def test_mixed_devices_are_refused(rollout, batch):
    with pytest.raises(ValueError, match=r"rewards on meta.*\.to\(device\)"):
        rollout(rewards=torch.zeros(2, 3, device="meta"))
    with pytest.raises(ValueError, match=r"returns on meta"):
        batch(rows=2, returns=torch.zeros(2, 1, device="meta"))


def test_to_moves_every_field(rollout):
    moved = rollout().to("meta")
    assert {getattr(moved, field.name).device.type for field in fields(moved)} == {"meta"}


def test_length_is_the_number_of_rows(rollout, batch):
    assert len(rollout(batch=2, steps=3)) == 2
    assert len(batch(rows=8)) == 8


@pytest.mark.parametrize(
    "rows",
    [
        torch.tensor([3, 0]),
        slice(1, 3),
        torch.tensor([True, False, False, True, False, False, False, False]),
    ],
)
def test_choosing_rows_chooses_them_in_every_field(batch, rows):
    whole = batch(rows=8)
    part = whole[rows]
    for field in fields(Batch):
        assert torch.equal(getattr(part, field.name), getattr(whole, field.name)[rows]), field.name


def test_flatten_keeps_each_real_step_together(batch):
    mask = torch.tensor([[True, False, True], [False, True, True]])
    whole = batch(rows=2, steps=3, mask=mask)
    flat = whole.flatten()
    assert len(flat) == 4
    assert flat.mask.all()
    assert flat.observations.shape == (4, 1, 4)
    for row, (b, t) in enumerate([(0, 0), (0, 2), (1, 1), (1, 2)]):
        for field in fields(Batch):
            expected = getattr(whole, field.name)[b, t]
            assert torch.equal(getattr(flat, field.name)[row, 0], expected), field.name


def test_flatten_twice_changes_nothing(batch):
    once = batch(rows=3, steps=2).flatten()
    twice = once.flatten()
    for field in fields(Batch):
        assert torch.equal(getattr(once, field.name), getattr(twice, field.name))


def test_text_cannot_be_flattened(batch):
    """A token cannot be judged apart from the text before it: observations are (B, P + T)."""
    text = batch(rows=2, steps=3, observations=torch.zeros(2, 5, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"flatten needs observations of shape \(B, T, ...\)"):
        text.flatten()
