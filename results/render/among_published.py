"""Own rows among published ones on a terminal: own ones stand out, published ones are dim."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from results.board.among_published import AMONG_NOTE, AMONG_TITLE, among_published
from results.board.boards import Board
from results.records.schema import Record
from results.render.console import plain_table


def print_among_published(
    boards: Sequence[Board], published: Sequence[Record], console: Console
) -> None:
    """Print a table for each board that published records may be compared with."""
    for board in boards:
        among = among_published(board, published)
        if among is None:
            continue
        table = plain_table()
        table.add_column("Defense", overflow="fold")
        for title, _ in among.columns:
            table.add_column(title, justify="right", overflow="fold")
        for number, (label, own) in enumerate(zip(among.labels, among.own, strict=True)):
            cells = [column[number].text for _, column in among.columns]
            style = "bold" if own else "dim"
            table.add_row(*(Text(text, style=style) for text in (label, *cells)))
        console.print(Text(f"\n{AMONG_TITLE}", style="bold"))
        console.print(table)
        console.print(Text(AMONG_NOTE, style="dim"))
