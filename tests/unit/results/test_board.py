"""What shares a board, what shares a row, and how both are named."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from results.board.labels import attack_labels
from results.board.leaderboard_frame import leaderboard_frame
from results.board.make_boards import make_boards
from results.records.retrieval import AttackId
from results.records.schema import Record

MakeRecord = Callable[..., Record]
MakeAttack = Callable[..., dict[str, Any]]


def test_seeds_share_a_row_and_the_strongest_defense_leads(make_record: MakeRecord) -> None:
    records = [make_record("metric-at", seed, clean=58.0 + seed) for seed in (2, 0, 1)]
    weak = [{**a.model_dump(), "map": 1.0} for a in make_record().attacks]
    (board,) = make_boards([make_record("none", attacks=weak), *records])
    assert [(row.label, row.seeds) for row in board.rows] == [
        ("metric-at", (0, 1, 2)),
        ("none", (0,)),
    ]
    frame = leaderboard_frame(make_boards(records))
    assert frame.loc[0, "clean_map"] == 59.0
    assert frame.loc[0, "clean_map_std"] == 1.0
    assert frame.loc[0, "seeds"] == "0 1 2"


@pytest.mark.parametrize(
    "change",
    [
        {"dataset": "synthped-campus"},
        {"image_size": (256, 128)},
        {"protocol": "9" * 64},
    ],
)
def test_what_may_not_be_compared_is_kept_apart(
    make_record: MakeRecord, change: dict[str, Any]
) -> None:
    boards = make_boards([make_record("none"), make_record("none", **change)])
    assert [len(board.rows) for board in boards] == [1, 1]


def test_budgets_threats_and_attack_sets_are_kept_apart(
    make_record: MakeRecord, make_attack: MakeAttack
) -> None:
    records = [
        make_record("none", attacks=attacks)
        for attacks in (
            [make_attack("sma", 30.0)],
            [make_attack("sma", 30.0, eps=4.0)],
            [make_attack("sma", 30.0, side="gallery")],
            [make_attack("sma", 30.0, intent="rank-down")],
            [make_attack("sma", 30.0), make_attack("fna", 30.0)],
            [],
        )
    ]
    records = [
        record.model_copy(update={"id": f"{number:08x}"}) for number, record in enumerate(records)
    ]
    boards = make_boards(records)
    assert len(boards) == 6
    assert len({board.title for board in boards}) == 5  # one pair differs in its columns only
    assert any("no attack" in board.title for board in boards)


def test_variants_are_named_by_what_differs(make_record: MakeRecord) -> None:
    records = [
        make_record(config={"fnes": True, "parts": {"meta": True}, "epochs": 30}),
        make_record(config={"fnes": False, "parts": {"meta": True}, "epochs": 30}),
        make_record(config={"fnes": False, "parts": {"meta": False}, "epochs": 30}),
        make_record("none", config={"fnes": "text"}),
    ]
    (board,) = make_boards(records)
    assert {row.label for row in board.rows} == {
        "ddid (fnes=true, parts.meta=true)",
        "ddid (fnes=false, parts.meta=true)",
        "ddid (fnes=false, parts.meta=false)",
        "none",
    }


def test_keys_of_one_variant_only_are_unset_in_the_other(make_record: MakeRecord) -> None:
    (board,) = make_boards([make_record(config={}), make_record(config={"mode": "a"})])
    assert {row.label for row in board.rows} == {"ddid (mode=unset)", "ddid (mode=a)"}


def test_other_backbones_are_other_rows(make_record: MakeRecord) -> None:
    (board,) = make_boards([make_record(), make_record(backbone="resnet50", seed=1)])
    assert {row.label for row in board.rows} == {
        "ddid (backbone=resnet50)",
        "ddid (backbone=small-resnet)",
    }
    assert "resnet50" in board.title
    assert "small-resnet" in board.title


def test_other_behaviours_and_epochs_are_other_rows(make_record: MakeRecord) -> None:
    (board,) = make_boards([make_record(), make_record(behaviour="ddid@2")])
    assert {row.label for row in board.rows} == {
        "ddid (behaviour=ddid@1)",
        "ddid (behaviour=ddid@2)",
    }
    longer = {**make_record().training.model_dump(), "epochs": 60}
    (board,) = make_boards([make_record(), make_record(training=longer)])
    assert {row.label for row in board.rows} == {"ddid (epochs=30)", "ddid (epochs=60)"}


def test_other_recipes_are_other_rows(make_record: MakeRecord) -> None:
    recipes = [{"inner": {"eps_255": eps, "steps": 3}} for eps in (8.0, 12.0)]
    training = make_record().training.model_dump()
    records = [make_record(training={**training, "recipe": recipe}) for recipe in recipes]
    (board,) = make_boards(records)
    assert {row.label for row in board.rows} == {
        "ddid (inner.eps_255=8.0)",
        "ddid (inner.eps_255=12.0)",
    }


def test_one_seed_twice_is_never_averaged(make_record: MakeRecord) -> None:
    twin = make_record(clean=58.4).model_copy(update={"id": "ab" * 32})
    (board,) = make_boards([make_record(), make_record(seed=1), twin])
    assert [len(row.records) for row in board.rows] == [1, 1, 1]
    assert "ddid (id=abababab)" in {row.label for row in board.rows}


def test_a_result_that_was_recorded_twice_is_one(make_record: MakeRecord) -> None:
    again = make_record(label="all parts").model_copy(update={"id": "00" * 32})
    (board,) = make_boards([again, make_record(), make_record(seed=1)])
    assert [(row.label, row.seeds) for row in board.rows] == [("ddid", (0, 1))]


def test_attacks_are_named_by_what_differs() -> None:
    sma = AttackId("sma", 8.0, "linf", "query", "dodge")
    assert attack_labels([sma, sma]) == {sma: "sma"}
    assert attack_labels([sma], always_eps=True) == {sma: "sma@8"}
    weaker, colour = sma._replace(eps=2.5), AttackId("color-lut", None, "lut", "query", "dodge")
    assert list(attack_labels([sma, weaker]).values()) == ["sma@8", "sma@2.5"]
    assert list(attack_labels([sma, colour]).values()) == ["sma linf", "color-lut lut"]
    gallery = sma._replace(side="gallery")
    assert list(attack_labels([sma, gallery]).values()) == ["sma query", "sma gallery"]


def test_title_names_what_was_compared(make_record: MakeRecord) -> None:
    (board,) = make_boards([make_record()])
    assert board.title == (
        "synthped-plaza · small-resnet 64×32 · protocol 1a2b3c4d · "
        "white-box L∞ ε = 8/255 on query images, dodging"
    )


def test_frame_of_nothing_is_empty() -> None:
    assert leaderboard_frame(make_boards([])).empty
    assert make_boards([]) == []
