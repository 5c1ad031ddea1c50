"""The committed records of real runs stay readable, and complete enough for a board."""

from __future__ import annotations

from pathlib import Path

import pytest

from results.board.make_boards import make_boards
from results.records.store import load_per_query, load_record
from results.render.leaderboard import write_leaderboard

PUBLISHED = Path(__file__).parents[3] / "results" / "published"
RECORDS = sorted(PUBLISHED.glob("*/*--*.json"))


def test_there_are_published_records():
    assert RECORDS


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_a_published_record_is_valid_and_matches_its_queries(path):
    record = load_record(path)
    outcomes = load_per_query(path.with_suffix(".per_query.npz"))
    assert 100 * outcomes.ap["clean"].mean() == pytest.approx(record.clean.map)
    for attack in record.attacks:
        seeds = [ap for key, ap in outcomes.ap.items() if key.split("#")[0] == attack.key]
        assert len(seeds) == max(1, len(attack.by_attack_seed))
        assert 100 * sum(ap.mean() for ap in seeds) / len(seeds) == pytest.approx(attack.map)
    maps = []
    for seed in [one.attack_seed for one in record.worst_case.by_attack_seed] or [None]:
        keys = [(f"{key}#{seed}", key) for key in record.worst_case.attacks]
        worst = [outcomes.ap[many if many in outcomes.ap else one] for many, one in keys]
        maps.append(100 * sum(map(min, zip(*worst, strict=True))) / len(worst[0]))
    assert sum(maps) / len(maps) == pytest.approx(record.worst_case.map)


def test_a_board_of_the_published_records_can_be_written(tmp_path):
    markdown, *_ = write_leaderboard(make_boards([load_record(path) for path in RECORDS]), tmp_path)
    assert "metric-at" in markdown.read_text()
