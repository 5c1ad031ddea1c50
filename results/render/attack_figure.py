"""Bars: the mAP of each row of a board, clean, under each attack, and under the worst."""

from __future__ import annotations

from matplotlib import rc_context
from matplotlib.figure import Figure

from results.board.boards import Board, Row
from results.board.record_metrics import Read, clean_map, row_values, worst_map
from results.render.plot_style import PLAIN_TEXT, row_styles, wrapped
from results.render.shown_figure import ShownFigure
from results.statistics.bootstrap import mean_std


@rc_context(PLAIN_TEXT)
def draw_attacks(board: Board) -> Figure:
    """Return a figure with a group of bars for each attack, a bar for each row."""
    attacks = {**board.attacks, **board.apart}
    names = ["clean", *attacks.values(), "worst case"]
    styles = row_styles([row.label for row in board.rows])
    height = 0.8 / len(board.rows)
    size = (6.4, 0.9 + max(0.32 * len(names), 0.16 * len(names) * len(board.rows)))
    figure = ShownFigure(size, layout="constrained")
    axes = figure.subplots()
    for number, row in enumerate(board.rows):
        values = [_mean(row, clean_map)]
        values += [board.frame.mean_std(row, attack, "map")[0] for attack in attacks]
        values.append(_mean(row, worst_map))
        places = [place + number * height for place in range(len(names))]
        drawn = [0.0 if value is None else value for value in values]
        bars = axes.barh(
            places, drawn, 0.9 * height, label=row.label, color=styles[row.label].colour
        )
        texts = ["" if value is None else f"{value:.1f}" for value in values]
        axes.bar_label(bars, texts, padding=2, fontsize="small")
    axes.set_yticks([place + 0.4 - height / 2 for place in range(len(names))], names)
    axes.invert_yaxis()
    axes.set(xlabel="mAP (%)", xlim=(0, 105))
    figure.suptitle(wrapped([board.subject, board.threat], size[0]), fontsize="small")
    axes.spines[["top", "right"]].set_visible(False)
    if len(board.rows) > 1:
        axes.legend(fontsize="small")
    return figure


def _mean(row: Row, read: Read) -> float | None:
    values = row_values(row.records, read)
    return None if values is None else mean_std(values)[0]
