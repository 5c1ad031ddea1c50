"""Soft AP: against the score itself, the average precision over the gallery, made differentiable.

    smooth  J(x') = 1 - AP over ranks that count the sigmoids of differences of cosines
            (Brown et al., "Smooth-AP", ECCV 2020)
    bins    J(x') = - AP over bins of distance (He et al., CVPR 2018; as Ding et al., TIFS 2021,
            use it for universal perturbations)

The loop is that of Auto-PGD; the attacker knows the gallery that ranks, its labels included.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field
from torch import Tensor

from attacks.apgd import GalleryAttack, GalleryConfig, RankedGallery
from benchmark.core.plugin import Card
from benchmark.metrics.soft_ap import smooth_ap_loss, soft_average_precision


class SoftAP(GalleryAttack):
    """Soft AP: lower a differentiable average precision of the query over the gallery."""

    card: ClassVar[Card] = Card(
        title="Soft AP",
        paper="Smooth-AP of Brown et al., ECCV 2020, with the loop of Croce & Hein, ICML 2020",
        references=("brown2020", "croce2020"),
        notes="As an attack, form, temperature 0.03, start at the clean image: chosen, the "
        "strongest on SynthPed with and without adversarial training. Bins mask gradients where "
        "all wrong images are bins away from the matches.",
    )

    class Config(GalleryConfig):
        """Options."""

        form: Literal["smooth", "bins"] = "smooth"
        """How AP gets a gradient: ranks through sigmoids, or bins of distance."""
        temperature: float = Field(default=0.03, ge=0.01)
        """Width of the sigmoids in cosine; below 0.01 they lose their gradient in float32."""
        bins: int = Field(default=10, ge=2)
        """Bins of distance, 0 to 2."""

    config: Config

    def objective(self, vectors: Tensor, state: object) -> Tensor:
        """Return the loss of soft AP; (B,)."""
        assert isinstance(state, RankedGallery)
        config, cosines = self.config, state.cosines(vectors)
        if config.form == "smooth":
            return smooth_ap_loss(
                cosines, state.positive, state.valid, config.temperature, state.most
            )
        distances = (2 - 2 * cosines).clamp_min(1e-12).sqrt()
        return -soft_average_precision(distances, state.positive, state.valid, config.bins)
