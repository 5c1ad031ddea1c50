"""Security curves: points, areas, panels, pictures."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from results.board.attack_table import areas
from results.board.columns import board_columns
from results.board.curves import answer_panels, area, budget_panels, curve_rows
from results.board.leaderboard_frame import leaderboard_frame
from results.board.make_boards import make_boards
from results.records.schema import Record
from results.render.curve_figure import draw_panels
from results.render.figures import write_figures
from results.render.leaderboard import write_leaderboard

MakeRecord = Callable[..., Record]
MakeAttack = Callable[..., dict[str, Any]]

BUDGETS = (1.0, 2.0, 4.0, 8.0)


@pytest.fixture
def swept(make_record: MakeRecord, make_attack: MakeAttack) -> list[Record]:
    def make(name: str, seed: int, strength: float) -> Record:
        attacks = [
            make_attack(attack, 50.0 - strength * eps - seed, eps=eps)
            for eps in BUDGETS
            for attack in ("sma", "fna")
        ]
        points = [{"eps": eps, "map": 48.0 - strength * eps, "rank1": 9.0} for eps in BUDGETS]
        return make_record(name, seed, clean=60.0, attacks=attacks, worst_by_eps=points)

    return [make("ddid", 0, 1.0), make("ddid", 1, 1.0), make("none", 0, 5.0)]


@given(st.dictionaries(st.integers(0, 64).map(float), st.floats(0, 100), min_size=2, max_size=9))
def test_area_is_that_of_the_trapezoids_over_the_range(points: dict[float, float]) -> None:
    x = np.array(sorted(points))
    y = np.array([points[value] for value in x])
    expected = np.sum(np.diff(x) * (y[1:] + y[:-1]) / 2) / (x[-1] - x[0])
    assert area(points) == pytest.approx(expected)
    assert min(y) - 1e-9 <= area(points) <= max(y) + 1e-9


def test_a_single_point_has_no_area() -> None:
    assert area({}) is None
    assert area({0.0: 50.0}) is None


def test_curves_start_at_the_clean_map_and_hold_the_spread_of_seeds(swept: list[Record]) -> None:
    (board,) = make_boards(swept)
    worst, sma, fna = budget_panels(board)
    assert [panel.title for panel in (worst, sma, fna)] == ["worst case", "sma", "fna"]
    ddid = next(curve for curve in sma.curves if curve.label == "ddid")
    assert ddid.x == (0.0, *BUDGETS)
    assert ddid.mean == (60.0, 48.5, 47.5, 45.5, 41.5)
    assert ddid.low == (60.0, 48.0, 47.0, 45.0, 41.0)
    assert ddid.high == (60.0, 49.0, 48.0, 46.0, 42.0)
    none = next(curve for curve in worst.curves if curve.label == "none")
    assert none.mean == (60.0, 43.0, 38.0, 28.0, 8.0)
    assert none.seeds == 1


def test_the_area_is_in_the_tables(swept: list[Record]) -> None:
    (board,) = make_boards(swept)
    expected = (51.5 + 40.5 + 2 * 33.0 + 4 * 18.0) / 8
    frame = leaderboard_frame(make_boards(swept)).set_index("defense")
    assert frame.loc["none", "worst_area"] == pytest.approx(expected)
    shown = {c.title: [x.text for x in c.cells(board.rows)] for c in board_columns(board)}
    assert shown["Worst area"][[r.label for r in board.rows].index("none")] == f"{expected:.1f}"
    listing = areas(board)
    assert listing.labels == ["worst case", "sma", "fna"]
    points = pd.DataFrame(curve_rows([board]))
    assert len(points) == 3 * 2 * 5
    assert set(points["axis"]) == {"eps"}


@pytest.mark.parametrize("budgets", [(8.0,), (4.0, 8.0), (0.0, 4.0, 8.0)])
def test_too_few_budgets_make_no_curve(
    make_record: MakeRecord, make_attack: MakeAttack, budgets: tuple[float, ...], tmp_path: Path
) -> None:
    record = make_record(attacks=[make_attack("sma", 30.0, eps=eps) for eps in budgets])
    boards = make_boards([record])
    assert budget_panels(boards[0]) == []
    assert areas(boards[0]).labels == []
    assert write_figures(boards, tmp_path) == []
    assert not (tmp_path / "figures").exists()


def test_curves_of_targets_show_their_map(make_record: MakeRecord, make_attack: MakeAttack) -> None:
    def rank(value: float) -> dict[str, float]:
        return {"map": value, "rank1": 1, "rank5": 1, "rank10": 1, "minp": 1}

    attacks = [
        make_attack(
            "fna",
            9.0,
            eps=eps,
            intent="impersonate",
            target_rule="random",
            target={"clean": rank(5.0), "attacked": rank(5 * eps)},
        )
        for eps in BUDGETS
    ]
    (board,) = make_boards([make_record(attacks=attacks)])
    (panel,) = budget_panels(board)
    assert panel.title == "fna"
    assert panel.curves[0].mean == (5.0, 5.0, 10.0, 20.0, 40.0)
    axes = draw_panels(board, [panel]).axes[0]
    assert axes.get_ylabel() == "target mAP (%)"


@pytest.fixture
def black_box(make_record: MakeRecord, make_attack: MakeAttack) -> list[Record]:
    curve = [{"queries": n, "map": m} for n, m in ((10, 50.0), (100, 30.0), (1000, 20.0))]
    attacks = [make_attack("square", 20.0, knowledge="score", curve=curve), make_attack("sma", 9.0)]
    return [make_record(name, attacks=attacks) for name in ("ddid", "none")]


def test_black_box_attacks_have_a_curve_over_answers(black_box: list[Record]) -> None:
    (board,) = make_boards(black_box)
    (panel,) = answer_panels(board)
    assert (panel.title, panel.axis) == ("square", "answers")
    assert panel.curves[0].x == (0.0, 10.0, 100.0, 1000.0)
    assert panel.curves[0].mean == (58.5, 50.0, 30.0, 20.0)
    figure = draw_panels(board, [panel])
    assert "white-box" not in figure.get_suptitle()
    assert figure.axes[0].get_xscale() == "symlog"


def test_pictures_show_every_row_in_every_panel_and_nothing_is_cut_off(swept: list[Record]) -> None:
    (board,) = make_boards(swept)
    panels = budget_panels(board)
    axes = draw_panels(board, panels).axes
    assert [a.get_title() for a in axes] == [panel.title for panel in panels]
    for one, panel in zip(axes, panels, strict=True):
        lines = one.get_lines()
        assert [line.get_label() for line in lines] == [row.label for row in board.rows]
        assert len({line.get_color() for line in lines}) == len(lines)
        assert one.get_ylim()[1] >= max(max(curve.high) for curve in panel.curves)
        assert [line.get_ydata().tolist() for line in lines] == [list(c.mean) for c in panel.curves]


def test_files_are_the_same_bytes_again_and_hold_no_date(
    swept: list[Record], tmp_path: Path
) -> None:
    first = {p.name: p.read_bytes() for p in write_leaderboard(make_boards(swept), tmp_path / "a")}
    second = {
        p.name: p.read_bytes() for p in write_leaderboard(make_boards(swept[::-1]), tmp_path / "b")
    }
    assert first == second
    pictures = [name for name in first if name.endswith((".png", ".svg"))]
    assert {name.split("-s")[0] for name in pictures} == {"security", "trade-off"}
    for name in pictures:
        if name.endswith(".png"):
            assert first[name].startswith(b"\x89PNG")
        else:
            assert first[name].lstrip().startswith(b"<?xml")
            assert b"<dc:date>" not in first[name]
    assert len(pd.read_csv(tmp_path / "a" / "curves.csv")) == 3 * 2 * 5


def test_tables_need_neither_matplotlib_nor_pandas() -> None:
    code = (
        "import sys, results.render.leaderboard, results.render.figures, results.render.console\n"
        "assert not {'matplotlib', 'pandas', 'torch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
