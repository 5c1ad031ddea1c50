"""The matrix of train attack by test attack."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from results.board.make_boards import make_boards
from results.board.unseen import make_matrices, unseen_rows
from results.records.schema import Record
from results.render.heat_map import draw_matrix
from results.render.leaderboard import write_leaderboard
from results.render.markdown import unseen_markdown

MakeRecord = Callable[..., Record]
MakeAttack = Callable[..., dict[str, Any]]

TESTS = ("random-noise", "metric-pgd", "sma", "fna")


@pytest.fixture
def trainings(make_record: MakeRecord, make_attack: MakeAttack) -> list[Record]:
    def make(name: str, seed: int, against: list[str], values: tuple[float, ...]) -> Record:
        attacks = [
            make_attack(test, value + seed, seen_in_training=test in against)
            for test, value in zip(TESTS, values, strict=True)
        ]
        record = make_record(name, seed, attacks=attacks)
        content = record.model_dump()
        content["defense"]["trained_against"] = against
        content["worst_case"]["attacks"] = ["metric-pgd@8", "sma@8", "fna@8"]
        if against == ["sma"]:
            content["training"]["recipe"] = {"inner": {"attack": "sma"}}
        content["id"] = f"{abs(hash((name, seed, *against))):016x}"
        return Record.model_validate(content)

    return [
        make("none", 0, [], (60.0, 1.0, 2.0, 3.0)),
        *(make("metric-at", s, ["metric-pgd"], (58.0, 30.0, 20.0, 10.0)) for s in (0, 1)),
        *(make("metric-at", s, ["sma"], (58.0, 12.0, 40.0, 8.0)) for s in (0, 1)),
    ]


def test_a_stand_in_makes_another_row(trainings: list[Record]) -> None:
    (board,) = make_boards(trainings)
    assert {row.label: len(row.records) for row in board.rows} == {
        "metric-at (against=metric-pgd)": 2,
        "metric-at (against=sma)": 2,
        "none": 1,
    }


def test_the_matrix_marks_what_was_seen_and_averages_the_rest(trainings: list[Record]) -> None:
    (matrix,) = make_matrices(make_boards(trainings))
    assert matrix.names == ["metric-at ← metric-pgd", "metric-at ← sma", "none"]
    assert list(matrix.attacks.values()) == ["metric-pgd", "sma", "fna"], "not the control"
    seen = [[matrix.seen(row, attack) for attack in matrix.attacks] for row in matrix.rows]
    assert seen == [[True, False, False], [False, True, False], [False, False, False]]
    assert [matrix.unseen_mean(row.records[0]) for row in matrix.rows] == [15.0, 10.0, 2.0]
    text = unseen_markdown([matrix])
    assert "30.5 ± 0.7†" in text
    assert "20.5 ± 0.7†" not in text
    assert "15.5 ± 0.7" in text


def test_the_frame_is_long(trainings: list[Record]) -> None:
    frame = pd.DataFrame(unseen_rows(make_matrices(make_boards(trainings))))
    assert len(frame) == 3 * 3
    sma = frame[(frame["trained_against"] == "sma") & (frame["attack"] == "sma")].iloc[0]
    assert bool(sma["seen"])
    assert sma["map"] == 40.5
    assert sma["unseen_mean_map"] == 10.5


def test_the_heat_map_frames_what_was_seen(trainings: list[Record]) -> None:
    (matrix,) = make_matrices(make_boards(trainings))
    axes = draw_matrix(matrix).axes[0]
    corners = [(round(p.get_x() + 0.46), round(p.get_y() + 0.43)) for p in axes.patches]
    assert corners == [(0, 0), (1, 1)]
    values = [text.get_text() for text in axes.texts]
    assert values == [
        *("30.5", "20.5", "10.5", "15.5"),
        *("12.5", "40.5", "8.5", "10.5"),
        *("1.0", "2.0", "3.0", "2.0"),
    ]


def test_files_are_written_for_several_trainings_only(
    trainings: list[Record], tmp_path: Path
) -> None:
    names = {path.name for path in write_leaderboard(make_boards(trainings), tmp_path / "several")}
    assert {"unseen.md", "unseen.csv"} <= names
    assert sum(name.startswith("unseen-") for name in names) == 2
    assert len(pd.read_csv(tmp_path / "several" / "unseen.csv")) == 9
    names = {path.name for path in write_leaderboard(make_boards(trainings[:3]), tmp_path / "one")}
    assert not any(name.startswith("unseen") for name in names)


def test_older_records_tell_what_they_saw_by_what_was_tested(trainings: list[Record]) -> None:
    def aged(record: Record) -> Record:
        defense = record.defense.model_copy(update={"trained_against": None})
        return record.model_copy(update={"defense": defense})

    (matrix,) = make_matrices(make_boards([aged(record) for record in trainings]))
    assert matrix.names == ["metric-at ← metric-pgd", "metric-at ← sma", "none"]
