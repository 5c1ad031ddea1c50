"""Gradient masking by randomness: noise whose gradient drowns that of the encoder.

    x' = x + a * sin(2 pi (w * x + phase)),  phase ~ U(0, 1) for each value, at each call

The noise is small, and its mean over the phases is zero, so the encoder hardly notices it. Its
derivative is not small: at 2 pi w a = 8 the sign of a single draw of the gradient is right for
little more than half of the pixels. EOT (Athalye et al., ICML 2018) averages it away.
"""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from benchmark.core.defense import Adaptive
from benchmark.core.plugin import Card
from defenses.broken.masked import NOTES, Mask, MaskedDefense


class RandomEncoder(Mask):
    """Adds a ripple of random phase to each value of the images before it encodes them.

    Args:
        plain: The encoder.
        amplitude_255: Height of the ripple in 1/255 units.
        periods: Ripples from black to white.
    """

    def __init__(self, plain: nn.Module, amplitude_255: float, periods: float) -> None:
        super().__init__(plain)
        self.amplitude, self.periods = amplitude_255 / 255, periods

    def forward(self, images: Tensor) -> Tensor:
        """Return (B, D) embeddings of the rippled images; other ones at each call."""
        angle = 2 * math.pi * (self.periods * images + torch.rand_like(images))
        embeddings: Tensor = self.plain(images + self.amplitude * angle.sin())
        return embeddings


class Random(MaskedDefense):
    """Broken on purpose: noise at each call that drowns the gradient but not the image."""

    card: ClassVar[Card] = Card(
        title="Broken: random noise",
        paper="Masking after Athalye et al., ICML 2018",
        references=("athalye2018",),
        notes=f"{NOTES} The ripple is this project's own; plain noise and random resizing masked "
        "nothing in a plainly trained encoder.",
    )
    admission = Adaptive(random=True)

    class Config(MaskedDefense.Config):
        """Options."""

        amplitude_255: float = Field(default=8.0, gt=0)
        """Height of the noise in 1/255 units."""
        periods: float = Field(default=40.0, gt=0)
        """Ripples of the noise from black to white."""

    config: Config

    def masked(self, plain: nn.Module) -> Mask:
        """Return the encoder behind the noise."""
        return RandomEncoder(plain, self.config.amplitude_255, self.config.periods)
