"""The rows of a board among published rows of the same protocol, to see where they stand.

Published records are shown here and nowhere else: no record, group or file of numbers of a run has
anything from them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from results.board.board_key import board_key
from results.board.boards import Board
from results.board.columns import TableCell, board_columns
from results.board.make_boards import make_boards, standing
from results.records.schema import Record

AMONG_TITLE = "Among the published rows of the same protocol"
AMONG_NOTE = (
    "published: one training of each row, seed 0, by the maintainers; these rows are no part of "
    "this folder's records, groups and CSV files. Two trainings of one row differ, too: ± on "
    "boards of several seeds tells how far."
)
MARK = "published"


@dataclass(frozen=True)
class AmongPublished:
    """A table of own and published rows, the most robust first.

    Attributes:
        labels: Of the rows; those of published ones say so.
        own: Which rows are not published.
        columns: Heading and cells of each column.
    """

    labels: list[str]
    own: list[bool]
    columns: list[tuple[str, list[TableCell]]]


def among_published(board: Board, published: Sequence[Record]) -> AmongPublished | None:
    """Return the rows of a board among published ones that may be compared with them.

    Returns:
        None where there are none: another protocol, data set, size or threat model.
    """
    key = board_key(board.example)
    others = [record for record in published if board_key(record) == key]
    if not others:
        return None
    theirs = [replace(r, label=f"{r.label} ({MARK})") for r in make_boards(others)[0].rows]
    rows = sorted((*board.rows, *theirs), key=standing)
    joint = replace(board, rows=tuple(rows), groups={})
    columns = [one for one in board_columns(joint) if one.block == "overview"]
    return AmongPublished(
        labels=[row.label for row in rows],
        own=[row in board.rows for row in rows],
        columns=[(column.title, column.cells(rows)) for column in columns],
    )
