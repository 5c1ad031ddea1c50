"""Where the marks of the trade-off of a board are; a template draws them as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from results.board.boards import Board, Row
from results.board.trade_off import Point, front, trade_off
from results.render.label_places import Place, place_labels
from results.render.point_names import point_names
from results.render.report_charts import Tick
from results.render.site.context import row_id

WIDTH, HEIGHT = 760, 420
LEFT, RIGHT, TOP, BOTTOM = 48, 16, 14, 44
_FONT = 12.0
_CHARACTER = (0.58, 1.2)
"""Width and height of a character, as shares of the size of the font."""
_GAP = 7.0
_MOST_LABELS = 60
_STEPS = (0.5, 1, 2, 5, 10, 20)
_MOST_MARKS = 7


@dataclass(frozen=True)
class Mark:
    """A row: its point, the ends of its bars, and its label, if there is room for one.

    Attributes:
        id: See `row_id`.
        text: All that it says, in words.
        corner: Left end of the base line of the label.
        lead: Where a line from the point to a label that is far from it ends.
    """

    id: str
    text: str
    x: float
    y: float
    across: float
    along: float
    is_best: bool
    name: str
    corner: tuple[float, float] | None
    lead: tuple[float, float] | None


@dataclass(frozen=True)
class TradeOffChart:
    """All marks, the line through the rows that no other beats, and the axes."""

    marks: tuple[Mark, ...]
    front: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]


@dataclass(frozen=True)
class _Axis:
    """A scale from percentages to places."""

    low: float
    high: float
    step: float
    start: float
    length: float

    def place(self, value: float) -> float:
        return round(self.start + (value - self.low) / (self.high - self.low) * self.length, 1)

    def ticks(self) -> tuple[Tick, ...]:
        count = round((self.high - self.low) / self.step)
        values = [self.low + number * self.step for number in range(count + 1)]
        return tuple(Tick(self.place(value), f"{value:g}") for value in values)


def trade_off_chart(board: Board) -> TradeOffChart | None:
    """Return the trade-off of a board; None where no two rows have a worst case."""
    points = trade_off(board)
    if len(points) < 2:
        return None
    x = _axis(
        [p.clean + sign * (p.clean_sd or 0) for p in points for sign in (-1, 1)],
        (LEFT, WIDTH - LEFT - RIGHT),
    )
    y = _axis(
        [0, *(p.worst + (p.worst_sd or 0) for p in points)],
        (HEIGHT - BOTTOM, -(HEIGHT - TOP - BOTTOM)),
    )
    best = front(points)
    rest = [one for one in points if one not in best]
    rows = {row.label: row for row in board.rows}
    names = point_names(board)
    places = _label_places([*best, *rest], x, y, names)
    return TradeOffChart(
        marks=tuple(
            _mark(one, rows[one.label], x, y, names[one.label], place, one in best)
            for one, place in zip([*best, *rest], places, strict=True)
        ),
        front=" ".join(f"{x.place(one.clean)},{y.place(one.worst)}" for one in best),
        x_ticks=x.ticks(),
        y_ticks=y.ticks(),
    )


def _axis(values: Sequence[float], room: tuple[float, float]) -> _Axis:
    low, high = max(0.0, min(values)), min(100.0, max(values))
    step = next((one for one in _STEPS if (high - low) / one < _MOST_MARKS), _STEPS[-1])
    first = step * (low // step)
    last = step * max(-(-high // step), low // step + 1)
    return _Axis(first, last, step, *room)


def _label_places(
    points: Sequence[Point], x: _Axis, y: _Axis, names: dict[str, str]
) -> list[Place | None]:
    """Place labels in a ground whose y runs upward; those beyond the most have none."""
    ground = (WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM)
    centres = np.array(
        [[x.place(p.clean) - LEFT, HEIGHT - BOTTOM - y.place(p.worst)] for p in points]
    )
    width, height = (share * _FONT for share in _CHARACTER)
    sizes = [(width * len(names[p.label]), height) for p in points[:_MOST_LABELS]]
    places = place_labels(centres, sizes, ground, _GAP)
    return [*places, *[None] * (len(points) - len(places))]


def _mark(
    point: Point, row: Row, x: _Axis, y: _Axis, name: str, place: Place | None, is_best: bool
) -> Mark:
    at = x.place(point.clean), y.place(point.worst)
    corner = lead = None
    if place is not None:
        corner = round(LEFT + place.x, 1), round(HEIGHT - BOTTOM - place.y - 3, 1)
        if place.far:
            size = len(name) * _CHARACTER[0] * _FONT
            lead = round(min(max(at[0], corner[0]), corner[0] + size), 1), round(corner[1] - 4, 1)
    said = name if name == point.label else f"{name}, {point.label}"
    return Mark(
        id=row_id(row),
        text=f"{said}: clean {point.clean:.1f}, worst case {point.worst:.1f}",
        x=at[0],
        y=at[1],
        across=_length(point.clean_sd, x),
        along=_length(point.worst_sd, y),
        is_best=is_best,
        name=name,
        corner=corner,
        lead=lead,
    )


def _length(deviation: float | None, axis: _Axis) -> float:
    return round(abs((deviation or 0) / (axis.high - axis.low) * axis.length), 1)
