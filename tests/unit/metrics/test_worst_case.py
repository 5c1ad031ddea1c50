"""Worst case over attacks, query by query."""

from __future__ import annotations

import numpy as np
import pytest

from benchmark.evaluation.worst_case import worst_case, worst_counts
from benchmark.metrics.ranking import RankingResult

NAN = float("nan")


def outcome(ap: list[float], rank: list[int]) -> RankingResult:
    return RankingResult(np.array(ap), np.array(ap) / 2, np.array(rank))


ATTACKS = {
    "sma": outcome([0.9, 0.2, NAN, 0.5], [1, 4, 0, 2]),
    "fna": outcome([0.3, 0.8, NAN, 0.5], [3, 1, 0, 5]),
}


def test_each_query_takes_its_own_worst() -> None:
    worst = worst_case(ATTACKS)
    np.testing.assert_array_equal(worst.ap, [0.3, 0.2, NAN, 0.5])
    np.testing.assert_array_equal(worst.inp, [0.15, 0.1, NAN, 0.25])
    assert worst.rank.tolist() == [3, 4, 0, 5]
    means = [attack.summary()["map"] for attack in ATTACKS.values()]
    assert worst.summary()["map"] < min(means)


def test_ties_count_for_each_attack() -> None:
    assert worst_counts(ATTACKS) == {"sma": 2, "fna": 2}


def test_different_queries_are_refused() -> None:
    with pytest.raises(ValueError, match="square and sma"):
        worst_case({**ATTACKS, "square": outcome([0.1, 0.1, 0.1, 0.1], [1, 1, 1, 1])})
    with pytest.raises(ValueError, match="at least one"):
        worst_case({})
