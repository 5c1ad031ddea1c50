"""The command ``compare`` on the published records: numbers, JSON, and what a typo is told."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from results.records.store import load_per_query, load_record

PUBLISHED = Path(__file__).parents[3] / "results" / "published"
EMBEDDED, GRID = PUBLISHED / "embedded", PUBLISHED / "embedded-grid"


def test_json_holds_what_the_files_say(cli):
    code, out, err = cli("compare", "ddid", "metric-at", "--records", EMBEDDED, "--json")
    assert (code, err) == (0, "")
    (board,) = json.loads(out)["boards"]
    worst = board["contrasts"][0]
    maps, first = {}, {}
    for path in sorted(EMBEDDED.glob("*.json")):
        record, outcomes = load_record(path), load_per_query(path.with_suffix(".per_query.npz"))
        keys = record.worst_case.attacks
        name = record.defense.name
        maps.setdefault(name, []).append(100 * np.min([outcomes.ap[k] for k in keys], 0).mean())
        first.setdefault(name, []).append(np.max([outcomes.rank[k] for k in keys], 0) == 1)
    assert worst["a_map"] == pytest.approx(np.mean(maps["ddid"]))
    assert worst["b_map"] == pytest.approx(np.mean(maps["metric-at"]))
    gains = np.subtract(maps["ddid"], maps["metric-at"])
    assert list(worst["by_seed"].values()) == pytest.approx(gains)
    assert worst["difference"] == pytest.approx(gains.mean())
    pairs = list(zip(first["ddid"], first["metric-at"], strict=True))
    assert worst["rank1_only_a"] == pytest.approx(np.mean([(a & ~b).sum() for a, b in pairs]))
    assert worst["rank1_only_b"] == pytest.approx(np.mean([(b & ~a).sum() for a, b in pairs]))
    assert board["seeds"] == [0, 1, 2]
    (given_low, given_high), (low, high) = (
        worst["ci95_given_trainings"],
        worst["ci95_over_trainings"],
    )
    assert low < given_low < worst["difference"] < given_high < high
    assert worst["p"] <= board["p_holm"]
    assert board["groups"] == {"a": 1, "b": 1}
    assert {line["name"] for line in board["contrasts"]} >= {"worst case", "clean", "fna"}
    variance = board["worst_case_variance"]["b"]
    assert variance["training"] == pytest.approx(np.var(maps["metric-at"], ddof=1))
    assert variance["attack"] is None


def test_the_table_says_what_is_compared_and_how(cli, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    code, out, err = cli("compare", "ddid", "metric-at", "--records", EMBEDDED)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert max(map(len, lines)) <= 80
    for text in ("A ddid", "B metric-at", "304 queries of 75 identities", "in group 1", "only A"):
        assert text in out
    assert any(line.split()[:5] == ["worst", "case", "20.33", "19.74", "+0.59"] for line in lines)


def test_one_seed_says_that_it_is_one(cli):
    code, out, _ = cli("compare", "none", "ddid", "--records", GRID)
    assert code == 0
    assert "fewer than 3 seeds in common" in out
    assert "n/a" in out


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("ddit", "metric-at", "--records", EMBEDDED), 2, ["unknown row 'ddit'", "mean ddid?"]),
        (("ddid", "ddid", "--records", EMBEDDED), 2, ["ddid cannot be compared with itself"]),
        (("ddid", "none", "--records", EMBEDDED / "nowhere"), 3, ["no folder"]),
        (("ddid", "none", "--records", PUBLISHED / "experiments"), 3, ["no records with per"]),
        (("ddid",), 2, ["B"]),
    ],
)
def test_errors_are_a_line_and_its_mend(cli, arguments, code, told):
    found, out, err = cli("compare", *arguments)
    assert (found, out) == (code, "")
    assert all(text in err for text in told)
    assert len(err.splitlines()) == 2


def test_rows_of_two_boards_are_not_compared(cli, tmp_path):
    for place, name in ((EMBEDDED, "ddid"), (GRID, "none")):
        for path in place.glob(f"{name}--*seed0*"):
            (tmp_path / path.name).write_bytes(path.read_bytes())
    code, _, err = cli("compare", "ddid", "none", "--records", tmp_path)
    assert code == 2
    assert "not on one board" in err


def test_rows_are_compared_where_they_were_not_trained(cli):
    places = ("--records", PUBLISHED / "board-cross", "--test-dataset", "synthped-campus")
    code, out, err = cli("compare", "free-ddid", "free-at", *places, "--json")
    assert (code, err) == (0, "")
    (board,) = json.loads(out)["boards"]
    assert board["dataset"] == "synthped-plaza → synthped-campus"
    maps = [
        record.cross_dataset[0].worst_case.map
        for path in sorted((PUBLISHED / "board-cross").glob("free-ddid*.json"))
        if (record := load_record(path))
    ]
    assert board["contrasts"][0]["a_map"] == pytest.approx(np.mean(maps))
    code, out, err = cli("board", PUBLISHED / "board-cross", "--test-dataset", "market1501")
    assert (code, out) == (3, "")
    assert err.endswith("→ choose among synthped-campus\n")
