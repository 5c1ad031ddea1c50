"""The table of a board as the site shows it: texts, what they sort by, and what rows filter by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from results.board.boards import Board, Row
from results.board.columns import Column, board_columns
from results.board.labels import trained_on
from results.board.plain_rows import Value
from results.board.record_metrics import flag_ids
from results.render.site.context import entry_path, row_id

UNTRAINED = "no attack"
"""What a row was trained against that saw none."""


@dataclass(frozen=True)
class Heading:
    """A column.

    Attributes:
        key: Its name in addresses.
        title: As shown.
        first: Which way its first click sorts, so that the best come first.
    """

    key: str
    title: str
    first: str


@dataclass(frozen=True)
class Entry:
    """A cell.

    Attributes:
        text: As shown.
        order: What it sorts by; None where there is nothing.
        best: Whether it is the best of its column.
    """

    text: str
    order: Value
    best: bool


@dataclass(frozen=True)
class TableRow:
    """A row of a board.

    Attributes:
        id: See `row_id`.
        entry: Its own page, from the root of the site.
        place: In the order of the board, from 1.
        label: Its name.
        backbone: Its network.
        trust: Its step of the ladder of trust.
        trained_against: Attacks that the training saw.
        flags: Sanity flags of it and its attacks.
        group: Its tie group, if there are groups.
        entries: In the order of the headings.
    """

    id: str
    entry: str
    place: int
    label: str
    backbone: str
    trust: str
    trained_against: tuple[str, ...]
    flags: tuple[str, ...]
    group: int | None
    entries: tuple[Entry, ...]

    @property
    def words(self) -> str:
        """What it is found by, in small letters."""
        against = [name for name in self.trained_against if name != UNTRAINED]
        return " ".join([self.label, self.backbone, *against, *self.flags]).lower()


@dataclass(frozen=True)
class BoardTable:
    """All rows of a board, and what they can be filtered by.

    Attributes:
        headings: Columns after the one that names the row; the overview comes first.
        overview: How many columns that is.
        rows: In the order of the board.
        facets: Values to choose among by their names in addresses; single ones are left out.
    """

    headings: tuple[Heading, ...]
    overview: int
    rows: tuple[TableRow, ...]
    facets: Mapping[str, tuple[str, ...]]


def board_table(board: Board) -> BoardTable:
    """Return the table of a board; single attacks are not among its columns."""
    columns = [one for one in board_columns(board) if one.key != "flags"]
    overview = [one for one in columns if one.block == "overview"]
    further = [one for one in columns if one.block in ("worst", "cross", "cost")]
    shown = [*overview, *further]
    entries = zip(*(_entries(column, board.rows) for column in shown), strict=True)
    rows = tuple(
        _row(board, row, place, found)
        for place, (row, found) in enumerate(zip(board.rows, entries, strict=True), start=1)
    )
    return BoardTable(tuple(map(_heading, shown)), len(overview), rows, _facets(rows))


def _heading(column: Column) -> Heading:
    return Heading(column.key, column.title, "desc" if column.best == "highest" else "asc")


def _entries(column: Column, rows: Sequence[Row]) -> list[Entry]:
    return [
        Entry(cell.text, _order(column, row), cell.best)
        for cell, row in zip(column.cells(rows), rows, strict=True)
    ]


def _order(column: Column, row: Row) -> Value:
    return len(row.seeds) if column.key == "seeds" else next(iter(column.numbers(row).values()))


def _row(board: Board, row: Row, place: int, entries: tuple[Entry, ...]) -> TableRow:
    return TableRow(
        id=row_id(row),
        entry=entry_path(row),
        place=place,
        label=row.label,
        backbone=row.records[0].backbone,
        trust=row.trust.level,
        trained_against=trained_on(row.records[0]) or (UNTRAINED,),
        flags=tuple(sorted(flag_ids(row.records))),
        group=board.groups.get(row.label),
        entries=entries,
    )


def _facets(rows: tuple[TableRow, ...]) -> dict[str, tuple[str, ...]]:
    found = {
        "backbone": {row.backbone for row in rows},
        "trust": {row.trust for row in rows},
        "against": {name for row in rows for name in row.trained_against},
        "flag": {flag for row in rows for flag in row.flags},
    }
    return {
        name: tuple(sorted(values))
        for name, values in found.items()
        if len(values) > (0 if name == "flag" else 1)
    }
