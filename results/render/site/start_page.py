"""The first page: what this is, all boards, and how to read them."""

from __future__ import annotations

from dataclasses import dataclass

from results.board.boards import Board, Row
from results.board.columns import over_seeds, spread
from results.board.record_metrics import strongest_target, worst_map
from results.render.page_template import rendered
from results.render.site.attack_outcomes import all_attacks
from results.render.site.context import SiteContext, attacks_path, board_path


@dataclass(frozen=True)
class BoardLine:
    """A board in the list of all.

    Attributes:
        board: The board.
        path: Its page, from the root of the site.
        attacks_path: The page of its attacks.
        attacks: How many there are.
        defenses: Their names.
        also_on: Other data sets that some rows were tested on.
        best: Its first row, with its result in the worst case.
        words: What it is found by.
    """

    board: Board
    path: str
    attacks_path: str
    attacks: int
    defenses: tuple[str, ...]
    also_on: tuple[str, ...]
    best: tuple[Row, str] | None
    words: str


def start_page(context: SiteContext) -> str:
    """Return the first page, boards of most rows first."""
    lines = [_line(board) for board in sorted(context.boards, key=lambda one: -len(one.rows))]
    return rendered("site_start.html", root="", snapshot=context.snapshot, lines=lines)


def _line(board: Board) -> BoardLine:
    attacks = all_attacks(board)
    row = board.rows[0]
    worst = spread(over_seeds(row, strongest_target if board.targeted else worst_map))
    labels = [row.label for row in board.rows]
    return BoardLine(
        board=board,
        path=board_path(board),
        attacks_path=attacks_path(board),
        attacks=len(attacks),
        defenses=tuple(dict.fromkeys(one.defense.name for one in board.records)),
        also_on=tuple(dict.fromkeys(one.dataset for r in board.records for one in r.cross_dataset)),
        best=(row, worst) if attacks else None,
        words=" ".join([board.title, *labels, *attacks.values()]).lower(),
    )
