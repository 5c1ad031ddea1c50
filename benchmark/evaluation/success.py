"""Attack success: how many right answers an attack turns into wrong ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmark.metrics.ranking import RankingResult


def success_rate(clean: RankingResult, attacked: Sequence[RankingResult]) -> float | None:
    """Return how many of the queries answered rightly lose their answer, in percent.

    Right is a query whose nearest image is a match (Rank-1).

    Args:
        clean: Outcome of the queries without an attack.
        attacked: Outcomes of the same queries under it, which are averaged over.

    Returns:
        None if no query was answered rightly.
    """
    right = clean.rank == 1
    if not right.any():
        return None
    return 100.0 * float(np.mean([one.rank[right] > 1 for one in attacked]))
