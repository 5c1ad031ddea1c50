"""Gradient masking by saturation: embeddings go through a tanh so steep that it is a step.

    e'(x) = tanh(k e(x))

The encoder is deterministic and every layer is differentiable, so nothing about it looks amiss;
but in float32 1 - tanh(z)^2 is zero for |z| > 9, and the gradient of most images is exactly zero.
The ranking survives: it is one by the signs of the embedding.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from benchmark.core.defense import Adaptive
from benchmark.core.plugin import Card
from defenses.broken.masked import NOTES, Mask, MaskedDefense


class SaturatedEncoder(Mask):
    """Saturates the embeddings of an encoder.

    Args:
        plain: The encoder.
        steepness: k.
    """

    def __init__(self, plain: nn.Module, steepness: float) -> None:
        super().__init__(plain)
        self.steepness = steepness

    def forward(self, images: Tensor) -> Tensor:
        """Return (B, D) embeddings in [-1, 1], nearly all at the ends."""
        return torch.tanh(self.steepness * self.plain(images))


class Saturated(MaskedDefense):
    """Broken on purpose: embeddings saturated until their gradient vanishes in float32."""

    card: ClassVar[Card] = Card(
        title="Broken: saturated embeddings",
        paper="Masking after Carlini & Wagner on defensive distillation, S&P 2017",
        references=("carlini2017",),
        notes=f"{NOTES} Undeclared it is formally differentiable; only its flags and attacks "
        "without gradients give it away.",
    )
    admission = Adaptive(non_differentiable=True)

    class Config(MaskedDefense.Config):
        """Options."""

        steepness: float = Field(default=1e4, gt=0)
        """Factor on the embeddings before the tanh."""

    config: Config

    def masked(self, plain: nn.Module) -> Mask:
        """Return the encoder with saturated embeddings."""
        return SaturatedEncoder(plain, self.config.steepness)
