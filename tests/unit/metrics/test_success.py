"""Attack success counts right answers that were lost, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from benchmark.evaluation.success import success_rate
from benchmark.metrics.ranking import RankingResult


def ranked(*ranks: int) -> RankingResult:
    ap = np.array([1 / rank if rank else np.nan for rank in ranks])
    return RankingResult(ap, ap, np.array(ranks))


def test_only_queries_that_were_right_count() -> None:
    clean = ranked(1, 1, 1, 4, 0)  # 0: no match, left out
    lost = ranked(1, 2, 9, 50, 0)
    assert success_rate(clean, [lost]) == pytest.approx(200 / 3)
    assert success_rate(clean, [ranked(1, 1, 1, 1, 0)]) == 0
    assert success_rate(clean, [clean, lost]) == pytest.approx(100 / 3)


def test_nothing_right_leaves_nothing_to_lose() -> None:
    assert success_rate(ranked(2, 0), [ranked(1, 0)]) is None
