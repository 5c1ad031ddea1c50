"""UAP: one perturbation that turns all embeddings away from where they were.

The universal perturbation of Moosavi-Dezfooli et al. (CVPR 2017) with the metric objective that
query-efficient attacks on person re-identification start from:

    L(delta) = mean over x of cos(f(x + delta), f(x)),  to be minimised
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor
from torch.nn import functional as F

from attacks.trained_first import TrainingBatch
from attacks.universal import TINY, UniversalAttack
from benchmark.core.plugin import Card


class UAP(UniversalAttack):
    """UAP: a universal perturbation away from the clean embeddings; no labels needed."""

    card: ClassVar[Card] = Card(
        title="Universal adversarial perturbation",
        paper="After Moosavi-Dezfooli et al., Universal Adversarial Perturbations, CVPR 2017",
        references=("moosavi-dezfooli2017",),
        notes="Metric form: cosine to the clean embedding, steps of eps/8, momentum 1, gradient "
        "over mean magnitude, start U(±1e-3) at 8/255.",
    )
    step_share: ClassVar[float] = 1 / 8
    start: ClassVar[float] = 1e-3 * 255 / 8

    def loss(self, images: Tensor, embeddings: Tensor, batch: TrainingBatch) -> Tensor:
        """Return the mean cosine to the clean embeddings."""
        return F.cosine_similarity(embeddings, batch.clean).mean()

    def scaled(self, gradient: Tensor) -> Tensor:
        """Return the gradient over its mean magnitude."""
        return gradient / gradient.abs().mean().clamp_min(TINY)
