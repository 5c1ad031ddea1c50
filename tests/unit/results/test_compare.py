"""Paired gains over a baseline: by hand, on few queries."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from results import compare
from results.errors import RecordError
from results.store import PerQuery, write_record

PIDS = np.array([1, 1, 2, 3])


def outcomes(sma: list[float], fna: list[float], names: str = "abcd") -> PerQuery:
    ap = {"clean": np.ones(4), "sma": np.array(sma), "fna": np.array(fna)}
    ranks = {key: np.ones(4, dtype=np.int64) for key in ap}
    return PerQuery(np.array(list(names)), PIDS, np.ones(4, dtype=np.int64), ap, ranks)


@pytest.fixture
def folder(tmp_path, make_record, make_attack):
    attacks: list[dict[str, Any]] = [make_attack("sma", 40.0), make_attack("fna", 30.0)]
    measured = {
        ("metric-at", 0): outcomes([0.2, 0.2, 0.4, 0.8], [0.4, 0.1, 0.5, 0.6]),  # 0.325
        ("metric-at", 1): outcomes([0.2, 0.2, 0.2, 0.2], [0.3, 0.3, 0.3, 0.3]),  # 0.2
        ("ddid", 0): outcomes([0.3, 0.2, 0.5, 0.9], [0.3, 0.3, 0.9, 0.9]),  # 0.475
        ("ddid", 2): outcomes([1.0, 1.0, 1.0, 1.0], [1.0, 1.0, 1.0, 1.0]),
    }
    for (name, seed), answers in measured.items():
        write_record(make_record(name, seed, attacks=attacks), tmp_path, answers)
    return tmp_path / "records"


def test_the_gain_is_that_of_the_worst_of_each_query_at_common_seeds(folder):
    (line,) = compare.compare([folder], "metric-at")
    assert line.startswith("ddid - metric-at: worst mAP +15.00 [")
    assert line.endswith("(seed 0: +15.00)")


def test_the_interval_resamples_identities(folder):
    records, measured = compare.read_folders([folder])
    rows = {row.label: row for row in compare.make_boards(records)[0].rows}
    gain = compare.paired_gain(rows["ddid"], rows["metric-at"], measured)
    low, high = gain.ci95
    # Identity 3 is ahead by 30, the others by 10; 8 in 27 resamples are without it, 1 has no other.
    assert low == pytest.approx(10.0)
    assert high == pytest.approx(30.0)


def test_a_row_is_not_ahead_of_itself(folder):
    records, measured = compare.read_folders([folder])
    row = next(r for r in compare.make_boards(records)[0].rows if r.label == "metric-at")
    gain = compare.paired_gain(row, row, measured)
    assert gain.by_seed == {0: 0.0, 1: 0.0}
    assert gain.ci95 == pytest.approx((0.0, 0.0))


def test_other_queries_are_not_compared(folder, make_record, make_attack):
    attacks = [make_attack("sma", 40.0), make_attack("fna", 30.0)]
    other = outcomes([0.1] * 4, [0.1] * 4, names="wxyz")
    write_record(make_record("none", 0, attacks=attacks), folder.parent, other)
    with pytest.raises(RecordError, match="different queries"):
        compare.compare([folder], "metric-at")


@pytest.mark.parametrize(
    ("where", "baseline", "message"),
    [("records", "nobody", "the rows are"), ("empty", "metric-at", "no records")],
)
def test_what_cannot_be_compared_is_said_in_a_line(folder, capsys, where, baseline, message):
    with pytest.raises(SystemExit):
        compare.main([str(folder.parent / where), "--baseline", baseline])
    assert message in capsys.readouterr().err
