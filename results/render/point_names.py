"""Names of the rows of a board that fit beside a point of a figure."""

from __future__ import annotations

from results.board.boards import Board

_LONGEST = 26
"""Characters up to which a label stands beside its point; a longer one is given by number."""


def point_names(board: Board) -> dict[str, str]:
    """Return what each row is called in a figure, by its label: ``ddid``, or ``ddid #12``.

    The number is the place of the row in the table of the board.
    """
    return {
        row.label: row.label
        if len(row.label) <= _LONGEST
        else f"{row.records[0].defense.name} #{number}"
        for number, row in enumerate(board.rows, start=1)
    }
