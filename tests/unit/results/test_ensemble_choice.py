"""The choice of an ensemble, on hand-made APs."""

from __future__ import annotations

import numpy as np
import pytest

from results.ensemble_choice import Candidates, best_ensembles

CANDIDATES = Candidates(
    names=("a", "b", "c"),
    ap=np.array([[[10.0, 50.0], [50.0, 10.0], [20.0, 20.0]], [[4.0, 4.0], [6.0, 6.0], [5.0, 5.0]]]),
    cost=np.array([10.0, 20.0, 5.0]),
)


def test_the_subset_with_the_smallest_gap_comes_first():
    best = best_ensembles(CANDIDATES, 2, max_cost=100)[0]
    assert best.names == ("a", "b")
    assert best.gap == 0
    assert best.worst == (10.0, 4.0)
    assert best.cost == 30


def test_the_gap_is_that_of_the_worst_defense():
    only_c = next(one for one in best_ensembles(CANDIDATES, 1, 100) if one.names == ("c",))
    assert only_c.gap == pytest.approx(10.0)


def test_what_is_too_dear_is_left_out():
    assert [one.names for one in best_ensembles(CANDIDATES, 2, max_cost=15)] == [("a", "c")]
