"""Clean mAP against the worst case, a point for each row, with the front that no row beats."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from results.board import Board
from results.looks import looks_of, wrapped
from results.trade_off import Point, front

_SIZE_INCHES = (7.2, 4.2)
_FRONT_LABEL = "no row is better in both"


def draw_trade_off(board: Board, points: Sequence[Point]) -> Figure:
    """Return the figure; bars are standard deviations over trainings."""
    figure = Figure(_SIZE_INCHES, layout="constrained")
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
    looks = looks_of([one.label for one in points])
    for one in points:
        axes.errorbar(
            one.clean,
            one.worst,
            xerr=one.clean_sd,
            yerr=one.worst_sd,
            label=one.label,
            color=looks[one.label].colour,
            marker=looks[one.label].marker,
            linestyle="none",
            elinewidth=1,
        )
    axes.set(xlabel="clean mAP (%)", ylabel="worst-case mAP (%)")
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside right center", frameon=False, fontsize="small")
    figure.suptitle(wrapped([board.subject, board.threat], _SIZE_INCHES[0]), fontsize="medium")
    return figure
