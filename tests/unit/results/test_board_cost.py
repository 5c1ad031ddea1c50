"""What a board of many records costs, counted in work: seconds differ between machines."""

from __future__ import annotations

import numpy as np
import pytest

from results import arrays, board, pairs, significance
from results.board import make_boards
from results.leaderboard import texts, write_leaderboard
from results.outcomes import read_measured
from results.store import PerQuery, write_record

ROWS, SEEDS, ATTACKS, IDENTITIES = 34, 3, 4, 30
QUERIES = 2 * IDENTITIES


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return 102 records of rows from weak to strong, and of rows that are alike."""
    from tests.unit.results.conftest import attack, build

    path = tmp_path_factory.mktemp("many")
    rng = np.random.default_rng(0)
    pids = np.repeat(np.arange(IDENTITIES), 2)
    for number in range(ROWS):
        for seed in range(SEEDS):
            base = np.clip(0.02 * (number // 2) + 0.15 * rng.random(QUERIES) + 0.2, 0, 1)
            ap = {
                f"a{k}@8": np.clip(base + 0.1 * rng.random(QUERIES), 0, 1) for k in range(ATTACKS)
            }
            worst = 100 * float(np.min(list(ap.values()), axis=0).mean())
            record = build(
                f"d{number:02d}",
                seed,
                attacks=[attack(key[:-2], 100 * float(one.mean())) for key, one in ap.items()],
                worst_case={
                    "map": worst,
                    "rank1": worst,
                    "ci95_map": (worst, worst),
                    "attacks": list(ap),
                },
            )
            ranks = {key: np.ones(QUERIES, dtype=np.int64) for key in ap}
            per_query = PerQuery(pids.astype(str), pids, np.zeros_like(pids), ap, ranks)
            write_record(record, path, {"synthped-plaza": per_query})
    return path


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
    worst, read = counted(pairs, "worst_ap"), counted(arrays.StoredArrays, "__getitem__")
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
    built, framed = counted(board, "_board"), counted(board, "Frame")
    texts(boards, ("md", "csv", "json"))
    write_leaderboard(boards, tmp_path)
    assert (built, framed) == ([0], [1])
