"""A sheet of small pictures in rows, to look at data with one's own eyes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

PAPER = (250, 250, 248)
INK = (40, 40, 44)
GAP = 4
LABEL_WIDTH = 96
HEADER = 30


def contact_sheet(
    rows: Sequence[Sequence[NDArray[np.uint8]]],
    labels: Sequence[str] | None = None,
    scale: int = 2,
    headings: Sequence[str] = (),
) -> Image.Image:
    """Lay out pictures in rows.

    Args:
        rows: Pictures uint8 (H, W, 3) of each row; rows may differ in length.
        labels: A short text left of each row.
        scale: Whole factor by which pictures are enlarged, without smoothing.
        headings: A short text above each column, of two lines at most.

    Returns:
        An RGB picture.

    Raises:
        ValueError: There is no picture, or not one label a row.
    """
    if not any(len(row) for row in rows):
        raise ValueError("a contact sheet needs at least one picture")
    if labels is not None and len(labels) != len(rows):
        raise ValueError(f"{len(labels)} labels for {len(rows)} rows")
    height = max(picture.shape[0] for row in rows for picture in row) * scale
    width = max(picture.shape[1] for row in rows for picture in row) * scale
    margin = LABEL_WIDTH if labels is not None else 0
    header = HEADER if headings else 0
    columns = max(len(row) for row in rows)
    size = (margin + columns * (width + GAP) + GAP, header + len(rows) * (height + GAP) + GAP)
    sheet = Image.new("RGB", size, PAPER)
    pen = ImageDraw.Draw(sheet)
    for j, heading in enumerate(headings):
        pen.text((margin + GAP + j * (width + GAP), GAP), heading, fill=INK)
    for i, row in enumerate(rows):
        top = header + GAP + i * (height + GAP)
        if labels is not None:
            pen.text((GAP, top + height // 2 - 6), labels[i], fill=INK)
        for j, picture in enumerate(row):
            tile = Image.fromarray(np.ascontiguousarray(picture))
            big = (tile.width * scale, tile.height * scale)
            tile = tile.resize(big, Image.Resampling.NEAREST)
            sheet.paste(tile, (margin + GAP + j * (width + GAP), top))
    return sheet
