"""A figure that a notebook shows when it is the value of a cell, whatever its backend."""

from __future__ import annotations

import io

from matplotlib import rc_context
from matplotlib.figure import Figure

from results.render.plot_style import PLAIN_TEXT


class ShownFigure(Figure):
    """A figure without pyplot, which notebooks would only name."""

    def _repr_png_(self) -> bytes:
        stream = io.BytesIO()
        with rc_context(PLAIN_TEXT):
            self.savefig(stream, format="png", dpi=72)
        return stream.getvalue()
