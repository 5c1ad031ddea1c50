"""Tie groups on boards, and several attack seeds in what is read of a row."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from results.board.columns import board_columns
from results.board.leaderboard_frame import leaderboard_frame
from results.board.make_boards import make_boards
from results.errors import RecordError
from results.records.query_outcomes import outcome_under, read_measured, worst_outcome
from results.records.store import PerQuery, write_record
from results.render.console import print_leaderboard
from results.render.leaderboard import texts
from results.statistics.paired_tests import adjusted_p, attack_pair, worst_pair

IDENTITIES = 12
PIDS = np.repeat(np.arange(IDENTITIES), 2)


def outcomes(ap: dict[str, Any], rank: dict[str, Any] | None = None) -> PerQuery:
    values = {key: np.broadcast_to(np.asarray(v, float), PIDS.shape) for key, v in ap.items()}
    ranks = {key: np.where(value > 0.5, 1, 2) for key, value in values.items()}
    ranks |= {key: np.asarray(value) for key, value in (rank or {}).items()}
    names = np.array([f"{row:04d}.jpg" for row in range(len(PIDS))])
    return PerQuery(
        names,
        PIDS,
        np.ones_like(PIDS),
        {"clean": np.ones(PIDS.shape), **values},
        {"clean": np.ones_like(PIDS), **ranks},
    )


@pytest.fixture
def rows(make_record, make_attack):
    """Return records and outcomes of rows with some worst mAP, given as noise around a mean."""

    def build(means: dict[str, float], seeds: dict[str, tuple[int, ...]] | None = None):
        records, measured = [], {}
        for place, (name, mean) in enumerate(means.items()):
            for seed in (seeds or {}).get(name, (0, 1, 2)):
                noise = np.random.default_rng((place, seed)).normal(0, 0.02, PIDS.shape)
                attacks = [make_attack("sma", 100 * mean, eps=None)]
                records.append(make_record(name, seed, attacks=attacks))
                measured[records[-1].id] = outcomes({"sma": np.clip(mean + noise, 0, 1)})
        return records, measured

    return build


def column(board, title: str) -> list[str]:
    (found,) = [one for one in board_columns(board) if one.title == title]
    return [cell.text for cell in found.cells(board.rows)]


def test_rows_that_do_not_differ_share_a_group(rows):
    records, measured = rows({"far": 0.9, "near": 0.9, "low": 0.4, "lower": 0.2})
    (board,) = make_boards(records, measured)
    assert [row.label for row in board.rows] == ["far", "near", "low", "lower"]
    assert column(board, "Group") == ["1", "1", "2", "3"]
    p = adjusted_p([row.records for row in board.rows], measured)
    assert len(p) == 6
    assert p[0, 1] > 0.05 > p[0, 2]
    assert leaderboard_frame(make_boards(records, measured))["group"].tolist() == [1, 1, 2, 3]
    files = texts(make_boards(records, measured))
    assert "group" in files["leaderboard.csv"].splitlines()[0].split(",")
    assert "Group: in the worst case" in files["leaderboard.md"]


def test_a_row_without_outcomes_has_no_group(rows):
    records, measured = rows({"known": 0.9, "unknown": 0.6, "low": 0.2})
    unknown = {record.id for record in records if record.defense.name == "unknown"}
    (board,) = make_boards(records, {k: v for k, v in measured.items() if k not in unknown})
    assert column(board, "Group") == ["1", "n/a", "2"]
    frame = leaderboard_frame(
        make_boards(records, {k: v for k, v in measured.items() if k not in unknown})
    )
    assert frame["group"].isna().tolist() == [False, True, False]


def test_a_single_row_has_nobody_to_be_tied_with(rows):
    records, measured = rows({"alone": 0.9})
    (board,) = make_boards(records, measured)
    assert len(board.rows) == 1
    assert board.groups == {}


def test_without_outcomes_there_are_no_groups(rows):
    records, _ = rows({"one": 0.9, "two": 0.6})
    (board,) = make_boards(records)
    assert "Group" not in [one.title for one in board_columns(board)]
    assert "group" not in leaderboard_frame(make_boards(records))


def test_rows_without_a_common_seed_cannot_be_told_apart(rows):
    records, measured = rows({"high": 0.9, "low": 0.2}, {"high": (0, 1, 2), "low": (3, 4, 5)})
    (board,) = make_boards(records, measured)
    assert column(board, "Group") == ["1", "1"]
    with pytest.raises(RecordError, match="no training seed"):
        worst_pair(board.rows[0].records, board.rows[1].records, measured)


def test_few_seeds_are_marked_and_explained(rows):
    records, measured = rows({"many": 0.9, "few": 0.6}, {"few": (0, 1)})
    (board,) = make_boards(records, measured)
    assert column(board, "Seeds") == ["3", "2‡"]
    stream = io.StringIO()
    print_leaderboard(make_boards(records, measured), Console(file=stream, width=200))
    assert "‡ fewer than 3 seeds" in stream.getvalue()
    (board,) = make_boards([one for one in records if one.defense.name == "many"])
    assert not any("seeds" in line for line in board.remarks)


def with_attack_seeds(make_record, make_attack, seed: int = 0):
    repeats = [
        {"attack_seed": 0, "map": 30.0, "rank1": 1},
        {"attack_seed": 1, "map": 34, "rank1": 3},
    ]
    attacks = [make_attack("fna", 40.0), make_attack("sma", 32.0, by_attack_seed=repeats)]
    record = make_record("ddid", seed, attacks=attacks)
    worst = record.worst_case.model_copy(update={"attacks": ["fna@8", "sma@8"]})
    return record.model_copy(update={"worst_case": worst})


def test_the_worst_case_is_that_of_each_attack_seed(make_record, make_attack):
    record = with_attack_seeds(make_record, make_attack)
    low, high = np.full(PIDS.shape, 0.2), np.full(PIDS.shape, 0.8)
    high[0] = 0.1
    measured = outcomes({"fna@8": 0.6, "sma@8#10": high, "sma@8#2": low})
    under = outcome_under(measured, "sma@8")
    np.testing.assert_array_equal(under.ap, [low, high])  # seed 2 before seed 10
    worst = worst_outcome(record, measured)
    np.testing.assert_array_equal(worst.ap, [low, np.where(PIDS + np.arange(24) == 0, 0.1, 0.6)])
    assert worst.first.sum(1).tolist() == [0, 23]
    with pytest.raises(RecordError, match="lacks odfa"):
        outcome_under(measured, "odfa@8")


def test_seeds_of_attacks_are_shown_beside_those_of_trainings(make_record, make_attack):
    records = [with_attack_seeds(make_record, make_attack, seed) for seed in (0, 1, 2)]
    (board,) = make_boards(records)
    assert column(board, "Seeds") == ["3×2"]
    assert leaderboard_frame(make_boards(records)).loc[0, "attack_seeds"] == "0 1"
    (board,) = make_boards(records[:1])
    assert column(board, "Seeds") == ["1×2‡"]
    assert "attack_seeds" not in leaderboard_frame(make_boards([make_record()]))


def test_pairs_average_over_attack_seeds_and_count_flips(make_record, make_attack):
    ours = [with_attack_seeds(make_record, make_attack)]
    theirs = [make_record("none", 0, attacks=[make_attack("fna", 1.0), make_attack("sma", 1.0)])]
    right = np.ones(24, dtype=int)
    one, two = right.copy(), right.copy()
    one[:3] = 2  # the second row is right at three queries that the first loses at attack seed 0
    other = right.copy()
    other[10:14] = 2
    measured = {
        ours[0].id: outcomes({"sma@8#0": 0.5, "sma@8#1": 0.7}, {"sma@8#0": one, "sma@8#1": two}),
        theirs[0].id: outcomes({"sma@8": 0.2}, {"sma@8": other}),
    }
    pair = attack_pair(ours, theirs, measured, "sma@8")
    np.testing.assert_allclose(pair.differences, np.full((1, 24), 0.4))
    assert pair.flips == (4.0, 1.5)


def test_files_that_are_there_are_read_and_others_left_out(tmp_path, rows):
    records, measured = rows({"a": 0.9, "b": 0.5})
    for record in records:
        write_record(record, tmp_path, {"synthped-plaza": measured[record.id]})
    found, outcomes_found = read_measured([tmp_path])
    assert {one.id for one in found} == set(outcomes_found) == set(measured)
    lost = next((tmp_path / "records").glob("a--*seed0*.npz"))
    lost.unlink()
    found, outcomes_found = read_measured([tmp_path])
    assert (len(found), len(outcomes_found)) == (6, 5)
