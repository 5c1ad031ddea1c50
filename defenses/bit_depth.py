"""Bit-depth reduction at test time: pixels are rounded to 2^bits levels.

    x' = round(x (2^b - 1)) / (2^b - 1)

Feature squeezing (Xu et al., NDSS 2018). Rounding has a zero gradient almost everywhere; BPDA with
the identity on the backward pass (Athalye et al., ICML 2018) undoes that.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field
from torch import Tensor, nn

from benchmark.core.defense import Adaptive
from benchmark.core.plugin import Card
from defenses.wrapped import PreprocessingDefense


class Rounding(nn.Module):
    """Rounds pixels to 2^bits levels; it has no useful gradient.

    Args:
        bits: Bits left of each pixel.
    """

    def __init__(self, bits: int) -> None:
        super().__init__()
        self.highest = 2**bits - 1

    def forward(self, images: Tensor) -> Tensor:
        """Return the rounded (B, 3, H, W) images in [0, 1]."""
        rounded: Tensor = (images * self.highest).round() / self.highest
        return rounded


class BitDepth(PreprocessingDefense):
    """Fewer bits in each pixel before the encoder; attacked through with BPDA."""

    card: ClassVar[Card] = Card(
        title="Bit-depth reduction",
        paper="Xu et al., Feature Squeezing, NDSS 2018, arXiv 1704.01155",
        references=("xu2018",),
        claims="Fewer levels leave less room for adversarial perturbations.",
        notes="Their detector, which compares predictions before and after, is not part of it. "
        "Published for colour images: 4 and 5 bits; chosen: 5, which keep the clean mAP of "
        "held-out identities (4 cost 2 points; attacks with BPDA leave 4 % of either).",
    )
    admission = Adaptive(non_differentiable=True)

    class Config(PreprocessingDefense.Config):
        """Options."""

        bits: int = Field(default=5, ge=1, le=8)
        """Bits left of each pixel."""

    config: Config

    def preprocessing(self) -> nn.Module:
        """Return the rounding."""
        return Rounding(self.config.bits)
