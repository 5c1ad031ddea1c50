"""Boards as Markdown tables, the best of each column in bold."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from tabulate import tabulate

from results.board.among_published import AMONG_NOTE, AMONG_TITLE, among_published
from results.board.attack_table import Listing, areas, details
from results.board.boards import Board, Row
from results.board.columns import SEEN, Block, TableCell, board_columns, over_seeds, spread
from results.board.unseen import Matrix, worst_unseen
from results.claims.load import claims_beside
from results.records.retrieval import AttackId
from results.records.schema import Record
from results.render.claims import TITLE, claims_columns, claims_notes

_MARKS = re.compile(r"[|*_`\[\]\\]")

LEGEND = (
    "mAP and R1 in percent, higher is better. ± is the standard deviation over training seeds; the "
    "95% CI is a bootstrap over query identities. Seeds 3×2: 3 trainings, attacked with 2 seeds. "
    f"{SEEN} the defense was trained on this attack. "
    "With targets: mAP of the images of each query's target identity, and hit@k, whether one of "
    "them is among the nearest k; low is better where a target is impersonated. "
    "Share of worst: queries at which no other attack is worse. Costs are of all images, averaged "
    "over defenses; forwards and backwards count images, answers those given to black-box attacks."
)

_AREAS = (
    "Area under the curve of mAP over ε, as a share of that of 100 % throughout, in percent; "
    "the clean mAP is its start."
)

_LISTED_BELOW: tuple[Block, ...] = ("attacks", "apart", "areas")
"""Parts of a board that have a table of their own, a line for each attack."""

_UNSEEN_LEGEND = (
    f"mAP in percent, ± over seeds. {SEEN} trained on this attack. Unseen mean: over the attacks "
    "that the training did not see; worst unseen: each query meets the strongest of them."
)


def boards_markdown(boards: Iterable[Board], published: Sequence[Record] = ()) -> str:
    """Return all boards as one document; the same records give the same text.

    Args:
        boards: Any number.
        published: Published records, which stand beside boards of their protocol, apart.
    """
    parts = ["# Leaderboard"]
    for board in boards:
        parts += [f"## {escaped(board.title)}", *_sections(board)]
        if (among := among_published(board, published)) is not None:
            table = markdown_table("Defense", among.labels, among.columns)
            parts += [f"### {AMONG_TITLE}", table, AMONG_NOTE]
    parts.append(LEGEND if len(parts) > 1 else "No records.")
    return "\n\n".join(parts) + "\n"


def unseen_markdown(matrices: Iterable[Matrix]) -> str:
    """Return the matrices as one document."""
    parts = ["# Unseen attacks"]
    for matrix in matrices:
        columns = [
            (label, [TableCell(_entry(matrix, row, attack)) for row in matrix.rows])
            for attack, label in matrix.attacks.items()
        ]
        for title, read in (("Unseen mean", matrix.unseen_mean), ("Worst unseen", worst_unseen)):
            columns.append(
                (title, [TableCell(spread(over_seeds(row, read))) for row in matrix.rows])
            )
        table = markdown_table("Trained against", matrix.names, columns)
        parts += [f"## {escaped(f'{matrix.board.subject} · {matrix.threat}')}", table]
    return "\n\n".join([*parts, _UNSEEN_LEGEND]) + "\n"


def markdown_table(
    head: str, labels: Sequence[str], columns: Sequence[tuple[str, list[TableCell]]]
) -> str:
    """Return a table whose first column, under `head`, names the rows."""
    cells = [[escaped(label) for label in labels]]
    cells += [list(map(_marked, column)) for _, column in columns]
    table: str = tabulate(
        list(zip(*cells, strict=True)),
        [head, *(escaped(title) for title, _ in columns)],
        tablefmt="pipe",
        disable_numparse=True,
        colalign=["left"] + ["right"] * len(columns),
    )
    return table


def _sections(board: Board) -> Iterator[str]:
    columns = [one for one in board_columns(board) if one.block not in _LISTED_BELOW]
    filled = [(column.title, column.cells(board.rows)) for column in columns]
    yield markdown_table("Defense", [row.label for row in board.rows], filled)
    yield board.note
    yield from board.remarks
    if board.attacks:
        yield "### Attacks"
        yield _listing(details(board, "attacks"))
    if board.apart:
        yield "### Attacks that are not additive"
        yield _listing(details(board, "apart"))
        yield f"Never part of a worst case · {escaped(board.threat_of(board.apart))}"
    swept = areas(board)
    if swept.labels:
        yield "### Security curves"
        yield _listing(swept)
        yield _AREAS
    if claims := claims_beside(board.records):
        yield f"### {TITLE}"
        yield markdown_table("Method", *claims_columns(claims))
        yield from claims_notes(claims)


def _listing(listing: Listing) -> str:
    return markdown_table("Attack", listing.labels, listing.columns)


def _marked(cell: TableCell) -> str:
    text = escaped(cell.text)
    return f"**{text}**" if cell.best else text


def escaped(text: str) -> str:
    """Return a text that Markdown shows as it is: no emphasis, link, code or tag comes of it."""
    return _MARKS.sub(r"\\\g<0>", text.replace("\n", " ")).replace("<", "&lt;")


def _entry(matrix: Matrix, row: Row, attack: AttackId) -> str:
    text = spread(matrix.board.frame.mean_std(row, attack, "map"))
    return text + SEEN if matrix.seen(row, attack) else text
