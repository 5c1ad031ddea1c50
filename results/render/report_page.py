"""A robustness report as one HTML page that asks nothing of any network."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from types import MappingProxyType

from results.render import report_charts as charts
from results.render.page_template import MISSING, rendered
from results.report.content import Report, Standing

_PNG = b"\x89PNG"
_NO_PICTURES: Mapping[str, bytes] = MappingProxyType({})
_FIRST_ROWS, _NEAR_ROWS, _LAST_ROWS = 5, 4, 3
"""Of a long table of published rows."""


def report_page(report: Report, pictures: Mapping[str, bytes] = _NO_PICTURES) -> str:
    """Return the page; the same report gives the same text.

    Args:
        report: What it says.
        pictures: PNG or JPEG bytes for its ranked lists: ``query/3``, ``attacked/3``,
            ``gallery/17``; without them the lists name rows alone.
    """
    return rendered(
        "report.html",
        report=report,
        pictures={name: data_uri(content) for name, content in pictures.items()},
        curves=charts.line_chart(report.curves) if report.curves else None,
        histogram=charts.histogram(report.spread.bins) if report.spread else None,
        shown_rows=_shown_rows(report.standing) if report.standing else [],
        chart=charts,
        missing=MISSING,
    )


def _shown_rows(standing: Standing) -> list[bool]:
    """Return which rows are shown: the first, the last, and those around the encoder."""
    rows = len(standing.rows)
    ends, own = (_FIRST_ROWS, rows - _LAST_ROWS), standing.place - 1
    near = range(own - _NEAR_ROWS, own + _NEAR_ROWS + 1)
    return [row < ends[0] or row >= ends[1] or row in near for row in range(rows)]


def data_uri(content: bytes) -> str:
    """Return a PNG or JPEG as an address that holds it."""
    kind = "png" if content.startswith(_PNG) else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
