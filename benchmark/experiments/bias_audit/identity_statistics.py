"""How unevenly identities fare, and what their number of images has to do with it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from benchmark.core.image_set import ImageSet

Values = NDArray[np.float64]
RESAMPLES = 1000


def by_identity(values: Values, pids: NDArray[np.int64]) -> dict[int, float]:
    """Return the mean of each identity's queries in percent.

    Args:
        values: (Q,) in [0, 1]; NaN where a query does not count, identities of such alone are
            left out.
        pids: (Q,) identities.
    """
    counted = ~np.isnan(values)
    identities, index = np.unique(pids[counted], return_inverse=True)
    means = np.bincount(index, weights=100 * values[counted]) / np.bincount(index)
    return dict(zip(identities.tolist(), means.tolist(), strict=True))


def image_counts(images: ImageSet) -> dict[int, int]:
    """Return the number of images of each identity."""
    return {pid: int((images.pids == pid).sum()) for pid in images.identities.tolist()}


def fullest_shares(images: ImageSet) -> dict[int, float]:
    """Return the share of each identity's images that its fullest camera holds."""
    shares = {}
    for pid in images.identities.tolist():
        counts = np.unique(images.camids[images.pids == pid], return_counts=True)[1]
        shares[pid] = float(counts.max() / counts.sum())
    return shares


def rank_correlation(first: Values, second: Values) -> float | None:
    """Return Spearman's correlation, with mean ranks for ties; None where one side is constant."""
    one, other = _ranks(first), _ranks(second)
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return None
    return float(np.corrcoef(one, other)[0, 1])


def gap(values: Values, sizes: Values) -> float:
    """Return the mean of the quarter with the largest sizes minus that of the smallest sizes.

    Where sizes tie at a quarter's end, all that tie belong to it.
    """
    low, high = np.quantile(sizes, [0.25, 0.75])
    return float(values[sizes >= high].mean() - values[sizes <= low].mean())


def difference_interval(
    ours: Values, theirs: Values, statistic: Callable[[Values], float], seed: int = 0
) -> tuple[float, tuple[float, float]]:
    """Return the difference of a statistic and its 95 % interval when identities are drawn anew.

    Args:
        ours: (K,) a value for each identity.
        theirs: (K,) of the same identities, in the same order.
        statistic: Of the values of all identities.
        seed: Of the resampling.
    """
    draws = np.random.default_rng(seed).integers(0, len(ours), (RESAMPLES, len(ours)))
    found = [statistic(ours[rows]) - statistic(theirs[rows]) for rows in draws]
    low, high = np.quantile(found, [0.025, 0.975])
    return statistic(ours) - statistic(theirs), (float(low), float(high))


def variance(values: Values) -> float:
    """Return the population variance."""
    return float(values.var())


def mean(values: Values) -> float:
    """Return the mean."""
    return float(values.mean())


def _ranks(values: Values) -> Values:
    _, index, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    middle: Values = ends - (counts - 1) / 2
    return middle[index]
