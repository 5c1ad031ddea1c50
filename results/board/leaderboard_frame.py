"""The leaderboard as rows of raw numbers, for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING

from results.board.boards import Board, Row
from results.board.columns import Column, all_columns, seed_lists
from results.board.labels import trained_on
from results.board.plain_rows import Value, columns_of

if TYPE_CHECKING:
    import pandas as pd

_FIRST = ("group", "trust", "flags", "train_seconds")
"""Columns that stand before the measured ones."""


def leaderboard_frame(boards: Iterable[Board]) -> pd.DataFrame:
    """Return `leaderboard_rows` as a pandas frame."""
    import pandas as pd  # slow to import, and not needed to write the files of a board

    frame = pd.DataFrame(columns_of(leaderboard_rows(boards)))
    if "group" in frame:
        frame["group"] = frame["group"].astype("Int64")
    return frame


def leaderboard_rows(boards: Iterable[Board]) -> list[dict[str, Value]]:
    """Return one row for each row of each board, best first within a board.

    ``group`` is the tie group of a row, where its board has groups.

    Numbers are means over seeds, percentages 0-100; ``*_std`` is the sample standard deviation,
    missing for a single seed. Attacks are named with their budget: ``sma@8_map``. On boards whose
    attacks have targets, ``worst_target_*`` is under the attack that serves the attacker best;
    elsewhere ``*_area`` is the area under a security curve.
    """
    rows = [
        _entries(board, row, columns)
        for board in boards
        for columns in [sorted(all_columns(board), key=_place)]
        for row in board.rows
    ]
    names = dict.fromkeys(key for row in rows for key in row)
    in_order = sorted(names, key=lambda name: name.startswith("cross_"))
    return [dict.fromkeys(in_order) | row for row in rows[:1]] + rows[1:]


def board_entries(board: Board, row: Row) -> dict[str, Value]:
    """Return what tells the rows of all boards apart."""
    record = row.records[0]
    return {
        "dataset": record.dataset,
        "backbone": record.backbone,
        "height": record.image_size[0],
        "width": record.image_size[1],
        "protocol": record.protocol.fingerprint,
        "threat": board.threat,
        "row": row.label,
        "defense": record.defense.name,
        "config": json.dumps(record.defense.config, sort_keys=True),
        "trained_against": " ".join(trained_on(record)),
        **seed_lists(row),
    }


def _entries(board: Board, row: Row, columns: Iterable[Column]) -> dict[str, Value]:
    entries = board_entries(board, row)
    for column in columns:
        entries |= column.numbers(row)
    return entries


def _place(column: Column) -> int:
    return _FIRST.index(column.key) if column.key in _FIRST else len(_FIRST)
