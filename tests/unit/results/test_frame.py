"""The frame of a board beside plain loops over its records."""

from __future__ import annotations

import pytest

from results.board.frame import METRICS, SHARE
from results.board.make_boards import make_boards
from results.statistics.bootstrap import mean_std


@pytest.fixture
def board(make_record, make_attack):
    def attacks(shift: float, *, few: bool):
        sma = make_attack("sma", 30.0 + shift, success_rate=None if few else 40.0 + shift)
        return [sma, *([] if few else [make_attack("fna", 20.0 + shift)])]

    records = [make_record("a", seed, attacks=attacks(seed, few=False)) for seed in range(3)]
    records += [make_record("b", seed, attacks=attacks(5 + seed, few=seed == 1)) for seed in (0, 1)]
    same = {"map": 1.0, "rank1": 1.0, "ci95_map": (0, 2), "attacks": ["sma@8", "fna@8"]}
    worst = records[0].worst_case.model_validate({**same, "attack_share": {"sma@8": 0.25}})
    (board,) = make_boards([one.model_copy(update={"worst_case": worst}) for one in records])
    return board


def test_means_are_over_the_seeds_of_a_row_and_missing_where_a_seed_lacks_the_number(board):
    for row in board.rows:
        for attack in board.attacks:
            for name, read in METRICS.items():
                found = [one for r in row.records for one in r.attacks if one.name == attack.name]
                values = [read(one) for one in found]
                lacks = len(found) < len(row.records) or None in values
                expected = (None, None) if lacks else mean_std(values)
                assert board.frame.mean_std(row, attack, name) == pytest.approx(expected)
            assert board.frame.results(row, attack) == found
    shares = {a.name: board.frame.mean_std(board.rows[0], a, SHARE)[0] for a in board.attacks}
    assert shares == {"sma": 25.0, "fna": None}


def test_values_are_those_of_all_records_that_have_them(board):
    (sma,) = (one for one in board.attacks if one.name == "sma")
    maps = [a.map for row in board.rows for r in row.records for a in r.attacks if a.name == "sma"]
    assert board.frame.values(sma, "map") == maps
    assert len(board.frame.values(sma, "success_rate")) == 4


def test_the_tidy_frame_has_a_line_for_each_number(board):
    tidy = board.frame.tidy()
    assert list(tidy) == ["row", "seed", "attack", "eps", "metric", "value"]
    assert not tidy.duplicated(["row", "seed", "attack", "eps", "metric"]).any()
    (line,) = tidy.query("row == 'b' and seed == 0 and attack == 'fna' and metric == 'map'").value
    assert line == 25.0
    assert not len(tidy.query("row == 'b' and seed == 1 and attack == 'fna'"))
