"""Soft AP."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field
from torch import Tensor

from attacks.apgd import GalleryAttack, GalleryConfig, RankedGallery
from benchmark.core.plugin import Card
from benchmark.metrics.soft_ap import smooth_ap_loss, soft_average_precision


class SoftAP(GalleryAttack):
    """Soft AP: lower a differentiable average precision of the query against the gallery."""

    card: ClassVar[Card] = Card(title="Soft AP")

    class Config(GalleryConfig):
        """Options."""

        form: Literal["bins", "smooth"] = "smooth"
        bins: int = Field(default=25, ge=2)
        temperature: float = Field(default=0.01, gt=0)

    config: Config

    def objective(self, vectors: Tensor, state: object) -> Tensor:
        """Return minus the soft AP; (B,)."""
        assert isinstance(state, RankedGallery)
        cosines = state.cosines(vectors)
        if self.config.form == "bins":
            distances = (2 - 2 * cosines).clamp_min(1e-12).sqrt()
            return -soft_average_precision(distances, state.positive, state.valid, self.config.bins)
        return smooth_ap_loss(
            cosines, state.positive, state.valid, self.config.temperature, state.most
        )
