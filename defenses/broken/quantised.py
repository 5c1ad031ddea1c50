"""Gradient masking by quantisation: the input is rounded to a few grey levels.

Rounding has a zero gradient almost everywhere, so an attack that differentiates the encoder never
leaves the clean image. BPDA with the identity on the backward pass (Athalye et al., ICML 2018)
undoes it.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field
from torch import Tensor, nn

from benchmark.core.defense import Adaptive
from benchmark.core.plugin import Card
from defenses.broken.masked import NOTES, Mask, MaskedDefense


class QuantisedEncoder(Mask):
    """Rounds pixels to 2^bits levels before it encodes them.

    Args:
        plain: The encoder.
        bits: Bits left of each pixel.
    """

    def __init__(self, plain: nn.Module, bits: int) -> None:
        super().__init__(plain)
        self.highest = 2**bits - 1

    def forward(self, images: Tensor) -> Tensor:
        """Return (B, D) embeddings of the rounded images."""
        embeddings: Tensor = self.plain((images * self.highest).round() / self.highest)
        return embeddings


class Quantised(MaskedDefense):
    """Broken on purpose: pixels rounded to a few levels, so that the gradient is zero."""

    card: ClassVar[Card] = Card(
        title="Broken: quantised pixels",
        paper="Masking after Athalye et al., ICML 2018",
        references=("athalye2018",),
        notes=f"{NOTES} 4 bits: chosen; with 3 the clean mAP falls by a third.",
    )
    admission = Adaptive(non_differentiable=True)

    class Config(MaskedDefense.Config):
        """Options."""

        bits: int = Field(default=4, ge=1, le=7)
        """Bits left of each pixel."""

    config: Config

    def masked(self, plain: nn.Module) -> Mask:
        """Return the encoder behind the rounding."""
        return QuantisedEncoder(plain, self.config.bits)
