"""Boards never mix scenarios, and show what the attacker was after."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from results.board.attack_table import attack_rows
from results.board.columns import board_columns
from results.board.leaderboard_frame import leaderboard_frame
from results.board.make_boards import make_boards
from results.records.retrieval import AttackId
from results.records.schema import Record
from results.render.markdown import boards_markdown

MakeRecord = Callable[..., Record]
MakeAttack = Callable[..., dict[str, Any]]


def ranked(value: float) -> dict[str, float]:
    return {"map": value, "rank1": value / 2, "rank5": value, "rank10": value + 1, "minp": 1}


def targeting(name: str, clean: float, attacked: float, **changes: Any) -> dict[str, Any]:
    target = {"clean": ranked(clean), "attacked": ranked(attacked)}
    defaults = {"intent": "impersonate", "target_rule": "nearest", "target": target}
    return {"name": name, "value": 10.0, **defaults, **changes}


@pytest.fixture
def make_targeted(make_record: MakeRecord, make_attack: MakeAttack) -> MakeRecord:
    def make(name: str, strengths: dict[str, float], **changes: Any) -> Record:
        entries = [targeting(attack, 5.0, hit, **changes) for attack, hit in strengths.items()]
        attacks = [make_attack(e.pop("name"), e.pop("value"), **e) for e in entries]
        record = make_record(name, attacks=attacks)
        keys = [a.key for a in record.attacks if not a.is_control]
        worst = record.worst_case.model_copy(update={"attacks": keys})
        return record.model_copy(update={"worst_case": worst})

    return make


@pytest.mark.parametrize(
    "change",
    [
        {"side": "gallery"},
        {"side": "gallery", "fraction": 0.5},
        {"side": "both", "fraction": 0.5},
        {"intent": "rank-down", "target_rule": "random"},
        {"intent": "rank-down", "target_rule": "nearest"},
        {"intent": "impersonate", "target_rule": "nearest"},
    ],
)
def test_every_scenario_has_a_board_of_its_own(
    make_record: MakeRecord, make_attack: MakeAttack, change: dict[str, Any]
) -> None:
    plain = make_record("a", attacks=[make_attack("sma", 30.0)])
    other = make_record("b", attacks=[make_attack("sma", 30.0, **change)])
    first, second = make_boards([plain, other])
    assert len(first.rows) == len(second.rows) == 1
    assert first.title != second.title
    assert first.slug != second.slug


def test_fraction_and_target_rule_alone_keep_boards_apart(
    make_record: MakeRecord, make_attack: MakeAttack
) -> None:
    attacks = [
        make_attack("sma", 30.0, side="gallery", fraction=0.5),
        make_attack("sma", 30.0, side="gallery", fraction=0.25),
        make_attack("sma", 30.0, intent="impersonate", target_rule="random"),
        make_attack("sma", 30.0, intent="impersonate", target_rule="nearest"),
    ]
    records = [make_record(name, attacks=[a]) for name, a in zip("abcd", attacks, strict=True)]
    titles = {board.title.split(" · ", 3)[3] for board in make_boards(records)}
    assert titles == {
        "white-box L∞ ε = 8/255 on 50% of the gallery images, dodging",
        "white-box L∞ ε = 8/255 on 25% of the gallery images, dodging",
        "white-box L∞ ε = 8/255 on query images, impersonating a random identity",
        "white-box L∞ ε = 8/255 on query images, impersonating the nearest identity",
    }


def test_a_gallery_that_is_attacked_makes_the_worst_case_a_bound(
    make_record: MakeRecord, make_attack: MakeAttack
) -> None:
    attacks = [make_attack("sma", 30.0, side="both", fraction=0.5)]
    (board,) = make_boards([make_record("a", attacks=attacks)])
    assert "a lower bound" in board.note
    assert "on query images and 50% of the gallery images" in board.note
    assert "a lower bound" not in make_boards([make_record()])[0].note


def test_a_board_with_targets_shows_their_ranking(make_targeted: MakeRecord) -> None:
    strong = make_targeted("ddid", {"fna": 20.0, "metric-pgd": 30.0, "random-noise": 99.0})
    weak = make_targeted("none", {"fna": 80.0, "metric-pgd": 70.0, "random-noise": 5.0})
    (board,) = make_boards([weak, strong])
    assert [row.label for row in board.rows] == ["ddid", "none"], "low is robust"
    shown = {c.title: [cell.text for cell in c.cells(board.rows)] for c in board_columns(board)}
    assert shown["Clean target mAP"] == ["5.0", "5.0"]
    assert shown["Worst target mAP"] == ["30.0", "80.0"]
    assert shown["Worst hit@1"] == ["15.0", "40.0"]
    assert shown["Worst hit@10"] == ["31.0", "81.0"]
    assert shown["fna hit@10"] == ["21.0", "81.0"]
    assert not {"Worst mAP", "Worst R1", "95% CI"} & set(shown)
    worst = next(c for c in board_columns(board) if c.title == "Worst target mAP")
    assert [cell.best for cell in worst.cells(board.rows)] == [True, False]


def test_of_a_target_that_is_ranked_down_high_is_robust(make_targeted: MakeRecord) -> None:
    down = {"intent": "rank-down", "target_rule": "random"}
    strong = make_targeted("ddid", {"fna": 60.0, "metric-pgd": 50.0}, **down)
    weak = make_targeted("none", {"fna": 1.0, "metric-pgd": 2.0}, **down)
    (board,) = make_boards([weak, strong])
    assert [row.label for row in board.rows] == ["ddid", "none"]
    frame = leaderboard_frame(make_boards([weak, strong]))
    assert frame["worst_target_map"].tolist() == [50.0, 1.0]
    assert frame["worst_target_rank10"].tolist() == [51.0, 2.0]
    assert frame["fna@8_target_map"].tolist() == [60.0, 1.0]
    assert "worst_map" not in frame


def test_colour_attacks_stand_apart(make_record: MakeRecord, make_attack: MakeAttack) -> None:
    attacks = [make_attack("sma", 30.0), make_attack("color-lut", 2.0, norm="color-lut")]
    (board,) = make_boards([make_record(attacks=attacks), make_record("none", attacks=attacks)])
    assert list(board.attacks.values()) == ["sma"]
    assert list(board.apart.values()) == ["color-lut"]
    assert "colour table" not in board.title
    text = boards_markdown([board])
    main, apart = text.split("### Attacks that are not additive")
    assert "color-lut" not in main
    assert "Never part of a worst case · white-box colour table ε = 8/255" in apart
    assert "color-lut@8_map" in leaderboard_frame(make_boards([make_record(attacks=attacks)]))


def test_a_board_of_colour_attacks_alone_has_no_worst_case(
    make_record: MakeRecord, make_attack: MakeAttack
) -> None:
    attacks = [make_attack("color-lut", 2.0, norm="color-lut")]
    record = make_record(attacks=attacks, worst_case=None)
    (board,) = make_boards([record])
    assert "colour table" in board.title
    assert board.note.startswith("No additive attack was run")


def test_the_attack_table_holds_costs_and_shares(
    make_record: MakeRecord, make_attack: MakeAttack
) -> None:
    attacks = [
        make_attack("sma", 30.0, queries=7, map_jpeg=33.0, flags=[{"id": "odd", "message": "?"}]),
        make_attack("fna", 20.0, seconds=20.5, seen_in_training=True),
    ]
    records = [make_record("a", s, attacks=attacks) for s in (0, 1)]
    shares = {"sma@8": 0.25, "fna@8": 0.75}
    records = [
        r.model_copy(
            update={"worst_case": r.worst_case.model_copy(update={"attack_share": shares})}
        )
        for r in records
    ]
    lines = boards_markdown(make_boards(records)).splitlines()
    cells = [cell.strip() for cell in next(x for x in lines if x.startswith("| sma")).split("|")]
    assert cells[1:-1] == ["sma", "30.0 ± 0.0", "25.0", "12.5", "2,365", "2,150", "7", "1"]
    frame = pd.DataFrame(attack_rows(make_boards(records))).set_index("attack")
    assert frame.loc["fna", "seconds"] == 20.5
    assert frame.loc["fna", "share_of_worst"] == 75.0
    assert frame["seen_in_training"].tolist() == [False, True]
    assert frame.loc["sma", "map_jpeg"] == 33.0
    assert pd.isna(frame.loc["fna", "map_jpeg"])
    assert frame.loc["sma", "flags"] == "odd"


def test_worst_seen_and_unseen_are_columns_where_a_record_has_both(
    make_record: MakeRecord,
) -> None:
    plain = make_record("none")
    worst = plain.worst_case
    trained = make_record("metric-at").model_copy(
        update={
            "worst_seen": worst.model_copy(update={"map": 30.0}),
            "worst_unseen": worst.model_copy(update={"map": 20.0}),
        }
    )
    (board,) = make_boards([plain, trained])
    shown = {c.title: [x.text for x in c.cells(board.rows)] for c in board_columns(board)}
    place = [row.label for row in board.rows].index("metric-at")
    assert shown["Worst seen"][place] == "30.0"
    assert shown["Worst unseen"][place] == "20.0"
    assert shown["Worst unseen"][1 - place] == "n/a"
    (alone,) = make_boards([plain])
    assert "Worst unseen" not in {c.title for c in board_columns(alone)}


def test_the_budget_of_the_worst_case_is_named_where_several_are_swept(
    make_record: MakeRecord, make_attack: MakeAttack
) -> None:
    attacks = [make_attack(n, 30.0, eps=e) for e in (4.0, 8.0) for n in ("sma", "fna")]
    record = make_record(attacks=attacks)
    worst = record.worst_case.model_copy(update={"attacks": ["sma@8", "fna@8"]})
    (board,) = make_boards([record.model_copy(update={"worst_case": worst})])
    assert "strongest attack, at ε = 8/255 · white-box L∞ ε = 4, 8/255" in board.note
    assert list(board.attacks.values()) == ["sma@4", "sma@8", "fna@4", "fna@8"]
    assert next(iter(board.attacks)) == AttackId("sma", 4.0, "linf", "query", "dodge")
