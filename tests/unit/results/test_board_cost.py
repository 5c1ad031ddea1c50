"""What a board of many records costs, counted in work: seconds differ between machines."""

from __future__ import annotations

import json

import pytest

from results.board import boards as board_module
from results.board import make_boards as making
from results.board.make_boards import make_boards
from results.records import arrays
from results.records.query_outcomes import read_measured
from results.render.leaderboard import texts, write_leaderboard
from results.statistics import paired_tests, significance
from tests.unit.results.many_records import write_many

ROWS, SEEDS, ATTACKS = 34, 3, 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return 102 records of rows from weak to strong, and of rows that are alike."""
    return write_many(tmp_path_factory.mktemp("many"), ROWS, SEEDS, ATTACKS)


@pytest.fixture
def counted(monkeypatch):
    """Return a counter of the calls of a function, or of what it is given."""

    def count(owner, name, of=lambda *_, **__: 1):
        total = [0]
        real = getattr(owner, name)

        def wrapped(*given, **named):
            total[0] += of(*given, **named)
            return real(*given, **named)

        monkeypatch.setattr(owner, name, wrapped)
        return total

    return count


def test_each_outcome_is_read_once_and_each_worst_case_computed_once(folder, counted):
    records, measured = read_measured([folder])
    assert len(records) == ROWS * SEEDS
    worst, read = counted(paired_tests, "worst_ap"), counted(arrays, "_array")
    (found,) = make_boards(records, measured)
    assert worst == [len(records)]
    assert read == [len(records) * ATTACKS]
    assert len(set(found.groups.values())) > 3


def test_groups_try_far_fewer_sums_than_all_pairs_and_patterns_have(folder, counted):
    sums = counted(significance, "_as_extreme", lambda signs, rows: len(signs) * len(rows))
    make_boards(*read_measured([folder]))
    tests = ROWS * (ROWS - 1) // 2
    assert 0 < sums[0] < 0.3 * tests * significance.draws_for(tests)


def test_files_and_figures_build_no_board_and_walk_the_results_once(folder, counted, tmp_path):
    boards = make_boards(*read_measured([folder]))
    built, framed = counted(making, "_board"), counted(board_module, "ResultFrame")
    files = texts(boards, ("md", "csv", "json"))
    rows = json.loads(files["leaderboard.json"])
    assert files["leaderboard.json"] == json.dumps(rows, indent=1, ensure_ascii=False) + "\n"
    write_leaderboard(boards, tmp_path)
    assert (built, framed) == ([0], [1])
