"""Where the marks of a report's figures are; its templates draw them as SVG."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from results.report.content import Curve

WIDTH, HEIGHT = 480, 270
LEFT, RIGHT, TOP, BOTTOM = 40, 12, 12, 40
"""Margins for the labels of the axes."""
_Y_STEPS = (2, 5, 10, 20)
_MOST_MARKS = 6


@dataclass(frozen=True)
class Tick:
    """A mark of an axis and its text."""

    place: float
    text: str


@dataclass(frozen=True)
class Line:
    """A curve: its points in the units of the drawing."""

    label: str
    points: tuple[tuple[float, float], ...]

    @property
    def path(self) -> str:
        """The points as SVG spells them."""
        return " ".join(f"{x:.1f},{y:.1f}" for x, y in self.points)


@dataclass(frozen=True)
class LineChart:
    """Curves of mAP over the budget."""

    lines: tuple[Line, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]


@dataclass(frozen=True)
class Bar:
    """A bar that stands on the axis."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Histogram:
    """Two bars for each bin, side by side."""

    series: tuple[tuple[Bar, ...], tuple[Bar, ...]]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]


def line_chart(curves: Sequence[Curve], scaled: Callable[[float], float] = float) -> LineChart:
    """Return the figure of some curves; the axis of mAP starts at 0.

    Args:
        curves: Their points, from 0 upward.
        scaled: What the axis shows of a budget, such as its logarithm; 0 stays 0.
    """
    budgets = sorted({x for one in curves for x, _ in one.points})
    widest = scaled(budgets[-1])
    highest = max(y for one in curves for _, y in one.points)
    step = next(one for one in _Y_STEPS if highest < one * _MOST_MARKS)
    marks = max(1, -int(-highest // step))
    top = step * marks

    def place(x: float, y: float) -> tuple[float, float]:
        return _x(scaled(x) / widest), _y(y / top)

    return LineChart(
        lines=tuple(Line(c.attack, tuple(place(*point) for point in c.points)) for c in curves),
        x_ticks=tuple(Tick(_x(scaled(x) / widest), f"{x:g}") for x in budgets),
        y_ticks=tuple(Tick(_y(n / marks), str(n * step)) for n in range(marks + 1)),
    )


def histogram(bins: tuple[Sequence[int], Sequence[int]]) -> Histogram:
    """Return the figure of the identities in each bin of a scale from 0 to 100, two of each."""
    count, most = len(bins[0]), max(1, *bins[0], *bins[1])
    step = (WIDTH - LEFT - RIGHT) / count
    width = 0.4 * step

    def bar(number: int, series: int, value: int) -> Bar:
        y = _y(value / most)
        x = LEFT + (number + 0.1 + 0.4 * series) * step
        return Bar(round(x, 1), round(y, 1), round(width, 1), round(HEIGHT - BOTTOM - y, 1))

    first, second = (
        tuple(bar(number, series, value) for number, value in enumerate(values))
        for series, values in enumerate(bins)
    )
    marks = sorted({round(most * share) for share in (0, 0.25, 0.5, 0.75, 1)})
    return Histogram(
        series=(first, second),
        x_ticks=tuple(Tick(_x(n / count), f"{100 * n / count:g}") for n in range(count + 1)),
        y_ticks=tuple(Tick(_y(mark / most), str(mark)) for mark in marks),
    )


def _x(share: float) -> float:
    return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)


def _y(share: float) -> float:
    return round(HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM), 1)
