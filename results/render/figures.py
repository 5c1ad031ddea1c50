"""Figures of boards: trade-off, security curves and the matrix of unseen attacks; PNG and SVG.

The same records give the same bytes with the same matplotlib.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from results.board.boards import Board
from results.board.curves import CurvePanel, answer_panels, budget_panels
from results.board.trade_off import trade_off
from results.board.unseen import make_matrices
from results.records.atomic import publish
from results.render.plot_style import PLAIN_TEXT

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIGURES_FOLDER = "figures"

_FORMATS: dict[str, dict[str, str | None]] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
}
"""Formats, each with the metadata that would change the bytes and is left out."""


def write_figures(boards: Sequence[Board], output_dir: Path) -> list[Path]:
    """Draw what there is to draw into ``output_dir/figures``.

    Returns:
        Paths of the files; none if no board holds two attacked rows, a sweep, a black-box curve
        or a matrix.

    Raises:
        RecordError: The disk is full or the folder refuses.
    """
    folder = output_dir / FIGURES_FOLDER
    paths = []
    for kind, slug, figure in draw_figures(boards):
        name = f"{kind}-{slug}"
        for ending, content in _rendered(figure, name).items():
            paths.append(publish(folder / f"{name}.{ending}", content))
    return paths


def draw_figures(boards: Sequence[Board]) -> Iterator[tuple[str, str, Figure]]:
    """Yield each figure that there is to draw, with its kind and the slug of its board."""
    for board in boards:
        points = trade_off(board)
        if len(points) > 1:
            from results.render.trade_off_figure import draw_trade_off

            yield "trade-off", board.slug, draw_trade_off(board, points)
        for name, panels in (
            ("security", budget_panels(board)),
            ("answers", answer_panels(board)),
        ):
            if panels:
                yield name, board.slug, _drawn_curves(board, panels)
    for matrix in make_matrices(boards):
        from results.render.heat_map import draw_matrix

        yield "unseen", matrix.board.slug, draw_matrix(matrix)


def _drawn_curves(board: Board, panels: Sequence[CurvePanel]) -> Figure:
    from results.render.curve_figure import draw_panels

    return draw_panels(board, panels)


def _rendered(figure: Figure, name: str) -> dict[str, bytes]:
    """Return the bytes of a figure in each format; the text of an SVG is drawn as paths."""
    import matplotlib as mpl

    contents = {}
    options: dict[Any, Any] = {"svg.hashsalt": name, "svg.fonttype": "path", **PLAIN_TEXT}
    with mpl.rc_context(options):
        for kind, metadata in _FORMATS.items():
            stream = io.BytesIO()
            figure.savefig(stream, format=kind, dpi=150, metadata=metadata)
            contents[kind] = stream.getvalue()
    return contents
