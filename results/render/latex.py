r"""Boards as LaTeX tables: the best of each column bold, what ties with the best row underlined.

They need ``\usepackage{array,booktabs}``, and ``longtable`` where a board is longer than a page.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from results.board.boards import THIN, Board
from results.board.columns import SEEN, Block, board_columns
from results.render.column_runs import Filled, column_runs
from results.render.tex import tex_text
from results.statistics.significance import LEVEL

# pandas can write booktabs, but escapes either all of a cell or nothing, and takes a second to
# import; tabulate escapes the commands for bold cells, too.

PACKAGES = r"% needs \usepackage{array,booktabs,longtable}" + "\n"
_WIDTH = 124
"""Characters in a line over both columns of a paper, at the size of the tables."""
_HEADING = 40
_LABEL = 36
"""Longer labels are folded."""
_PAGE = 44
"""Rows that a page holds."""
_PARTS: dict[str, tuple[Block, ...]] = {
    "": ("overview", "worst", "cost"),
    "attacks": ("attacks",),
    "not-additive": ("apart",),
    "other-data": ("cross",),
}
"""Blocks of each table by what is added to its label; the overview comes first."""
_TITLES = {
    "": "Robustness",
    "attacks": "mAP under each attack",
    "not-additive": "mAP under attacks that are not additive, never part of a worst case",
    "other-data": "mAP on other data sets",
}
_LEFT_OUT = {"train_seconds", "flags"}
"""Columns that a paper has no room for."""


@dataclass(frozen=True)
class _Table:
    """A part of a board.

    Attributes:
        label: What is added to the label of the board.
        title: What it shows.
        names: Of its rows.
        columns: Heading and cells of each.
        tied: Headings and rows of what ties with the first row.
    """

    label: str
    title: str
    names: list[str]
    columns: list[Filled]
    tied: frozenset[tuple[str, int]]


def boards_latex(boards: Iterable[Board]) -> str:
    """Return the tables of all boards; the same records give the same text."""
    return "\n".join([PACKAGES, *map(latex_table, boards)])


def latex_table(board: Board) -> str:
    """Return the tables of a board: an overview, then its attacks and other data."""
    return "\n".join(_text(board, table) for table in _tables(board))


def _tables(board: Board) -> Iterator[_Table]:
    labels = [row.label for row in board.rows]
    longest = max(map(len, labels))
    free = _WIDTH - min(longest, _LABEL)
    for suffix, blocks in _PARTS.items():
        chosen = [
            column
            for block in blocks
            for column in board_columns(board)
            if column.block == block and column.key not in _LEFT_OUT
        ]
        filled: list[Filled] = [(column.title, column.cells(board.rows)) for column in chosen]
        title = _TITLES[suffix]
        if board.targeted:
            title = title.replace("mAP under", "Targets under")
        for number, part in enumerate(column_runs(filled, free, _HEADING), start=1):
            name = f"{suffix}-{number}" if number > 1 else suffix
            yield _Table(name, title, labels, part, _tied(board) if not suffix else frozenset())


def _tied(board: Board) -> frozenset[tuple[str, int]]:
    """Return the worst cases that do not differ from that of the first row, by heading and row."""
    first = board.groups.get(board.rows[0].label)
    if first is None:
        return frozenset()
    places = enumerate(board.groups.get(row.label) for row in board.rows)
    return frozenset(("Worst mAP", place) for place, group in places if group == first)


def _text(board: Board, table: _Table) -> str:
    wide = max(map(len, table.names)) > _LABEL
    # Ragged, as narrow columns of justified text are full of holes.
    first = rf">{{\raggedright\arraybackslash}}p{{{_LABEL * 0.42:.1f}em}}" if wide else "l"
    layout = first + "r" * len(table.columns)
    head = _line(["Defense", *(tex_text(title) for title, _ in table.columns)])
    lines = [
        _line([tex_text(name), *(_cell(table, column, row) for column in table.columns)])
        for row, name in enumerate(table.names)
    ]
    label = "-".join(part for part in (board.slug, table.label) if part)
    caption = rf"\caption{{{tex_text(_caption(board, table))}}}"
    style = [r"\footnotesize", r"\setlength{\tabcolsep}{4pt}"]
    if len(lines) > _PAGE:
        rows = [
            rf"\begin{{longtable}}{{{layout}}}",
            rf"{caption}\label{{tab:{label}}}\\",
            rf"\toprule {head} \midrule \endhead",
            r"\bottomrule \endfoot",
            *lines,
            r"\end{longtable}",
        ]
        return "\n".join(["{", *style, *rows, "}", ""])
    rows = [rf"\begin{{tabular}}{{{layout}}}", r"\toprule", head, r"\midrule", *lines]
    opening = [r"\begin{table*}", r"\centering", *style, caption, rf"\label{{tab:{label}}}"]
    return "\n".join([*opening, *rows, r"\bottomrule", r"\end{tabular}", r"\end{table*}", ""])


def _line(texts: list[str]) -> str:
    return " & ".join(texts) + r" \\"


def _cell(table: _Table, column: Filled, row: int) -> str:
    title, cells = column
    text = tex_text(cells[row].text)
    if cells[row].best:
        text = rf"{{\bfseries\boldmath {text}}}"  # textbf leaves the sign of the deviation thin
    return rf"\underline{{{text}}}" if (title, row) in table.tied else text


def _caption(board: Board, table: _Table) -> str:
    seeds = sorted({seed for row in board.rows for seed in row.seeds})
    texts = [cell.text for _, cells in table.columns for cell in cells]
    parts = [
        f"{table.title}: {board.subject}. {_sentence(board.threat)}",
        f"In percent, means over training seeds {', '.join(map(str, seeds))}, ± their standard "
        "deviation."
        if len(seeds) > 1
        else f"In percent, training seed {seeds[0]}.",
    ]
    if any(cell.best for _, cells in table.columns for cell in cells):
        parts.append("Bold: the best.")
    if table.tied:
        parts.append(
            "Underlined: not told apart from the first row in the worst case (paired permutation "
            f"of query identities, Holm, {LEVEL:.0%})."
        )
    if any(THIN in text for text in texts):
        parts.append(f"{THIN} few trainings: how far they differ is not known.")
    if any(SEEN in text for text in texts):
        parts.append(f"{SEEN} trained on this attack.")
    if not table.label:
        gone = [row for row in board.rows if not row.trust.is_ranked]
        parts += [f"Not ranked: {row.label}, {row.trust.remark}" for row in gone]
    return " ".join(parts)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}." if not text.endswith(".") else text
