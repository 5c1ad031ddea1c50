"""Random rectangles that lose their colour, as attacks and defenses of Gong et al. draw them.

"A Person Re-identification Data Augmentation Method with Adversarial Defense Effect" (arXiv
2101.08783).
"""

from __future__ import annotations

import torch
from torch import Tensor

LUMINANCE = (0.299, 0.587, 0.114)
"""Weights of red, green and blue (ITU-R BT.601)."""
AREA = (0.02, 0.4)
"""Range of the area of the rectangle, as a share of the image; published."""
ASPECT = (0.3, 3.33)
"""Range of its height over its width; published."""


def rectangles(draws: Tensor, height: int, width: int) -> Tensor:
    """Return (B, 1, height, width) masks of one rectangle each.

    Args:
        draws: (B, 4) numbers in [0, 1) for area, aspect, top and left.
        height: Of the images, in pixels.
        width: Of the images, in pixels.
    """
    area = height * width * _between(AREA, draws[:, 0])
    aspect = _between(ASPECT, draws[:, 1])
    down = _inside((area * aspect).sqrt(), draws[:, 2], height)
    across = _inside((area / aspect).sqrt(), draws[:, 3], width)
    return (down[:, :, None] & across[:, None, :])[:, None]


def _between(limits: tuple[float, float], draws: Tensor) -> Tensor:
    return limits[0] + (limits[1] - limits[0]) * draws


def _inside(length: Tensor, draws: Tensor, size: int) -> Tensor:
    """Return (B, size), true on a segment of rounded `length` that lies at random in `size`."""
    length = length.round().clamp(1, size)
    first = (draws * (size - length + 1)).floor()
    pixels = torch.arange(size, device=draws.device)
    return (pixels >= first[:, None]) & (pixels < (first + length)[:, None])
