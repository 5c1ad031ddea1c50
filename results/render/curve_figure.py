"""Small multiples of curves: a panel for each attack, a line for each defense."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from results.board.boards import Board
from results.board.curves import Curve, CurvePanel
from results.render.plot_style import CHARACTERS_AN_INCH, PLAIN_TEXT, RowStyle, row_styles, wrapped
from results.render.shown_figure import ShownFigure

_COLUMNS = 4
_PANEL_INCHES = (2.7, 2.1)
_NARROWEST_INCHES = 6.0

_MOST_ROWS = 24
"""Rows that are drawn at most, the most robust ones: nobody tells more lines apart."""

_WIDE = 20
"""Ratio of most to fewest answers above which their axis is logarithmic."""

_AXIS_TITLES = {"eps": "ε (1/255)", "answers": "answers for each image"}


@rc_context(PLAIN_TEXT)
def draw_panels(board: Board, panels: Sequence[CurvePanel]) -> Figure:
    """Return a figure of all panels with one legend and the title of the board.

    A line is the mean over seeds, a band reaches from the lowest seed to the highest.
    """
    columns = min(_COLUMNS, len(panels))
    rows = -(-len(panels) // columns)
    width = max(_NARROWEST_INCHES, columns * _PANEL_INCHES[0])
    labels = [row.label for row in board.rows]
    parts = [board.subject]
    if len(labels) > _MOST_ROWS:
        known = {curve.label for panel in panels for curve in panel.curves}
        labels = [label for label in labels if label in known][:_MOST_ROWS]
        parts.append(f"{len(labels)} of {len(known)} rows, in the order of the board")
    threat = board.threat_of(attack for panel in panels for attack in panel.attacks)
    title = wrapped([*parts, threat], width)
    keys_in_line = max(1, int(width * CHARACTERS_AN_INCH / (max(map(len, labels)) + 8)))
    lines = title.count("\n") + 1 - (-len(labels) // keys_in_line)
    figure = ShownFigure((width, rows * _PANEL_INCHES[1] + 0.2 * lines + 0.3), layout="constrained")
    grid = figure.subplots(rows, columns, sharey=True, squeeze=False)
    places = [axes for line in grid for axes in line]
    styles = row_styles(labels)
    drawn = (curve for panel in panels for curve in panel.curves if curve.label in styles)
    highest = max(y for curve in drawn for y in curve.high)
    places[0].set_ylim(0, 1.05 * highest or 1)  # shared by all
    for axes, panel in zip(places, panels, strict=False):
        _draw(axes, panel, styles)
    for axes in places[len(panels) :]:
        axes.remove()
    for axes, panel in list(zip(places, panels, strict=False))[-columns:]:
        axes.set_xlabel(_AXIS_TITLES[panel.axis])
    measure = "target mAP (%)" if board.targeted else "mAP (%)"
    for line in grid:
        line[0].set_ylabel(measure)
    figure.suptitle(title, fontsize="medium")
    handles = {h.get_label(): h for axes in places for h in axes.get_legend_handles_labels()[0]}
    shown = [handles[label] for label in labels if label in handles]
    keys = min(len(shown), keys_in_line)
    figure.legend(handles=shown, loc="outside lower center", ncols=keys, frameon=False)
    return figure


def _draw(axes: Axes, panel: CurvePanel, styles: dict[str, RowStyle]) -> None:
    curves = [curve for curve in panel.curves if curve.label in styles]
    for curve in curves:
        colour, marker, dash = styles[curve.label]
        (line,) = axes.plot(curve.x, curve.mean, label=curve.label, color=colour, linewidth=1.4)
        line.set(marker=marker, markersize=4, linestyle=dash, clip_on=False)
    axes.set_xlim(left=0)  # before the bands, each of which would have the axis scaled anew
    for curve in curves:
        if curve.seeds > 1:
            colour = styles[curve.label].colour
            axes.fill_between(curve.x, curve.low, curve.high, color=colour, alpha=0.2, linewidth=0)
    axes.set_title(panel.title, fontsize="medium")
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    if panel.axis == "eps":
        axes.set_xticks(_apart(panel.curves))
        return
    answers = [x for curve in panel.curves for x in curve.x if x]
    if max(answers) > _WIDE * min(answers):
        axes.set_xscale("symlog", linthresh=min(answers), linscale=0.4)
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    else:
        axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))


def _apart(curves: Sequence[Curve]) -> list[float]:
    """Return the budgets of some curves without those too close to the next for their labels."""
    budgets = sorted({x for curve in curves for x in curve.x}, reverse=True)
    kept = budgets[:1]
    for x in budgets[1:]:
        if kept[-1] - x >= 0.11 * budgets[0] and (x == 0 or x >= 0.11 * budgets[0]):
            kept.append(x)
    return sorted({0.0, *kept})
