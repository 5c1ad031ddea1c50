"""Boards as Markdown tables, the best of each column in bold."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from results.board import Board
from results.columns import SEEN, Cell, board_columns

LEGEND = (
    "mAP and R1 in percent, higher is better. ± is the standard deviation over seeds; the 95% CI "
    "is a bootstrap over query identities. "
    f"{SEEN} the defense was trained on this attack."
)


def boards_markdown(boards: Iterable[Board]) -> str:
    """Return all boards as one document; the same records give the same text."""
    parts = ["# Leaderboard"]
    for board in boards:
        parts += [f"## {board.title}", _table(board), board.note]
    parts.append(LEGEND if len(parts) > 1 else "No records.")
    return "\n\n".join(parts) + "\n"


def _table(board: Board) -> str:
    frame = pd.DataFrame({"Defense": [_escaped(row.label) for row in board.rows]})
    for column in board_columns(board):
        frame[_escaped(column.title)] = [_marked(cell) for cell in column.cells(board.rows)]
    alignment = ["left"] + ["right"] * (len(frame.columns) - 1)
    return frame.to_markdown(index=False, disable_numparse=True, colalign=alignment)


def _marked(cell: Cell) -> str:
    text = _escaped(cell.text)
    return f"**{text}**" if cell.best else text


def _escaped(text: str) -> str:
    return text.replace("|", r"\|").replace("\n", " ").replace("*", r"\*").replace("_", r"\_")
