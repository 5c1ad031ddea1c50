"""Where an encoder stands among the published rows that followed its protocol."""

from __future__ import annotations

from collections.abc import Iterable

from results.board.boards import Board
from results.board.make_boards import make_boards
from results.board.record_metrics import clean_map, row_values, worst_map
from results.records.schema import Record
from results.report.content import PeerLine, Standing
from results.statistics.bootstrap import mean_std


def standing(record: Record, published: Iterable[Record], title: str) -> Standing | None:
    """Return the place of a record by its worst case; None where no published row compares.

    Args:
        record: What was measured.
        published: Records to stand among; those of other protocols or threats are left out.
        title: What the record is called.
    """
    worst = worst_map(record)
    if worst is None:
        return None
    (own,) = make_boards([record])
    if own.targeted:
        return None
    same = (one for one in published if one.protocol.fingerprint == record.protocol.fingerprint)
    board = next((one for one in make_boards(same) if one.slug == own.slug), None)
    rows = _peers(board, record) if board is not None else []
    if not rows:
        return None
    this = PeerLine(title, record.backbone, 1, record.clean.map, worst, True, False)
    place = 1 + sum(one.worst_map > worst for one in rows)
    return Standing(place, (*rows[: place - 1], this, *rows[place - 1 :]))


def _peers(board: Board, record: Record) -> list[PeerLine]:
    """Return the published rows that are ranked, the most robust one first."""
    lines = []
    for row in board.rows:
        values = row_values(row.records, worst_map)
        if values is None or not row.trust.is_ranked:
            continue
        clean = mean_std([clean_map(one) for one in row.records])[0]
        holds = any(one.id == record.id for one in row.records)
        backbone = row.records[0].backbone
        worst = mean_std(values)[0]
        lines.append(PeerLine(row.label, backbone, len(row.records), clean, worst, False, holds))
    return sorted(lines, key=lambda one: -one.worst_map)
