"""Uncertainty: over the queries of one record, and over the seeds of several."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray


def cluster_bootstrap_ci(
    ap: ArrayLike, pids: ArrayLike, n: int = 1000, seed: int = 0, level: float = 0.95
) -> tuple[float, float]:
    """Return the percentile interval of mAP when the query identities are drawn anew.

    Queries of one person are not independent, so whole identities are resampled, not queries
    (cluster bootstrap: Davison & Hinkley, 1997, section 3.8).

    Args:
        ap: (Q,) average precision in [0, 1]; NaN marks a query that does not count.
        pids: (Q,) identity of each query.
        n: Number of resamples.
        seed: Of the resampling; the same arguments give the same interval.
        level: Coverage, between 0 and 1.

    Returns:
        Lower and upper bound as percentages 0-100.

    Raises:
        ValueError: No query counts, or the arguments do not fit each other.
    """
    values = np.asarray(ap, dtype=np.float64)
    labels = np.asarray(pids)
    if values.ndim != 1 or values.shape != labels.shape:
        raise ValueError(f"ap has shape {values.shape} and pids {labels.shape}; both must be (Q,)")
    if n < 1 or not 0 < level < 1:
        raise ValueError("n must be at least 1 and level between 0 and 1")
    counts = ~np.isnan(values)
    if not counts.any():
        raise ValueError("no query has a match: there is nothing to resample")
    _, identity = np.unique(labels[counts], return_inverse=True)
    sums = np.bincount(identity, weights=values[counts])
    sizes = np.bincount(identity).astype(np.float64)
    draws: NDArray[np.float64] = resample_counts(len(sums), n, seed)
    means = np.clip(draws @ sums / (draws @ sizes), 0.0, 1.0)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return 100.0 * float(low), 100.0 * float(high)


def mean_std(values: Sequence[float]) -> tuple[float, float | None]:
    """Return the mean and the sample standard deviation, None for fewer than two values.

    Raises:
        ValueError: There are no values.
    """
    if not values:
        raise ValueError("no values to average")
    numbers = np.asarray(values, dtype=np.float64)
    return float(numbers.mean()), float(numbers.std(ddof=1)) if len(numbers) > 1 else None


def resample_counts(units: int, n: int, seed: int) -> NDArray[np.float64]:
    """Return (n, units): how often each unit is drawn in each of `n` resamples."""
    chosen = np.random.default_rng(seed).integers(0, units, (n, units))
    chosen += np.arange(n)[:, None] * units
    counted = np.bincount(chosen.ravel(), minlength=n * units)
    return counted.reshape(n, units).astype(np.float64)
