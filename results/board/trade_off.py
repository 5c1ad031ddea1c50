"""The trade-off of a board: what each row keeps clean, and in the worst case."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from results.board.boards import Board
from results.board.record_metrics import clean_map, row_values, worst_map
from results.statistics.bootstrap import mean_std


@dataclass(frozen=True)
class Point:
    """A row of a board, in percent.

    Attributes:
        label: The row.
        clean: Mean clean mAP over trainings.
        clean_sd: Its standard deviation over trainings; None at a single one.
        worst: Mean worst-case mAP.
        worst_sd: Likewise.
    """

    label: str
    clean: float
    clean_sd: float | None
    worst: float
    worst_sd: float | None

    def beats(self, other: Point) -> bool:
        """Return whether it is as good in both, and better in one."""
        pairs = ((self.clean, other.clean), (self.worst, other.worst))
        return all(a >= b for a, b in pairs) and any(a > b for a, b in pairs)


def trade_off(board: Board) -> list[Point]:
    """Return the points of all ranked rows that were attacked; none if attacks have targets."""
    if board.targeted:
        return []
    points = []
    for row in board.rows:
        worst = row_values(row.records, worst_map)
        if worst is None or not row.trust.is_ranked:
            continue
        clean = [clean_map(record) for record in row.records]
        points.append(Point(row.label, *mean_std(clean), *mean_std(worst)))
    return points


def front(points: Sequence[Point]) -> list[Point]:
    """Return the points that no other beats (the Pareto front), the most accurate one first."""
    best = [one for one in points if not any(other.beats(one) for other in points)]
    return sorted(best, key=lambda one: -one.clean)
