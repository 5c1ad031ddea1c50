"""The matrix of train attack by test attack as a heat map."""

from __future__ import annotations

import math

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from results.board.record_metrics import row_values
from results.board.unseen import Matrix
from results.render.plot_style import PLAIN_TEXT, wrapped
from results.render.shown_figure import ShownFigure
from results.statistics.bootstrap import mean_std

_CELL_INCHES = (0.85, 0.45)
_MARGIN_INCHES = (2.6, 1.9)
_DARK_SHARE = 0.6
"""Share of the largest value above which the ground is light and the text black."""


@rc_context(PLAIN_TEXT)
def draw_matrix(matrix: Matrix) -> Figure:
    """Return a heat map of mAP; a frame marks what was seen in training, and a last column holds
    the mean of the others.
    """
    names, tests = matrix.names, [*matrix.attacks.values(), "unseen mean"]
    values = _values(matrix)
    width = _MARGIN_INCHES[0] + len(tests) * _CELL_INCHES[0]
    figure = ShownFigure(
        (width, _MARGIN_INCHES[1] + len(names) * _CELL_INCHES[1]), layout="constrained"
    )
    axes = figure.subplots()
    image = axes.imshow(values, cmap="cividis", vmin=0, aspect="auto")
    axes.set_xticks(range(len(tests)), tests, rotation=30, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("tested with (framed: seen in training)")
    axes.set_ylabel("trained against")
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    axes.axvline(len(tests) - 1.5, color="white", linewidth=4)
    _annotate(axes, matrix, values)
    figure.colorbar(image, ax=axes, label="mAP (%)", fraction=0.05, pad=0.02)
    figure.suptitle(wrapped([matrix.board.subject, matrix.threat], width, 12), fontsize="medium")
    return figure


def _values(matrix: Matrix) -> list[list[float]]:
    table = []
    for row in matrix.rows:
        known = [matrix.board.frame.mean_std(row, a, "map")[0] for a in matrix.attacks]
        unseen = row_values(row.records, matrix.unseen_mean)
        known.append(mean_std(unseen)[0] if unseen else None)
        table.append([math.nan if one is None else one for one in known])
    return table


def _annotate(axes: Axes, matrix: Matrix, values: list[list[float]]) -> None:
    largest = max((v for line in values for v in line if not math.isnan(v)), default=0.0)
    for y, line in enumerate(values):
        for x, value in enumerate(line):
            colour = "black" if value > _DARK_SHARE * largest else "white"
            text = "n/a" if math.isnan(value) else f"{value:.1f}"
            ground = "black" if math.isnan(value) else colour
            axes.text(x, y, text, ha="center", va="center", color=ground, fontsize="small")
        for x, attack in enumerate(matrix.attacks):
            if matrix.seen(matrix.rows[y], attack):
                frame = Rectangle((x - 0.46, y - 0.43), 0.92, 0.86, fill=False, lw=2.5)
                frame.set_edgecolor("#D55E00")
                axes.add_patch(frame)
