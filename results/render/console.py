"""Boards on a terminal: one table where it fits, else one for each part of the board."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from results.board.attack_table import effects
from results.board.boards import Board
from results.board.columns import SEEN, Block, board_columns
from results.claims.load import claims_beside
from results.render.claims import TITLE, claim_text, claims_notes
from results.render.column_runs import GAP, Filled, column_runs, columns_width

_LABEL_WIDTH = 34
_HEADING_WIDTH = 22
"""Longer headings fold, so that a row with a long name leaves room for others."""
_CAPTIONS: dict[Block, str] = {
    "overview": "",
    "worst": "more on the worst case",
    "attacks": "mAP under each attack",
    "apart": "attacks that are not additive, never part of a worst case",
    "cross": "mAP on other data sets",
    "cost": "training",
}
"""Parts of a board in the order in which they are printed."""


def print_leaderboard(boards: Sequence[Board], console: Console | None = None) -> None:
    """Print every board, no wider than the console; the best of each column is bold.

    Args:
        boards: Any number.
        console: Where to.
    """
    console = console or Console()
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
        for line in board.remarks:
            console.print(Text(line, style="dim"))
        console.print(Text(_legend(board), style="dim"))
        _print_claims(board, console)


def _print_claims(board: Board, console: Console) -> None:
    claims = claims_beside(board.records)
    if not claims:
        return
    table = plain_table()
    for title in ("Method", "Claimed", "By"):
        table.add_column(title, overflow="fold")
    for one in claims:
        table.add_row(one.method, claim_text(one), one.origin)
    console.print(Text(f"\n{TITLE}", style="bold"))
    console.print(table)
    for line in claims_notes(claims):
        console.print(Text(line, style="dim"))


def _tables(board: Board, width: int) -> Iterator[tuple[str, Table]]:
    shown = [column for column in board_columns(board) if column.block in _CAPTIONS]
    columns = [(c.block, (c.title, c.cells(board.rows))) for c in shown]
    labels = [row.label for row in board.rows]
    free = _free(width, "Defense", labels)
    if columns_width([column for _, column in columns], _HEADING_WIDTH) <= free:
        yield "", _table("Defense", labels, [column for _, column in columns])
        return
    for block, words in _CAPTIONS.items():
        caption = words.replace("mAP under", "targets under") if board.targeted else words
        if block in ("attacks", "apart"):
            listing = effects(board, block)
            head, names, filled = "Attack", listing.labels, listing.columns
        else:
            head, names = "Defense", labels
            filled = [column for name, column in columns if name == block]
        if not names:
            continue
        for number, table in enumerate(fitted_tables(head, names, filled, width)):
            yield "" if number else caption, table


def fitted_tables(
    head: str, labels: Sequence[str], columns: Sequence[Filled], width: int
) -> Iterator[Table]:
    """Yield as few tables as hold all columns, each no wider than `width` and with all labels.

    Args:
        head: Heading of the labels.
        labels: Of the rows.
        columns: Heading and cells of each column.
        width: In terminal cells.
    """
    for part in column_runs(columns, _free(width, head, labels), _HEADING_WIDTH):
        yield _table(head, labels, part)


def _free(width: int, head: str, labels: Sequence[str]) -> int:
    return width - min(_LABEL_WIDTH, max(cell_len(label) for label in (head, *labels)))


def _table(head: str, labels: Sequence[str], columns: Sequence[Filled]) -> Table:
    table = plain_table()
    table.add_column(head, max_width=_LABEL_WIDTH, overflow="fold")
    for title, _ in columns:
        heading = Text(title)  # a text by itself would be read as markup
        table.add_column(heading, justify="right", overflow="fold", max_width=_HEADING_WIDTH)
    for number, label in enumerate(labels):
        cells = [column[number] for _, column in columns]
        table.add_row(
            Text(label), *(Text(c.text, style="bold green" if c.best else "") for c in cells)
        )
    return table


def plain_table() -> Table:
    """Return an empty table in the style of boards."""
    return Table(
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, GAP - 1, 0, 0),  # the divider of the box is the rest of the gap
        header_style="bold",
    )


def _legend(board: Board) -> str:
    rows = board.rows
    parts = ["in percent"]
    if any(len(row.seeds) > 1 for row in rows):
        parts.append("± std over seeds")
    if board.attacks and not board.targeted:
        parts.append("95% CI over query identities")
    if any(a.seen_in_training for row in rows for r in row.records for a in r.attacks):
        parts.append(f"{SEEN} trained on this attack")
    return " · ".join(parts)
