"""Boards on a terminal: one table where it fits, else one for each part of the board."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from results.board import Board, make_boards
from results.columns import SEEN, Cell, board_columns
from results.schema import Record

_LABEL_WIDTH = 34
_GAP = 2
_CAPTIONS = {
    "overview": "",
    "attacks": "mAP under each attack",
    "cross": "mAP on other data sets",
}


def print_leaderboard(records: Iterable[Record], console: Console | None = None) -> None:
    """Print every board, no wider than the console; the best of each column is bold."""
    console = console or Console()
    boards = make_boards(records)
    if not boards:
        console.print("No records.")
    for board in boards:
        console.print()
        console.print(Text(board.subject, style="bold"))
        for caption, table in _tables(board, console.width):
            console.print(Text(f"\n{caption}" if caption else "", style="dim"))
            console.print(table)
        console.print()
        console.print(Text(board.note))
        console.print(Text(_legend(board), style="dim"))


Filled = tuple[str, list[Cell]]
"""Heading and cells of a column."""


def _tables(board: Board, width: int) -> Iterator[tuple[str, Table]]:
    columns = board_columns(board)
    labels = [row.label for row in board.rows]
    free = width - min(_LABEL_WIDTH, max(cell_len(label) for label in ("Defense", *labels)))
    filled = [(column.block, (column.title, column.cells(board.rows))) for column in columns]
    if sum(_width(column) for _, column in filled) <= free:
        yield "", _table(labels, [column for _, column in filled])
        return
    for block, caption in _CAPTIONS.items():
        parts = _chunks([column for name, column in filled if name == block], free)
        for number, part in enumerate(parts):
            yield "" if number else caption, _table(labels, part)


def _chunks(columns: Sequence[Filled], free: int) -> Iterator[list[Filled]]:
    """Cut columns into runs that fit `free` cells."""
    run: list[Filled] = []
    for column in columns:
        if run and sum(_width(c) for c in run) + _width(column) > free:
            yield run
            run = []
        run.append(column)
    if run:
        yield run


def _width(column: Filled) -> int:
    title, cells = column
    return _GAP + max(cell_len(text) for text in chain([title], (cell.text for cell in cells)))


def _table(labels: Sequence[str], columns: Sequence[Filled]) -> Table:
    table = Table(
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, _GAP - 1, 0, 0),  # the divider of the box is the rest of the gap
        header_style="bold",
    )
    table.add_column("Defense", max_width=_LABEL_WIDTH, overflow="fold")
    for title, _ in columns:
        table.add_column(title, justify="right", no_wrap=True)
    for number, label in enumerate(labels):
        cells = [column[number] for _, column in columns]
        table.add_row(
            Text(label), *(Text(c.text, style="bold green" if c.best else "") for c in cells)
        )
    return table


def _legend(board: Board) -> str:
    rows = board.rows
    parts = ["%"]
    if any(len(row.seeds) > 1 for row in rows):
        parts.append("± std over seeds")
    if board.attacks:
        parts.append("CI over query identities")
    if any(a.seen_in_training for row in rows for r in row.records for a in r.attacks):
        parts.append(f"{SEEN} trained on this attack")
    return " · ".join(parts)
