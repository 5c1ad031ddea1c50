"""Rows named by a person: presentation alone, and still distinct."""

from __future__ import annotations

import pytest

from results.board.make_boards import make_boards
from results.board.unseen import make_matrices
from results.render.leaderboard import texts


def labels(*records):
    (board,) = make_boards(records)
    return {row.label for row in board.rows}


def test_a_label_names_the_row_in_every_table(make_record):
    records = [make_record("ddid", label="mine, 12/255"), make_record("ddid", config={"epochs": 1})]
    assert labels(*records) == {"mine, 12/255", "ddid"}
    files = texts(make_boards(records))
    assert all("mine, 12/255" in files[name] for name in files)


def test_it_is_no_part_of_what_a_row_is(make_record):
    one, other = make_record(seed=0, label="a"), make_record(seed=1, label="b")
    unnamed = make_record(seed=2)
    (board,) = make_boards([one, other, unnamed])
    assert [row.label for row in board.rows] == ["a / b"]
    assert board.rows[0].seeds == (0, 1, 2)
    plain = [record.model_copy(update={"label": None}) for record in (one, other, unnamed)]
    (same,) = make_boards(plain)
    assert same.slug == board.slug


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        ({"config": {"epochs": 1}}, {"x (epochs=30)", "x (epochs=1)"}),
        ({"name": "trades"}, {"x (defense=ddid)", "x (defense=trades)"}),
    ],
)
def test_equal_labels_of_different_rows_are_told_apart(make_record, second, expected):
    assert labels(make_record(label="x"), make_record(label="x", **second)) == expected


def test_a_label_like_the_name_of_another_row_is_told_apart(make_record):
    records = [
        make_record("none"),
        make_record("ddid", label="none"),
        make_record("ddid", config={"epochs": 1}),
        make_record("ddid", config={"epochs": 2}),
        make_record("trades", label="ddid (epochs=1)"),
    ]
    found = labels(*records)
    assert len(found) == 5
    assert {"none (defense=none)", "none (defense=ddid)"} <= found


def test_the_matrix_of_unseen_attacks_has_it(make_record, make_attack):
    attacks = [make_attack("sma", 20.0), make_attack("fna", 30.0)]

    def trained(against, **changes):
        record = make_record(attacks=attacks, config={"against": against}, **changes)
        entry = record.defense.model_copy(update={"trained_against": [against]})
        return record.model_copy(update={"defense": entry})

    boards = make_boards([trained("sma", label="mine"), trained("fna", label="mine")])
    (matrix,) = make_matrices(boards)
    assert matrix.names == ["mine ← fna", "mine ← sma"]
