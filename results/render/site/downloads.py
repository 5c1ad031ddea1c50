"""The files of a board for other programs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from results.board.attack_table import attack_rows
from results.board.boards import Board
from results.board.curves import curve_rows
from results.board.leaderboard_frame import leaderboard_rows
from results.board.plain_rows import csv_text, json_text
from results.render.bibtex import board_bibliography
from results.render.latex import boards_latex
from results.report.publication import Publication


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


def downloads(board: Board, references: Mapping[str, Sequence[Publication]]) -> list[Download]:
    """Return the files of a board; nothing is computed before one is written.

    Args:
        board: The board.
        references: Papers by plugin, such as ``defense/ddid``.
    """
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
    found += [
        Download(f"{start}.tex", "LaTeX", "tables for a paper", lambda: boards_latex([board])),
        Download(
            f"{start}.bib",
            "BibTeX",
            "the papers behind rows and attacks",
            lambda: board_bibliography(board, references),
        ),
    ]
    curves = curve_rows([board])
    if curves:
        found.append(
            Download(f"{start}.curves.csv", "CSV of curves", "all points", lambda: csv_text(curves))
        )
    return found
