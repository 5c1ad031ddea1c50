"""What a submission changes on the boards: ``python -m results.submission.difference OLD NEW``."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from results.board.boards import Board, Row
from results.board.columns import TableCell
from results.board.make_boards import make_boards
from results.board.record_metrics import clean_map, row_values, worst_map
from results.errors import RecordError
from results.records.printable import without_controls
from results.records.query_outcomes import read_measured
from results.render.markdown import escaped, markdown_table
from results.statistics.bootstrap import mean_std

USAGE_CODE, DATA_CODE = 2, 3
_HEADINGS = ("Change", "Place", "Group", "Worst mAP", "Clean mAP", "Seeds")


def difference_markdown(old: Sequence[Board], new: Sequence[Board]) -> str:
    """Return what differs between two states of the boards.

    Args:
        old: All boards before.
        new: All boards after.
    """
    before, after = ({board.slug: board for board in boards} for boards in (old, new))
    parts = ["# What changes on the boards"]
    for slug in sorted({*before, *after}):
        parts += _board(before.get(slug), after.get(slug))
    lost = {r.id for board in old for r in board.records} - {
        r.id for board in new for r in board.records
    }
    if lost:
        names = ", ".join(sorted(one[:8] for one in lost))
        parts.append(f"**{len(lost)} published records are gone or changed: {names}**")
    if len(parts) == 1:
        parts.append("Nothing: every row stays as it is.")
    return "\n\n".join(parts) + "\n"


def _board(old: Board | None, new: Board | None) -> Iterator[str]:
    shown = new or old
    assert shown is not None
    before, after = _rows(old), _rows(new)
    labels: list[str] = []
    lines: list[list[str]] = []
    for key in (*after, *(key for key in before if key not in after)):
        was, now = before.get(key), after.get(key)
        change = _change(was, now)
        if change:
            board, place, row = now or was  # type: ignore[misc]  # one of them is there
            labels.append(row.label)
            lines.append([change, str(place), *_figures(board, row)])
    if not lines:
        return
    state = "" if old and new else " (new board)" if new else " (board is gone)"
    yield f"## {escaped(shown.title)}{state}"
    columns = [
        (heading, [TableCell(line[place]) for line in lines])
        for place, heading in enumerate(_HEADINGS)
    ]
    yield markdown_table("Row", labels, columns)


_Placed = tuple[Board, int, Row]


def _rows(board: Board | None) -> dict[frozenset[str], _Placed]:
    """Return the rows of a board by their records: labels may change when rows are added."""
    if board is None:
        return {}
    return {
        frozenset(record.id for record in row.records): (board, place, row)
        for place, row in enumerate(board.rows, 1)
    }


def _change(was: _Placed | None, now: _Placed | None) -> str:
    """Return what happened to a row; nothing where it stands as it did."""
    if was is None or now is None:
        return "gone" if now is None else "new"
    changes = []
    if was[1] != now[1]:
        changes.append(f"was at place {was[1]}")
    if was[2].label != now[2].label:
        changes.append(f"was called {was[2].label}")
    groups = [board.groups.get(row.label) for board, _, row in (was, now)]
    if groups[0] != groups[1]:
        changes.append(f"was in group {groups[0] or '–'}")
    return "; ".join(changes)


def _figures(board: Board, row: Row) -> list[str]:
    worst = row_values(row.records, worst_map)
    return [
        str(board.groups.get(row.label) or "–"),
        f"{mean_std(worst)[0]:.2f}" if worst else "–",
        f"{mean_std([clean_map(record) for record in row.records])[0]:.2f}",
        str(len(row.records)),
    ]


def main(arguments: Sequence[str]) -> int:
    """Print the difference between the boards of two folders; return the exit code."""
    if len(arguments) != 2:
        sys.stderr.write("error: two folders are needed\n  → give those before and after\n")
        return USAGE_CODE
    try:
        old, new = (make_boards(*read_measured([Path(folder)])) for folder in arguments)
    except RecordError as error:
        sys.stderr.write(without_controls(f"error: {error.what}\n  → {error.hint}\n"))
        return DATA_CODE
    sys.stdout.write(difference_markdown(old, new))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
