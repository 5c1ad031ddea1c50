"""Published rows stand around those of a run, and are no part of it."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from results.board.among_published import among_published
from results.board.make_boards import make_boards
from results.records.schema import Record
from results.render.among_published import print_among_published
from results.render.leaderboard import write_leaderboard

MakeRecord = Callable[..., Record]


@pytest.fixture
def published(make_record: MakeRecord, make_attack: Callable[..., object]) -> list[Record]:
    strong, weak = ([make_attack("sma", m), make_attack("fna", m)] for m in (50.0, 2.0))
    return [
        make_record("metric-at", attacks=strong, label="metric-at, single step"),
        make_record("none", attacks=weak),
        make_record("none", attacks=weak, protocol="9" * 64),
    ]


@pytest.fixture
def own(make_record: MakeRecord, make_attack: Callable[..., object]) -> Record:
    return make_record("mine", attacks=[make_attack("sma", 30.0), make_attack("fna", 20.0)])


def test_rows_of_the_same_protocol_stand_around_the_new_one(
    own: Record, published: list[Record]
) -> None:
    among = among_published(make_boards([own])[0], published)
    assert among is not None
    assert among.labels == ["metric-at, single step (published)", "mine", "none (published)"]
    assert among.own == [False, True, False]
    worst = dict(among.columns)["Worst mAP"]
    assert [cell.text for cell in worst] == ["47.5", "19.0", "1.9"]


def test_another_protocol_shows_none(make_record: MakeRecord, published: list[Record]) -> None:
    for changes in ({"protocol": "7" * 64}, {"image_size": (32, 16)}, {"dataset": "other"}):
        board = make_boards([make_record("mine", **changes)])[0]
        assert among_published(board, published) is None


def test_they_are_on_the_screen_and_in_the_text_and_in_no_file_of_numbers(
    own: Record, published: list[Record], tmp_path: Path
) -> None:
    boards = make_boards([own])
    plain = {path.name: path.read_bytes() for path in write_leaderboard(boards, tmp_path)}
    shown = {path.name: path for path in write_leaderboard(boards, tmp_path, published)}
    changed = {name for name, path in shown.items() if path.read_bytes() != plain[name]}
    assert changed == {"leaderboard.md"}
    text = shown["leaderboard.md"].read_text()
    before, _, after = text.partition("### Among the published rows")
    assert "published" not in before
    assert "none (published)" in after
    console = Console(file=io.StringIO(), width=100)
    print_among_published(boards, published, console)
    assert "metric-at, single step (published)" in console.file.getvalue()  # type: ignore[attr-defined]
    print_among_published(boards, [], console := Console(file=io.StringIO()))
    assert not console.file.getvalue()  # type: ignore[attr-defined]
