"""Some of many, spread evenly."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def spread_evenly(count: int, most: int) -> NDArray[np.int64]:
    """Return up to `most` positions spread evenly over `count`."""
    return np.linspace(0, count - 1, min(most, count)).round().astype(np.int64)
