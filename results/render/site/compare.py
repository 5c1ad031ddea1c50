"""The comparison of any two rows of a board, for a page that computes it in the browser."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import numpy as np

from results.board.boards import Board, Row
from results.board.packed_outcomes import (
    STEPS,
    PackedTraining,
    contrast_names,
    packed_trainings,
)
from results.errors import RecordError
from results.records.query_outcomes import of_records
from results.records.store import PerQuery
from results.render.page_template import rendered
from results.render.site.context import SiteContext, compare_path, row_id

_NOT_OF_TARGETS = (
    "n/a: the attacks of this board have targets, and outcomes of single queries are of the own "
    "identity."
)
_NO_OUTCOMES = "n/a: the outcomes of its queries do not lie beside its records."
_OTHER_QUERIES = "n/a: it answers other queries than the rest of the board."


@dataclass(frozen=True)
class ComparableRow:
    """A row that can be chosen.

    Attributes:
        id: Of the row on the site.
        group: Its tie group; None where the board has none.
        missing: Why it cannot be compared; None if it can.
    """

    id: str
    label: str
    group: int | None
    missing: str | None


@dataclass(frozen=True)
class ComparisonPage:
    """What the page of a board holds; the outcomes lie in a file for each row.

    Attributes:
        rows: In the order of the board.
        contrasts: What rows are compared under, in the order of their outcomes.
        identities: The identity of each query, numbered from 0.
        missing: Why no rows of the board can be compared; None if they can.
    """

    subject: str
    threat: str
    rows: tuple[ComparableRow, ...]
    contrasts: tuple[str, ...]
    identities: tuple[int, ...]
    missing: str | None


def compare_files(context: SiteContext, board: Board) -> dict[str, str]:
    """Return the page that compares rows of a board, and what it loads, by path in the site."""
    first = next(iter(_measured(context, board)), None)
    rows, files = [], {}
    for row in board.rows:
        id_, found = row_id(row), _trainings(context, board, row, first)
        missing = found if isinstance(found, str) else None
        rows.append(ComparableRow(id_, row.label, board.groups.get(row.label), missing))
        if not isinstance(found, str):
            path = compare_path(board).replace("compare.html", f"outcomes/{id_}.js")
            files[path] = (
                f"receiveOutcomes({_json(id_)},{_json([asdict(one) for one in found])});\n"
            )
    identities = np.unique(first.pids, return_inverse=True)[1].tolist() if first else []
    page = ComparisonPage(
        subject=board.subject,
        threat=board.threat,
        rows=tuple(rows),
        contrasts=contrast_names(board),
        identities=tuple(identities),
        missing=_NOT_OF_TARGETS if board.targeted else None,
    )
    text = rendered(
        "site_compare.html",
        comparison=page,
        data=_json(asdict(page)),
        steps=f"{STEPS:,}",
        root="../../",
        snapshot=context.snapshot,
    )
    return {compare_path(board): text, **files}


def _measured(context: SiteContext, board: Board) -> Iterator[PerQuery]:
    for row in board.rows:
        for record in of_records(row.records, context.measured).values():
            yield context.measured[record.id]


def _trainings(
    context: SiteContext, board: Board, row: Row, first: PerQuery | None
) -> tuple[PackedTraining, ...] | str:
    """Return the outcomes of a row, or why there are none."""
    found = of_records(row.records, context.measured).values()
    if not found or first is None:
        return _NO_OUTCOMES
    if board.targeted:
        return _NOT_OF_TARGETS
    if any(not np.array_equal(context.measured[r.id].queries, first.queries) for r in found):
        return _OTHER_QUERIES
    try:
        return packed_trainings(board, row, context.measured)
    except RecordError as error:
        return f"n/a: {error}"


def _json(value: object) -> str:
    """Return JSON that neither ends an element of HTML nor a line of a script."""
    text = json.dumps(value, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
