"""The files of a board for other programs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from results.board.attack_table import attack_rows
from results.board.boards import Board
from results.board.curves import curve_rows
from results.board.leaderboard_frame import leaderboard_rows
from results.board.plain_rows import csv_text, json_text


@dataclass(frozen=True)
class Download:
    """A file.

    Attributes:
        path: Where it lies, from the root of the site.
        title: Its kind, in a word or two.
        about: What is in it.
        write: What makes its text.
    """

    path: str
    title: str
    about: str
    write: Callable[[], str]


def downloads(board: Board) -> list[Download]:
    """Return the files of a board; nothing is computed before one is written."""
    start = f"data/{board.slug}"
    found = [
        Download(f"{start}.csv", "CSV", "all rows", lambda: csv_text(leaderboard_rows([board]))),
        Download(f"{start}.json", "JSON", "all rows", lambda: json_text(leaderboard_rows([board]))),
        Download(
            f"{start}.attacks.csv",
            "CSV of attacks",
            "each row under each attack, with costs",
            lambda: csv_text(attack_rows([board])),
        ),
    ]
    curves = curve_rows([board])
    if curves:
        found.append(
            Download(f"{start}.curves.csv", "CSV of curves", "all points", lambda: csv_text(curves))
        )
    return found
