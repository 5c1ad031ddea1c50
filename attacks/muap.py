"""MUAP: one perturbation that spoils the ranking of all images, and stays smooth.

Ding et al., "Beyond Universal Person Re-Identification Attack" (TIFS 2021):

    L(delta) = AP(f(x + delta), f(x)) + lambda TV(x + delta),  to be minimised

AP is the binned average precision of each perturbed image over the clean images of its batch,
itself among the true matches; TV is the mean squared difference of neighbouring pixels of the
normalised image. From the second epoch on the perturbation is scaled up until most of its
entries are at the border of the ball.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from attacks.trained_first import TrainingBatch
from attacks.universal import TINY, UniversalAttack, UniversalConfig
from benchmark.core.plugin import Card
from benchmark.metrics.soft_ap import soft_average_precision

IMAGENET_STD = (0.229, 0.224, 0.225)
"""Scale of the normalised image whose variation the paper measures."""

SATURATED = 0.8
"""Share of the entries that scaling up brings to the border."""


class MUAP(UniversalAttack):
    """MUAP: a universal perturbation against the average precision of all images."""

    card: ClassVar[Card] = Card(
        title="More universal adversarial perturbation",
        paper="Ding et al., Beyond Universal Person Re-Identification Attack, TIFS 2021",
        references=("ding2021",),
        notes="At the budget of the threat instead of 10/255; the step keeps its share of it.",
    )
    step_share: ClassVar[float] = 0.004 * 255 / 10
    start: ClassVar[float] = 1e-6 * 255 / 10

    class Config(UniversalConfig):
        """Options."""

        momentum: float = Field(default=0.4, ge=0)
        tv: float = Field(default=10.0, ge=0)
        """Weight of the total variation (lambda)."""
        bins: int = Field(default=5, ge=2)
        """Bins of the average precision."""

    config: Config

    def loss(self, images: Tensor, embeddings: Tensor, batch: TrainingBatch) -> Tensor:
        """Return the mean average precision plus the weighted variation."""
        vectors, clean = F.normalize(embeddings), F.normalize(batch.clean)
        distances = torch.cdist(vectors, clean, compute_mode="donot_use_mm_for_euclid_dist")
        positive = batch.pids[:, None] == batch.pids[None, :]
        everything = torch.ones_like(positive)
        precision = soft_average_precision(distances, positive, everything, self.config.bins)
        return precision.mean() + self.config.tv * total_variation(images)

    def scaled(self, gradient: Tensor) -> Tensor:
        """Return the gradient of each channel over its L1 norm."""
        return gradient / gradient.abs().sum((1, 2), keepdim=True).clamp_min(TINY)

    def renewed(self, delta: Tensor, epoch: int) -> Tensor:
        """Return the perturbation scaled up, from the second epoch on."""
        return delta if epoch == 0 else scaled_up(delta, self.radius)


def total_variation(images: Tensor) -> Tensor:
    """Return the mean squared difference of neighbours of normalised (B, 3, H, W) images."""
    scaled = images / images.new_tensor(IMAGENET_STD)[:, None, None]
    return scaled.diff(dim=2).square().mean() + scaled.diff(dim=3).square().mean()


def scaled_up(delta: Tensor, radius: float) -> Tensor:
    """Return `delta` scaled so that four fifths of its entries are at the border of the ball.

    A perturbation that has so many there already stays as it is.
    """
    magnitudes = delta.abs().flatten()
    if float((magnitudes >= radius).float().mean()) >= SATURATED:
        return delta
    pivot = float(torch.quantile(magnitudes, 1 - SATURATED))
    if pivot < torch.finfo(delta.dtype).tiny:  # nothing to scale, and radius / pivot may overflow
        return delta
    return (delta * (radius / pivot)).clamp(-radius, radius)
