"""How unevenly the identities fare."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def per_identity_variance(ap: NDArray[np.float64], pids: NDArray[np.int64]) -> float:
    """Return the variance over identities of their mean AP in percent (population variance).

    Args:
        ap: (Q,) average precision in [0, 1]; NaN where a query does not count.
        pids: (Q,) identities.
    """
    counted = ~np.isnan(ap)
    _, identity = np.unique(pids[counted], return_inverse=True)
    means = np.bincount(identity, weights=100 * ap[counted]) / np.bincount(identity)
    return float(means.var())
