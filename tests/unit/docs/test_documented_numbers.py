"""Numbers of boards in the README and the docs equal the records in results/published."""

from __future__ import annotations

import json
import re
from statistics import mean, stdev

import pytest

from results.board.comparison import compare
from results.board.make_boards import make_boards
from results.records.query_outcomes import read_measured
from tests.documents import DOCS, ROOT

PUBLISHED = ROOT / "results" / "published"
README = ROOT / "README.md"
BASELINE = "metric-at, trained at 8/255"


def tables(page) -> list[list[dict[str, str]]]:
    """Return each table of a page as rows by column."""
    found = []
    for block in re.findall(r"(?:^\|.*\|\n)+", page.read_text("utf-8"), re.MULTILINE):
        head, _, *rows = [[c.strip() for c in line[1:-2].split(" | ")] for line in
                          block.splitlines(keepends=True)]  # fmt: skip
        found.append([dict(zip(head, row, strict=False)) for row in rows])
    return found


def board_of(page) -> list[dict[str, str]]:
    return next(rows for rows in tables(page) if rows and "Worst mAP" in rows[0])


@pytest.fixture(scope="module")
def records():
    found: dict[str, list] = {}
    for path in (PUBLISHED / "board").glob("*.json"):
        record = json.loads(path.read_text("utf-8"))
        found.setdefault(record.get("label") or record["defense"]["name"], []).append(record)
    return found


def written(values) -> str:
    return f"{mean(values):.1f} ± {stdev(values):.1f}"


@pytest.mark.parametrize(("page", "rows"), [(README, 8), (DOCS / "board.md", 33)])
def test_rows_equal_the_records(page, rows, records):
    shown = board_of(page)
    assert len(shown) == rows
    for row in shown:
        of_row = records[row["Defense"]]
        assert len(of_row) == 3
        assert row["Clean mAP"] == written([one["clean"]["map"] for one in of_row])
        assert row["Worst mAP"] == written([one["worst_case"]["map"] for one in of_row])
        bounds = zip(*(one["worst_case"]["ci95_map"] for one in of_row), strict=True)
        assert row["95% CI"] == "–".join(f"{mean(bound):.1f}" for bound in bounds)
        for attack in row.keys() & {one["name"] for one in of_row[0]["attacks"]}:
            maps = [next(a["map"] for a in one["attacks"] if a["name"] == attack) for one in of_row]
            assert row[attack] == written(maps), (row["Defense"], attack)


def test_the_gain_of_ddid_equals_what_compare_says():
    found, measured = read_measured([PUBLISHED / "board"], None)
    (board,) = make_boards(found, measured)
    first, second = (next(r for r in board.rows if r.label == n) for n in ("ddid", BASELINE))
    said = {line.name: line for line in compare(board, first, second, measured).contrasts}
    shown = next(rows for rows in tables(README) if rows and "gain" in rows[0])
    assert len(shown) == 4
    for row in shown:
        line = said["clean" if "clean" in row["attack"] else row["attack"]]
        assert row["ddid"] == f"{line.ours:.2f}"
        assert row["metric-at"] == f"{line.theirs:.2f}"
        assert row["gain"] == f"{line.difference:+.2f}"
        assert row["95% interval"] == f"{line.crossed[0]:+.2f} to {line.crossed[1]:+.2f}"


def test_the_board_has_the_rows_that_the_readme_says():
    assert f"Eight of the {len(board_of(DOCS / 'board.md'))} rows" in README.read_text("utf-8")
