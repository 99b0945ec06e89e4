"""Experience kept for later: steps cut out of rollouts, and a ring that remembers them.

replay.add(transitions(rollout, actors.observations, gamma=config.gamma))
batch = replay.sample(config.batch_size, generator)
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from anatomy.rollout import Rollout
from anatomy.runtime import require_same_device


@dataclass(frozen=True, eq=False)
class Transitions:
    """N steps (s, a, r, s'), each complete in itself, in any order.

    For n-step returns `rewards` is r_t + … + γ^{m−1} r_{t+m−1}, `next_observations`
    is s_{t+m} and `discounts` γ^m, with m ≤ n. A truncated step has no mark here:
    its s' is the state that was cut off, and it is worth what Q says.
    """

    observations: Tensor  # (N, ...)
    actions: Tensor  # (N, ...)
    rewards: Tensor  # (N,)
    next_observations: Tensor  # (N, ...)
    terminated: Tensor  # (N,) bool: nothing follows s'
    discounts: Tensor  # (N,) what Q(s', ·) is multiplied by

    def __post_init__(self) -> None:
        count = self.rewards.shape
        if len(count) != 1:
            raise ValueError(f"rewards must be (N,), got {tuple(count)}")
        for field in fields(self):
            shape = getattr(self, field.name).shape
            if shape[:1] != count:
                raise ValueError(f"{field.name} must have N = {count[0]} rows, got {tuple(shape)}")
        for name in ("terminated", "discounts"):
            if getattr(self, name).shape != count:
                shape = tuple(getattr(self, name).shape)
                raise ValueError(f"{name} must be (N,) = ({count[0]},), got {shape}")
        if self.next_observations.shape != self.observations.shape:
            raise ValueError("next_observations must have the shape of observations")
        if self.terminated.dtype != torch.bool:
            raise TypeError(f"terminated must be bool, got {self.terminated.dtype}")
        require_same_device(**self.tensors())

    def tensors(self) -> dict[str, Tensor]:
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def __len__(self) -> int:
        return len(self.rewards)

    def __getitem__(self, rows: Tensor | slice) -> Transitions:
        """The chosen rows."""
        return Transitions(**{name: tensor[rows] for name, tensor in self.tensors().items()})

    def to(self, device: torch.device | str) -> Transitions:
        """The same steps with every tensor on `device`."""
        return Transitions(**{name: tensor.to(device) for name, tensor in self.tensors().items()})


def transitions(rollout: Rollout, following: Tensor, *, gamma: float, n: int = 1) -> Transitions:
    """Cut a rollout (B, T) into its steps, with n-step returns: at most B·T of them.

    `following` (B, ...) is what was seen after the last step, `actors.observations`.
    The sum of rewards stops early at an end and at the record's edge, and Q(s_{t+m})
    goes on from there: with nothing after a termination, with its whole worth after a
    truncation. Steps that only reset an environment (`mask` False) are left out; the
    observation before them is the true last one of its episode, because gymnasium
    resets in the step after the end (autoreset mode NEXT_STEP).
    """
    if n < 1:
        raise ValueError(f"n counts steps and must be at least 1, got {n}")
    if following.shape != rollout.observations[:, 0].shape:
        raise ValueError(
            f"following must be {tuple(rollout.observations[:, 0].shape)}, what was seen after "
            f"the last step of each actor; got {tuple(following.shape)}"
        )
    steps = rollout.rewards.shape[1]
    following = following.to(rollout.observations)  # acting may have left it on the CPU
    after = torch.cat([rollout.observations, following[:, None]], dim=1)  # (B, T + 1, ...)
    ends = rollout.terminated | rollout.truncated
    rewards = torch.zeros_like(rollout.rewards)
    discounts = torch.ones_like(rewards)
    terminated = torch.zeros_like(ends)
    reached = torch.arange(steps, device=ends.device).repeat(len(rollout), 1)  # t + m
    alive = torch.ones_like(ends)  # no end lies in t … t + k − 1
    for k in range(min(n, steps)):
        inside = steps - k  # only t with t + k inside the record
        going = torch.zeros_like(alive)
        going[:, :inside] = alive[:, :inside]
        here, later = (slice(None), slice(0, inside)), (slice(None), slice(k, None))
        rewards[here] += torch.where(going[here], discounts[here] * rollout.rewards[later], 0.0)
        terminated[here] |= going[here] & rollout.terminated[later]
        discounts = torch.where(going, gamma * discounts, discounts)
        reached += going
        alive[here] &= ~ends[later]
    actor = torch.arange(len(rollout), device=ends.device)[:, None]
    mask = rollout.mask
    return Transitions(
        observations=rollout.observations[mask],
        actions=rollout.actions[mask],
        rewards=rewards[mask],
        next_observations=after[actor, reached][mask],
        terminated=terminated[mask],
        discounts=discounts[mask],
    )


class Replay:
    """The last `capacity` steps, drawn from uniformly. Lin (1992); Mnih et al. (2015).

    A ring: when it is full, each new step takes the place of the oldest. The first
    steps that come decide shapes, types and device.
    """

    def __init__(self, capacity: int) -> None:
        if capacity < 1:
            raise ValueError(f"capacity must be at least 1, got {capacity}")
        self.capacity = capacity
        self._ring: Transitions | None = None
        self._next = 0  # where the next step goes
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def add(self, new: Transitions) -> None:
        """Remember `new`, oldest first; of more than `capacity` steps, the last ones."""
        new = new[-self.capacity :] if len(new) > self.capacity else new
        if self._ring is None:
            self._ring = Transitions(
                **{
                    name: tensor.new_empty((self.capacity, *tensor.shape[1:]))
                    for name, tensor in new.tensors().items()
                }
            )
        for name, tensor in new.tensors().items():  # all of them, before one is written
            ring = getattr(self._ring, name)
            if tensor.shape[1:] != ring.shape[1:]:
                raise ValueError(
                    f"{name} of a step must be {tuple(ring.shape[1:])} as the ones before, "
                    f"got {tuple(tensor.shape[1:])}"
                )
        places = (self._next + torch.arange(len(new))) % self.capacity
        for name, tensor in new.tensors().items():
            ring = getattr(self._ring, name)
            ring[places.to(ring.device)] = tensor.to(ring.dtype)
        self._next = (self._next + len(new)) % self.capacity
        self._size = min(self._size + len(new), self.capacity)

    def sample(self, count: int, generator: torch.Generator) -> Transitions:
        """Draw `count` remembered steps with replacement."""
        if self._ring is None or not self._size:
            raise ValueError("nothing to sample: add steps first")
        rows = torch.randint(self._size, (count,), generator=generator, device=generator.device)
        return self._ring[rows.to(self._ring.rewards.device)]
