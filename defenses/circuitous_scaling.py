"""Circuitous scaling at test time: images are resized down, up, down and back.

    H x W -> 110 x 50 -> 220 x 100 -> 110 x 50 -> H x W   at 256 x 128, bicubic

The passive part of the joint defence of Gong et al. (CVPR Workshops 2022, arXiv 2111.09571). Every
resize is linear, so an attacker differentiates through them; the published gains are on attacked
images that were made beforehand.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.core.plugin import Card
from defenses.wrapped import PreprocessingDefense

PUBLISHED_SIZE = (256, 128)
"""Size of the images that the published sizes are for."""

Size = tuple[int, int]


class Detour(nn.Module):
    """Resizes images to a low, a high, the low and their own size.

    Args:
        low: Height and width for images of `PUBLISHED_SIZE`; in proportion for others.
        high: The same for the larger size in between.
    """

    def __init__(self, low: Size, high: Size) -> None:
        super().__init__()
        self.low, self.high = low, high

    def forward(self, images: Tensor) -> Tensor:
        """Return (B, 3, H, W) images; values may overshoot [0, 1] a little at edges."""
        height, width = images.shape[2:]
        low, high = (_in_proportion(size, (height, width)) for size in (self.low, self.high))
        for size in (low, high, low, (height, width)):
            # Antialiasing as Pillow does it; without it, a resize reads but a few pixels.
            images = F.interpolate(images, size, mode="bicubic", antialias=True)
        return images


class CircuitousScaling(PreprocessingDefense):
    """Bicubic resizing down, up, down and back before the encoder; differentiable."""

    card: ClassVar[Card] = Card(
        title="Circuitous scaling",
        paper="Gong et al., CVPR Workshops 2022, arXiv 2111.09571",
        references=("gong2022",),
        claims="Resizing destroys perturbations that were made beforehand.",
        notes="Differentiable: attacked through it without BPDA. Published: the sizes at 256x128, "
        "bicubic. Chosen: the sizes in proportion for other images, antialiasing when shrinking "
        "(as Pillow), no rounding to 8 bits and no clipping on the way. Their training is `lgpr`.",
    )

    class Config(PreprocessingDefense.Config):
        """Options."""

        low: tuple[PositiveInt, PositiveInt] = (110, 50)
        """Height and width of the small images, for images of 256x128."""
        high: tuple[PositiveInt, PositiveInt] = (220, 100)
        """Height and width of the larger ones in between, for images of 256x128."""

    config: Config

    def preprocessing(self) -> nn.Module:
        """Return the four resizes."""
        return Detour(self.config.low, self.config.high)


def _in_proportion(size: Size, image: Size) -> list[int]:
    return [
        max(1, round(one * own / whole))
        for one, own, whole in zip(size, image, PUBLISHED_SIZE, strict=True)
    ]
