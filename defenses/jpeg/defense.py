"""JPEG at test time: the encoder sees each image after lossy compression.

Dziugaite et al. (arXiv 1608.00853) and Das et al. (KDD 2018) saw that compression takes some
perturbations away; Athalye et al. (ICML 2018) that attackers bring them back who replace it on the
backward pass (BPDA). The images are compressed for real, with 4:2:0 chroma, one by one; the
replacement is a JPEG whose rounding alone is relaxed (`DifferentiableJpeg`).
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field
from torch import Tensor, nn

from benchmark.core.defense import Adaptive
from benchmark.core.plugin import Card
from benchmark.data.jpeg import QUALITY, through_jpeg
from defenses.jpeg.differentiable import DifferentiableJpeg
from defenses.wrapped import PreprocessingDefense


class JpegRoundTrip(nn.Module):
    """Compresses images and reads them back; it has no gradient.

    Args:
        quality: Of the compression, 1 to 95.
    """

    def __init__(self, quality: int) -> None:
        super().__init__()
        self.quality = quality

    def forward(self, images: Tensor) -> Tensor:
        """Return (B, 3, H, W) images in [0, 1] of 8 bits, on their device."""
        return through_jpeg(images, self.quality)


class Jpeg(PreprocessingDefense):
    """JPEG before the encoder; attacked through a differentiable JPEG (BPDA)."""

    card: ClassVar[Card] = Card(
        title="JPEG compression",
        paper="Dziugaite et al., arXiv 1608.00853; Das et al., KDD 2018",
        references=("dziugaite2016", "das2018", "athalye2018"),
        claims="Compression removes adversarial perturbations.",
        notes="Broken by BPDA (Athalye et al., ICML 2018), which white-box attacks here use, with "
        "a differentiable JPEG on the backward pass: it leaves half of the mAP that the identity "
        "leaves. Quality 75 with 4:2:0 chroma: the usual default of encoders, within the published "
        "20 to 90.",
    )
    admission = Adaptive(non_differentiable=True)

    class Config(PreprocessingDefense.Config):
        """Options."""

        quality: int = Field(default=QUALITY, ge=1, le=95)
        """Quality of the compression."""

    config: Config

    def preprocessing(self) -> nn.Module:
        """Return the round trip through a JPEG file."""
        return JpegRoundTrip(self.config.quality)

    def relaxed(self) -> nn.Module:
        """Return a JPEG that has a gradient."""
        return DifferentiableJpeg(self.config.quality)
