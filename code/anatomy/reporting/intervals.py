"""How sure a mean over seeds is: Student's t, and the bootstrap for other statistics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats


def t_interval(samples: ArrayLike, level: float = 0.95) -> tuple[Any, Any, Any]:
    """Mean and Student-t confidence interval over the first axis (the seeds).

    mean ± t_{(1+level)/2, n−1} · s/√n. One sample has no interval: low and high are NaN.
    """
    values = np.asarray(samples, dtype=float)
    count = values.shape[0]
    mean = values.mean(axis=0)
    if count < 2:
        return mean, np.full_like(mean, np.nan), np.full_like(mean, np.nan)
    half = stats.t.ppf((1 + level) / 2, count - 1) * values.std(axis=0, ddof=1) / np.sqrt(count)
    return mean, mean - half, mean + half


def bootstrap_interval(
    samples: ArrayLike,
    statistic: Callable[..., Any] = np.mean,
    level: float = 0.95,
    resamples: int = 5_000,
    seed: int = 0,
) -> tuple[Any, Any, Any]:
    """A statistic and its percentile bootstrap interval over the first axis (the seeds)."""
    values = np.asarray(samples, dtype=float)
    point = statistic(values, axis=0)
    if values.shape[0] < 2:
        return point, np.full_like(point, np.nan), np.full_like(point, np.nan)
    answer = stats.bootstrap(
        (values,),
        statistic,
        n_resamples=resamples,
        confidence_level=level,
        method="percentile",
        axis=0,
        rng=np.random.default_rng(seed),
    )
    return point, answer.confidence_interval.low, answer.confidence_interval.high
