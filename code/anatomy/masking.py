"""Statistics over the elements that count.

A batch of sequences is padded to a rectangle, and a vector environment inserts
reset steps. A mask says which of the (B, T) elements are real; everything that
is averaged in this course is averaged through these functions.
"""

from __future__ import annotations

import torch
from torch import Tensor

from anatomy.runtime import require_same_shape


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Σ m·x / Σ m over all elements: a scalar.

    `values` float (B, T), `mask` bool (B, T). Raises ValueError when the mask
    selects nothing, because a silent 0 or NaN would hide the mistake.
    """
    require_same_shape(values=values, mask=mask)
    count = mask.sum()
    if count == 0:
        raise ValueError("the mask selects no element, so there is nothing to average")
    # where(), not a product: 0 · NaN is NaN, and padding may hold anything
    return torch.where(mask, values, 0.0).sum() / count


def masked_variance(values: Tensor, mask: Tensor) -> Tensor:
    """Mean squared deviation from the masked mean (divides by n, not n − 1): a scalar.

    Exactly 0 for equal values, whose mean may be off by a rounding error.
    """
    mean = masked_mean(values, mask)
    variance = masked_mean((values - mean).square(), mask)
    rounding = 4 * torch.finfo(values.dtype).eps * mean
    return torch.where(variance <= rounding.square(), 0.0, variance)


def whiten(values: Tensor, mask: Tensor, *, shift_mean: bool = True, eps: float = 1e-8) -> Tensor:
    """(x − mean) / std with the statistics of the masked elements; (B, T) → (B, T), 0 elsewhere.

    `shift_mean=False` keeps the mean, as for rewards whose sign carries meaning.
    Equal values are not spread apart: they become 0 (or stay their mean).
    """
    mean = masked_mean(values, mask)
    std = masked_variance(values, mask).sqrt()
    whitened = torch.where(std == 0, 0.0, (values - mean) / (std + eps))
    if not shift_mean:
        whitened = whitened + mean
    return torch.where(mask, whitened, 0.0)


def length_mask(lengths: Tensor, steps: int) -> Tensor:
    """Turn lengths (B,) into a mask (B, steps) that is True at the first `lengths[b]` positions."""
    if lengths.numel() and (lengths.min() < 0 or lengths.max() > steps):
        raise ValueError(
            f"lengths must lie in 0…{steps}, got {int(lengths.min())}…{int(lengths.max())}"
        )
    return torch.arange(steps, device=lengths.device) < lengths[:, None]  # (B, T)
