"""The tables that people see, and the file that programs read."""

from __future__ import annotations

import io
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from rich.cells import cell_len
from rich.console import Console

from results.board.columns import board_columns
from results.board.make_boards import make_boards
from results.records.schema import Record
from results.render.console import print_leaderboard
from results.render.leaderboard import write_leaderboard
from results.render.markdown import boards_markdown

MakeRecord = Callable[..., Record]
MakeAttack = Callable[..., dict[str, Any]]


@pytest.fixture
def records(make_record: MakeRecord, make_attack: MakeAttack) -> list[Record]:
    def attacks(sma: float, seen: bool) -> list[dict[str, Any]]:
        return [
            make_attack("sma", sma),
            make_attack("fna", sma - 10),
            make_attack("metric-pgd", sma + 5, seen_in_training=seen),
        ]

    strong = [make_record(seed=s, attacks=attacks(31.0 + s, True), cross=True) for s in (0, 1)]
    weak = make_record("none", clean=62.2, attacks=attacks(12.0, False))
    return [weak, *strong]


def rendered(records: list[Record], width: int, styled: bool = False) -> str:
    stream = io.StringIO()
    console = Console(file=stream, width=width, force_terminal=styled)
    print_leaderboard(make_boards(records), console)
    return stream.getvalue()


def test_markdown_marks_the_best_and_fills_gaps(records: list[Record]) -> None:
    text = boards_markdown(make_boards(records))
    lines = text.splitlines()
    ddid, none = (line for line in lines if line.startswith(("| ddid", "| none")))
    sma, pgd = (line for line in lines if line.startswith(("| sma", "| metric-pgd")))
    assert "**58.5 ± 0.0**" not in ddid
    assert "**20.4 ± 0.7**" in ddid
    assert "**31.5 ± 0.7**" in sma
    assert "**36.5 ± 0.7†**" in pgd
    assert "**62.2**" in none
    assert "n/a" in none
    assert "→ campus clean" in text
    headline = "Worst mAP, the headline: each query meets its strongest attack"
    assert f"{headline} · white-box L∞ ε = 8/255" in text


@pytest.mark.parametrize(
    ("attack", "said"),
    [
        ({"name": "sma"}, True),
        ({"name": "reid-aa"}, False),
        ({"name": "sma", "side": "gallery"}, False),
    ],
)
def test_a_board_says_that_the_standard_ensemble_was_left_out(
    make_record: MakeRecord, make_attack: MakeAttack, attack: dict[str, Any], said: bool
) -> None:
    options = {key: value for key, value in attack.items() if key != "name"}
    records = [make_record(attacks=[make_attack(attack["name"], 20.0, **options)])]
    hint = "leave --attack out, or add reid-aa to it"
    assert (hint in boards_markdown(make_boards(records))) == said
    assert (hint in rendered(records, 240)) == said


def test_times_and_flags_are_never_best(records: list[Record]) -> None:
    (board,) = make_boards(records)
    for column in board_columns(board):
        if column.title in ("Train", "Flags", "Seeds", "95% CI"):
            assert not any(cell.best for cell in column.cells(board.rows))


def test_a_row_alone_is_not_the_best(make_record: MakeRecord) -> None:
    assert "**" not in boards_markdown(make_boards([make_record()]))


def test_a_pipe_in_a_name_does_not_break_the_table(make_record: MakeRecord) -> None:
    text = boards_markdown(make_boards([make_record("a|b")]))
    assert r"a\|b" in text


def test_files_are_the_same_for_any_order_of_records(tmp_path: Path, records: list[Record]) -> None:
    first = [path.read_bytes() for path in write_leaderboard(make_boards(records), tmp_path)]
    random.Random(0).shuffle(records)
    assert [
        path.read_bytes() for path in write_leaderboard(make_boards(records), tmp_path)
    ] == first


def test_csv_holds_raw_numbers(tmp_path: Path, records: list[Record]) -> None:
    path = next(
        p for p in write_leaderboard(make_boards(records), tmp_path) if p.name == "leaderboard.csv"
    )
    frame = pd.read_csv(path)
    assert frame["defense"].tolist() == ["ddid", "none"]
    assert frame["sma@8_map"].tolist() == [31.5, 12.0]
    assert frame["sma@8_map_std"].tolist()[0] == pytest.approx(0.707107)
    assert frame["cross_synthped-campus_worst_map"].isna().tolist() == [False, True]
    assert frame["train_seconds"].tolist() == [275.0, 275.0]


def test_no_records_still_write_files(tmp_path: Path) -> None:
    markdown, *_ = write_leaderboard(make_boards([]), tmp_path)
    assert "No records." in markdown.read_text()
    assert "No records." in rendered([], 80)


@pytest.mark.parametrize("width", [60, 80, 100, 160, 240])
def test_console_keeps_to_its_width(records: list[Record], width: int) -> None:
    text = rendered(records, width)
    assert max(cell_len(line) for line in text.splitlines()) <= width
    for number in ("31.5 ± 0.7", "21.5 ± 0.7", "62.2", "36.5 ± 0.7†", "4.6 min", "20.1"):
        assert number in text
    assert "Worst mAP, the headline: each query meets its strongest" in " ".join(text.split())


def test_wide_console_shows_one_table(records: list[Record]) -> None:
    assert rendered(records, 240).count("Defense") == 1
    narrow = rendered(records, 100)
    assert narrow.count("Defense") == 3
    assert narrow.count("Attack") == 1


def test_a_long_name_leaves_room_for_other_rows(make_record: MakeRecord) -> None:
    options = {f"an_option_with_a_long_name_{i}": True for i in range(4)}
    changed = dict.fromkeys(options, False)
    others = [make_record(name) for name in ("none", "trades", "act")]
    text = rendered([make_record(config=options), make_record(config=changed), *others], 100)
    assert max(cell_len(line) for line in text.splitlines()) <= 100
    assert sum(line.startswith("Attack") for line in text.splitlines()) == 1


def test_no_column_stands_alone_on_a_terminal_of_80(records: list[Record]) -> None:
    heads = [line for line in rendered(records, 80).splitlines() if line.startswith("Defense")]
    assert [len(head.split("  ")) > 2 for head in heads] == [True] * 3
    assert any({"Seeds", "Train", "Flags"} <= set(head.split()) for head in heads)


def test_console_sets_the_best_in_bold(records: list[Record]) -> None:
    assert re.search("\x1b\\[1;32m *31.5 ± 0.7\x1b\\[0m", rendered(records, 100, styled=True))
