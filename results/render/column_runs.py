"""Cut a wide table into tables that fit."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len

from results.board.columns import TableCell

GAP = 2

Filled = tuple[str, list[TableCell]]
"""Heading and cells of a column."""


def column_runs(columns: Sequence[Filled], free: int, heading: int) -> list[list[Filled]]:
    """Cut columns into runs that fit, each as long as it can be.

    Args:
        columns: In order.
        free: Characters that a run may take.
        heading: Characters after which a heading folds.
    """
    parts: list[list[Filled]] = []
    for column in columns:
        if parts and columns_width([*parts[-1], column], heading) <= free:
            parts[-1].append(column)
        else:
            parts.append([column])
    return parts


def columns_width(columns: Sequence[Filled], heading: int) -> int:
    """Return the characters that columns take, with the gaps between them."""
    return sum(
        GAP + max([min(heading, cell_len(title)), *(cell_len(cell.text) for cell in cells)])
        for title, cells in columns
    )
