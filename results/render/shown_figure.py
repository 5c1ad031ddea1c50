"""A figure that a notebook shows when it is the value of a cell, whatever its backend."""

from __future__ import annotations

import io

from matplotlib.figure import Figure


class ShownFigure(Figure):
    """A figure without pyplot, which notebooks would only name."""

    def _repr_png_(self) -> bytes:
        stream = io.BytesIO()
        self.savefig(stream, format="png", dpi=72)
        return stream.getvalue()
