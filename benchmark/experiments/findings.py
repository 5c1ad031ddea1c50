"""What an experiment finds: tables, figures, and plain values for the JSON."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from results.board.columns import TableCell
from results.render.markdown import markdown_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL.Image import Image

MISSING = "–"
"""What a table shows where there is no value."""


@dataclass(frozen=True)
class Table:
    """A table with named rows.

    Attributes:
        title: What it shows.
        head: Heading of the column of names.
        columns: Headings of the others.
        rows: Name and cells of each row, as many as `columns`.
        note: What a reader must know, in a few sentences.
    """

    title: str
    head: str
    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[TableCell]]]
    note: str = ""

    @property
    def labels(self) -> list[str]:
        """Names of the rows."""
        return [name for name, _ in self.rows]

    @property
    def filled(self) -> list[tuple[str, list[TableCell]]]:
        """Heading and cells of each column but the one of names."""
        return [(title, [row[i] for _, row in self.rows]) for i, title in enumerate(self.columns)]

    def markdown(self) -> str:
        """Return the table with title and note as Markdown."""
        body = markdown_table(self.head, self.labels, self.filled)
        return "\n\n".join(part for part in (f"## {self.title}", body, self.note) if part)


@dataclass(frozen=True)
class Findings:
    """The answer of an experiment.

    Attributes:
        tables: Printed, and written to ``table.md``.
        result: Plain values for ``result.json``; everything that the tables show, unrounded.
        figures: PNG files by name, without ending.
    """

    tables: Sequence[Table]
    result: dict[str, Any]
    figures: dict[str, bytes] = field(default_factory=dict)


def text(value: float | None, digits: int = 1, sign: bool = False) -> TableCell:
    """Return the cell of a number; None is no value."""
    if value is None:
        return TableCell(MISSING)
    return TableCell(f"{value:{'+' if sign else ''}.{digits}f}")


def spread(mean: float | None, sd: float | None, digits: int = 1) -> TableCell:
    """Return the cell of a mean and, where there are several values, their standard deviation."""
    if mean is None:
        return TableCell(MISSING)
    return TableCell(f"{mean:.{digits}f}" + (f" ± {sd:.{digits}f}" if sd is not None else ""))


def figure_png(figure: Figure) -> bytes:
    """Return a matplotlib figure as PNG; the same figure gives the same bytes."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=150, metadata={"Software": None})
    return stream.getvalue()


def picture_png(picture: Image) -> bytes:
    """Return a picture as PNG."""
    stream = io.BytesIO()
    picture.save(stream, format="PNG")
    return stream.getvalue()
