"""Clean mAP against the worst case: points, the front, the picture."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from results.board.make_boards import make_boards
from results.board.trade_off import Point, front, trade_off
from results.records.schema import Record
from results.render.figures import write_figures
from results.render.trade_off_figure import draw_trade_off

MakeRecord = Callable[..., Record]
MakeAttack = Callable[..., dict[str, Any]]


def point(clean: float, worst: float) -> Point:
    return Point(f"{clean}/{worst}", clean, None, worst, None)


def test_a_point_is_the_mean_over_trainings(
    make_record: MakeRecord, make_attack: MakeAttack
) -> None:
    records = [
        make_record("ddid", 0, clean=60.0, attacks=[make_attack("fna", 20.0)]),
        make_record("ddid", 1, clean=64.0, attacks=[make_attack("fna", 10.0)]),
        make_record("none", 0, clean=65.0, attacks=[make_attack("fna", 1.0)]),
    ]
    (board,) = make_boards(records)
    first, second = trade_off(board)
    worst = [r.worst_case.map for r in records[:2] if r.worst_case is not None]
    assert (first.label, first.clean, first.worst) == ("ddid", 62.0, sum(worst) / 2)
    assert first.clean_sd == pytest.approx(8**0.5)
    assert (second.label, second.worst_sd) == ("none", None)


def test_the_front_holds_what_no_other_row_beats() -> None:
    points = [point(60, 10), point(50, 20), point(55, 9), point(50, 5), point(40, 20)]
    assert [one.label for one in front(points)] == ["60/10", "50/20"]
    twins = [point(60, 10), point(60, 10)]
    assert front(twins) == twins


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1))
def test_along_the_front_more_accuracy_costs_robustness(pairs: list[tuple[int, int]]) -> None:
    found = front([point(*pair) for pair in dict.fromkeys(pairs)])
    assert found
    assert [p.clean for p in found] == sorted({p.clean for p in found}, reverse=True)
    assert [p.worst for p in found] == sorted({p.worst for p in found})


def test_rows_and_front_are_drawn(
    make_record: MakeRecord, make_attack: MakeAttack, tmp_path: Path
) -> None:
    records = [
        make_record(name, 0, clean=clean, attacks=[make_attack("fna", worst)])
        for name, clean, worst in (("ddid", 55.0, 20.0), ("trades", 45.0, 25.0), ("bad", 44.0, 1.0))
    ]
    (board,) = make_boards(records)
    (axes,) = draw_trade_off(board, trade_off(board)).axes
    worst = {r.defense.name: r.worst_case.map for r in records if r.worst_case is not None}
    expected = [[55.0, worst["ddid"]], [45.0, worst["trades"]]]
    assert axes.lines[0].get_xydata().tolist() == expected
    assert axes.get_ylim() == pytest.approx((0, 1.06 * max(y for _, y in expected)))
    assert {text.get_text() for text in axes.texts} == {"ddid", "trades", "bad"}
    assert axes.get_legend_handles_labels()[1] == ["no row is better in both"]
    paths = write_figures([board], tmp_path)
    assert [path.name for path in paths] == [f"trade-off-{board.slug}.{k}" for k in ("png", "svg")]


def test_one_row_is_no_trade_off(
    make_record: MakeRecord, make_attack: MakeAttack, tmp_path: Path
) -> None:
    boards = make_boards([make_record("ddid", 0, attacks=[make_attack("fna", 20.0)])])
    assert write_figures(boards, tmp_path) == []


def test_attacks_with_targets_have_no_trade_off(
    make_record: MakeRecord, make_attack: MakeAttack
) -> None:
    attack = make_attack("fna", 20.0, intent="impersonate", target_rule="random")
    boards = make_boards([make_record(name, 0, attacks=[attack]) for name in ("a", "b")])
    assert [trade_off(board) for board in boards] == [[]]


def test_long_labels_leave_room_for_the_axes(
    make_record: MakeRecord, make_attack: MakeAttack
) -> None:
    recipes = [{f"option_number_{i}": i * step for i in range(8)} for step in range(1, 21)]
    records = [
        make_record("ddid", config=config, attacks=[make_attack("fna", 20.0 + i)])
        for i, config in enumerate(recipes)
    ]
    (board,) = make_boards(records)
    figure = draw_trade_off(board, trade_off(board))
    figure.canvas.draw()
    (axes,) = figure.axes
    width, height = axes.get_window_extent().size / figure.dpi
    assert width > 5
    assert height > 2.5
    places = {row.label: number for number, row in enumerate(board.rows, start=1)}
    named = {text.get_text() for text in axes.texts}
    assert named <= {f"ddid #{place}" for place in places.values()}
    assert len(named) == len(places)
    assert "#n: row n of the table" in axes.get_xlabel()
    boxes = [text.get_window_extent() for text in axes.texts]
    inner = [one.shrunk(0.9, 0.7) for one in boxes]  # sizes are estimated from characters
    assert not any(a.overlaps(b) for a, b in combinations(inner, 2))
    assert all(axes.bbox.padded(8).contains(*corner) for box in boxes for corner in box.corners())
