"""Clean mAP against the worst case, a point for each row, with the front that no row beats."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from results.board import Board
from results.looks import looks_of, wrapped
from results.trade_off import Point, front

_HEADROOM = 1.06
"""Above the highest bar, so that its end and its marker are not cut."""

_WIDTH_INCHES = 7.2
_AXES_INCHES = 4.0
_KEY_INCHES = 0.18
_SHORT_LABEL = 40
"""Characters of a label up to which two keys stand side by side."""
_FRONT_LABEL = "no row is better in both"


def draw_trade_off(board: Board, points: Sequence[Point]) -> Figure:
    """Return the figure; bars are standard deviations over trainings."""
    labels = [one.label for one in points]
    columns = 2 if max(map(len, labels)) <= _SHORT_LABEL else 1
    keys = [wrapped([label], _WIDTH_INCHES / columns) for label in labels]
    lines = sum(key.count("\n") + 1 for key in keys) / columns + 2
    size = (_WIDTH_INCHES, _AXES_INCHES + _KEY_INCHES * lines)
    figure = Figure(size, layout="constrained")
    axes = figure.subplots()
    best = front(points)
    axes.plot(
        [one.clean for one in best],
        [one.worst for one in best],
        color="0.6",
        linewidth=1,
        zorder=1,
        label=_FRONT_LABEL,
    )
    looks = looks_of(labels)
    for one, key in zip(points, keys, strict=True):
        axes.errorbar(
            one.clean,
            one.worst,
            xerr=one.clean_sd,
            yerr=one.worst_sd,
            label=key,
            color=looks[one.label].colour,
            marker=looks[one.label].marker,
            linestyle="none",
            elinewidth=1,
        )
    axes.set(xlabel="clean mAP (%)", ylabel="worst-case mAP (%)")
    highest = max(one.worst + (one.worst_sd or 0) for one in points)
    axes.set_ylim(0, _HEADROOM * highest or 1)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=columns, frameon=False, fontsize="small")
    figure.suptitle(wrapped([board.subject, board.threat], _WIDTH_INCHES), fontsize="medium")
    return figure
