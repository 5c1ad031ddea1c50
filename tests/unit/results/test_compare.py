"""Two rows side by side: by hand, on few queries."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

from results import compare
from results.board.comparison import compare as compare_rows
from results.board.make_boards import make_boards
from results.errors import RecordError
from results.records.query_outcomes import read_measured
from results.records.store import PerQuery, write_record

PIDS = np.array([1, 1, 2, 3])


def outcomes(sma: list[float], fna: list[float], names: str = "abcd") -> PerQuery:
    ap = {"clean": np.ones(4), "sma": np.array(sma), "fna": np.array(fna)}
    ranks = {key: np.where(values > 0.45, 1, 7) for key, values in ap.items()}
    return PerQuery(np.array(list(names)), PIDS, np.ones(4, dtype=np.int64), ap, ranks)


@pytest.fixture
def folder(tmp_path, make_record, make_attack):
    attacks: list[dict[str, Any]] = [
        make_attack("sma", 40.0, eps=None),
        make_attack("fna", 30.0, eps=None),
    ]
    measured = {
        ("metric-at", 0): outcomes([0.2, 0.2, 0.4, 0.8], [0.4, 0.1, 0.5, 0.6]),  # 0.325
        ("metric-at", 1): outcomes([0.2, 0.2, 0.2, 0.2], [0.3, 0.3, 0.3, 0.3]),  # 0.2
        ("ddid", 0): outcomes([0.3, 0.2, 0.5, 0.9], [0.3, 0.3, 0.9, 0.9]),  # 0.475
        ("ddid", 2): outcomes([1.0, 1.0, 1.0, 1.0], [1.0, 1.0, 1.0, 1.0]),
    }
    for (name, seed), answers in measured.items():
        write_record(
            make_record(name, seed, attacks=attacks), tmp_path, {"synthped-plaza": answers}
        )
    return tmp_path / "records"


def compared(folder, first: str = "ddid", second: str = "metric-at"):
    records, measured = read_measured([folder])
    (board,) = make_boards(records, measured)
    rows = {row.label: row for row in board.rows}
    return compare_rows(board, rows[first], rows[second], measured)


def test_the_worst_of_each_query_is_compared_at_common_seeds(folder):
    found = compared(folder)
    assert found.seeds == (0,)
    assert [one.name for one in found.contrasts] == ["worst case", "clean", "sma", "fna"]
    worst = found.worst
    assert (worst.ours, worst.theirs) == pytest.approx((47.5, 32.5))
    assert worst.difference == pytest.approx(15.0)
    assert worst.by_seed == pytest.approx({0: 15.0})
    sma = found.contrasts[2]
    assert (sma.ours, sma.theirs) == pytest.approx((47.5, 40.0))
    assert (found.queries, found.identities) == (4, 3)


def test_the_interval_resamples_identities(folder):
    # Identity 3 is ahead by 30, the others by 10; 8 in 27 resamples are without it, 1 has no other.
    low, high = compared(folder).worst.given
    assert low == pytest.approx(10.0)
    assert high == pytest.approx(30.0)


def test_the_test_flips_identities_and_is_adjusted_on_the_board(folder):
    found = compared(folder)
    sums = [0.2, 0.1, 0.3]  # identity 1 has two queries
    signs = list(product((-1, 1), repeat=3))
    far = [abs(np.dot(one, sums)) >= sum(sums) - 1e-9 for one in signs]
    assert found.worst.p == pytest.approx(np.mean(far)) == pytest.approx(0.25)
    assert found.adjusted_p == found.worst.p  # the only pair of the board
    assert found.worst.effect == pytest.approx(np.mean([10, 10, 30]) / np.std([10, 10, 30], ddof=1))


def test_flips_are_queries_that_one_alone_gets_right(folder):
    worst = compared(folder).worst
    assert worst.flips == (1.0, 0.0)
    assert compared(folder, "metric-at", "ddid").worst.flips == (0.0, 1.0)


def test_few_trainings_give_no_interval_over_trainings(folder):
    assert compared(folder).worst.crossed is None


def test_enough_trainings_give_one_that_is_wider(tmp_path, make_record, make_attack):
    rng = np.random.default_rng(3)
    attacks = [make_attack("sma", 40.0, eps=None), make_attack("fna", 30.0, eps=None)]
    for seed, (name, mean) in product(range(4), [("ddid", 0.5), ("metric-at", 0.4)]):
        answers = [float(mean + rng.normal(0, 0.08))] * 4
        write_record(
            make_record(name, seed, attacks=attacks),
            tmp_path,
            {"synthped-plaza": outcomes(answers, answers)},
        )
    worst = compared(tmp_path).worst
    assert worst.crossed is not None
    assert worst.given[1] - worst.given[0] == pytest.approx(0, abs=1e-9)  # all queries alike
    low, high = worst.crossed
    assert low < worst.difference < high
    assert min(worst.by_seed.values()) <= low
    assert high <= max(worst.by_seed.values())
    spread = compared(tmp_path).spreads[0]
    assert spread.queries == pytest.approx(0)
    assert spread.trainings == 4


def test_a_row_is_turned_by_turning_the_pair(folder):
    one, other = compared(folder).worst, compared(folder, "metric-at", "ddid").worst
    assert one.difference == -other.difference
    assert one.p == other.p
    assert one.effect == pytest.approx(-(other.effect or 0))


def test_other_queries_are_not_compared(folder, make_record, make_attack):
    attacks = [make_attack("sma", 40.0, eps=None), make_attack("fna", 30.0, eps=None)]
    other = outcomes([0.1] * 4, [0.1] * 4, names="wxyz")
    write_record(make_record("none", 0, attacks=attacks), folder.parent, {"synthped-plaza": other})
    with pytest.raises(RecordError, match="different queries"):
        compare.gains([folder], "metric-at")


def test_targets_are_not_compared(folder, make_record, make_attack):
    attacks = [make_attack("sma", 40.0, eps=None, intent="impersonate", target_rule="random")]
    for name in ("none", "ddid"):
        record = make_record(name, 5, attacks=attacks)
        write_record(
            record, folder.parent / "targets", {"synthped-plaza": outcomes([0.1] * 4, [0.1] * 4)}
        )
    with pytest.raises(RecordError, match="not of targets"):
        compared(folder.parent / "targets", "none", "ddid")


def test_gains_over_a_baseline_are_a_line_each(folder, capsys):
    assert compare.main([str(folder), "--baseline", "metric-at"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("ddid - metric-at: worst mAP +15.00 [+10.00, +30.00]")
    assert line.endswith("(seed 0: +15.00)")


@pytest.mark.parametrize(
    ("where", "baseline", "message"),
    [("records", "nobody", "the rows are"), ("absent", "metric-at", "no folder")],
)
def test_what_cannot_be_compared_is_said_in_a_line(folder, capsys, where, baseline, message):
    with pytest.raises(SystemExit):
        compare.main([str(folder.parent / where), "--baseline", baseline])
    assert message in capsys.readouterr().err
