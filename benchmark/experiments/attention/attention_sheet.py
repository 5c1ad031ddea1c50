"""The sheet of attention maps: a row for each query, a block of four pictures for each defense."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from benchmark.data.contact_sheet import GAP, INK, LABEL_WIDTH, PAPER, contact_sheet

SCALE = 2
HEADER = 34
COLUMNS = ("clean", "map", "attacked", "map")


@dataclass(frozen=True)
class AttentionExamples:
    """Pictures and maps of some queries for one defense.

    Attributes:
        clean: uint8 (N, H, W, 3).
        clean_maps: (N, H, W), not negative.
        attacked: uint8 (N, H, W, 3).
        attacked_maps: (N, H, W).
    """

    clean: NDArray[np.uint8]
    clean_maps: NDArray[np.float32]
    attacked: NDArray[np.uint8]
    attacked_maps: NDArray[np.float32]


def attention_sheet(
    examples: Mapping[str, AttentionExamples], labels: Sequence[str], show_images: bool
) -> Image.Image:
    """Return the sheet.

    Args:
        examples: By defense.
        labels: A short text for each query.
        show_images: Whether images may be shown; else there are only maps, on blank paper.
    """
    rows = []
    for i in range(len(labels)):
        row: list[NDArray[np.uint8]] = []
        for one in examples.values():
            for images, maps in ((one.clean, one.clean_maps), (one.attacked, one.attacked_maps)):
                picture = images[i] if show_images else np.full_like(images[i], 235)
                row += [picture, heated(picture, maps[i])]
        rows.append(row)
    body = contact_sheet(rows, labels, SCALE)
    sheet = Image.new("RGB", (body.width, body.height + HEADER), PAPER)
    sheet.paste(body, (0, HEADER))
    pen = ImageDraw.Draw(sheet)
    width = rows[0][0].shape[1] * SCALE + GAP
    for number, name in enumerate(examples):
        left = LABEL_WIDTH + GAP + number * len(COLUMNS) * width
        pen.text((left, 4), name, fill=INK)
        pen.line((left, 17, left + len(COLUMNS) * width - GAP - 4, 17), fill=INK)
        for column, title in enumerate(COLUMNS):
            pen.text((left + column * width, 19), title, fill=INK)
    return sheet


def heated(picture: NDArray[np.uint8], values: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return a picture (H, W, 3) in gray with a map (H, W) over it, bright where it is largest."""
    scaled = values / values.max() if values.max() > 0 else values
    colours = mpl.colormaps["inferno"](scaled)[..., :3] * 255
    gray = picture.mean(-1, keepdims=True).repeat(3, -1)
    mixed: NDArray[np.uint8] = (0.4 * gray + 0.6 * colours).round().clip(0, 255).astype(np.uint8)
    return mixed
