"""Clean mAP against the worst case, a labelled point for each row, and the front."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from results.board.boards import Board
from results.board.trade_off import Point, front
from results.render.label_places import place_labels
from results.render.plot_style import PLAIN_TEXT, RowStyle, row_styles, wrapped
from results.render.point_names import point_names
from results.render.shown_figure import ShownFigure

_HEADROOM = 1.06
"""Above the highest bar, so that its end and its marker are not cut."""

_INCHES = (8.6, 6.4)
_MARGINS = {"left": 0.08, "right": 0.98, "bottom": 0.11, "top": 0.89}
_POINTS_AN_INCH = 72
_FONT_POINTS = 7.0
_CHARACTER = (0.59, 1.25)
"""Mean width and height of a character, as shares of the size of the font."""
_GAP_POINTS = 5.0
_MOST_LABELS = 60
_FRONT_LABEL = "no row is better in both"


@rc_context(PLAIN_TEXT)
def draw_trade_off(board: Board, points: Sequence[Point]) -> Figure:
    """Return the figure; bars are standard deviations over trainings.

    A row whose label is too long is named by its defense and its place in the table of the board.
    The front is labelled first, then the best rows; where there is no room a point has no label.
    """
    figure = ShownFigure(_INCHES)
    axes = figure.subplots()
    figure.subplots_adjust(**_MARGINS)
    best = front(points)
    line = [[one.clean for one in best], [one.worst for one in best]]
    axes.plot(*line, color="0.6", linewidth=1, zorder=1, label=_FRONT_LABEL)
    styles = row_styles([one.label for one in points])
    _mark(axes, points, styles)
    axes.set_ylim(0, _HEADROOM * max(one.worst + (one.worst_sd or 0) for one in points) or 1)
    axes.set_xlim(axes.get_xlim())  # the labels move nothing
    names = point_names(board)
    in_order = [*best, *(one for one in points if one not in best)]
    _label(axes, in_order[:_MOST_LABELS], names, styles)
    numbered = any(names[one.label] != one.label for one in points)
    note = "\n#n: row n of the table of this board" if numbered else ""
    axes.set(xlabel=f"clean mAP (%){note}", ylabel="worst-case mAP (%)")
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="lower left", frameon=False, fontsize="small")
    figure.suptitle(wrapped([board.subject, board.threat], _INCHES[0]), fontsize="medium")
    return figure


def _mark(axes: Axes, points: Sequence[Point], styles: dict[str, RowStyle]) -> None:
    x, y = (np.array(one) for one in zip(*((p.clean, p.worst) for p in points), strict=True))
    across = np.array([one.clean_sd or 0 for one in points])
    along = np.array([one.worst_sd or 0 for one in points])
    bar: dict[str, Any] = {"colors": [styles[one.label].colour for one in points], "linewidth": 0.8}
    axes.hlines(y, x - across, x + across, alpha=0.6, **bar)
    axes.vlines(x, y - along, y + along, alpha=0.6, **bar)
    alike: dict[tuple[str, str], list[int]] = {}  # of a large board: a line for each costs seconds
    for number, one in enumerate(points):
        alike.setdefault(styles[one.label][:2], []).append(number)
    for (colour, marker), numbers in alike.items():
        look: dict[str, Any] = {"color": colour, "marker": marker, "linestyle": "none"}
        axes.plot(x[numbers], y[numbers], markersize=5, zorder=4, **look)


def _label(
    axes: Axes, points: Sequence[Point], names: dict[str, str], styles: dict[str, RowStyle]
) -> None:
    box = axes.get_position()
    area = np.array([box.width * _INCHES[0], box.height * _INCHES[1]]) * _POINTS_AN_INCH
    low, high = (np.array(one) for one in zip(axes.get_xlim(), axes.get_ylim(), strict=True))
    centres = (np.array([[one.clean, one.worst] for one in points]) - low) / (high - low) * area
    width, height = (share * _FONT_POINTS for share in _CHARACTER)
    sizes = [(width * len(names[one.label]), height) for one in points]
    places = place_labels(centres, sizes, (float(area[0]), float(area[1])), _GAP_POINTS)
    for one, centre, size, place in zip(points, centres, sizes, places, strict=True):
        if place is None:
            continue
        colour, corner = styles[one.label].colour, np.array([place.x, place.y])
        if place.far:
            x, y = low + np.clip(centre, corner, corner + size) / area * (high - low)
            axes.plot([one.clean, x], [one.worst, y], color=colour, linewidth=0.5, alpha=0.6)
        axes.annotate(
            names[one.label],
            (one.clean, one.worst),
            tuple(corner - centre),
            textcoords="offset points",
            fontsize=_FONT_POINTS,
            color=colour,
            va="bottom",
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.7, "pad": 0.2},
        )
