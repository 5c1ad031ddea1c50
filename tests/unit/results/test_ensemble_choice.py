"""The choice of an ensemble, on hand-made APs and on the published grid."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from results.ensemble_choice import (
    Candidates,
    best_ensembles,
    main,
    read_candidates,
    shared_attacks,
)
from results.records.store import PerQuery

GRID = Path(__file__).parents[3] / "results" / "published" / "embedded-grid"

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


def record(*attacks: str, backwards: int = 30) -> SimpleNamespace:
    return SimpleNamespace(
        attacks=[
            SimpleNamespace(
                name=name,
                key=f"{name}@8",
                eps=8.0,
                knowledge="white",
                norm="linf",
                forwards=10,
                backwards=backwards,
            )
            for name in attacks
        ]
    )


def per_query(**ap: list[float]) -> PerQuery:
    arrays = {name.replace("_", "#").replace("AT", "@"): np.array(v) for name, v in ap.items()}
    empty = np.zeros(len(arrays["clean"]))
    return PerQuery(empty.astype(str), empty, empty, arrays, dict.fromkeys(arrays, empty))


def test_records_may_differ_in_queries_and_in_attack_seeds():
    few = per_query(clean=[0.9, float("nan")], aAT8=[0.5, float("nan")], bAT8=[0.2, float("nan")])
    more = per_query(
        clean=[1.0, 1.0, 1.0], aAT8_0=[0, 0.2, 0.1], aAT8_1=[0.2, 0.4, 0.1], bAT8=[0.3] * 3
    )
    both = [(record("a", "b"), few), (record("b", "a"), more)]
    found = read_candidates(both, ["a", "b"], 8.0)
    np.testing.assert_allclose(found.ap[0], [[50], [20]])
    np.testing.assert_allclose(found.ap[1], [[10, 30, 10], [30, 30, 30]])
    np.testing.assert_allclose(found.cost, [(40 / 2 + 40 / 3) / 2] * 2)
    best = best_ensembles(found, 1, 100)
    assert [one.names for one in best] == [("b",), ("a",)]
    assert best[0].gap == pytest.approx(30 - 50 / 3)


def test_the_choice_is_among_attacks_that_all_records_hold():
    records = [record("a", "b", "c"), record("c", "b", "d")]
    assert shared_attacks(records, 8.0, ["c"]) == ["b"]
    assert shared_attacks(records, 4.0, []) == []
    assert shared_attacks([record("a", backwards=0)], 8.0, []) == []


def test_the_published_grid_gives_the_first_member_of_reid_aa(capsys):
    assert main([str(GRID), "--max-cost", "165", "--sizes", "1", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    best = {line[0]: line.split(": ")[-1] for line in reversed(lines) if line[0] in "12"}
    assert best == {"1": "soft-ap", "2": "apgd-snn + soft-ap"}
    assert "reid-aa" not in "".join(lines)
