"""Attackers who know the detector: they hurt the ranking and keep the detector calm at once.

    J(x') = damage(x') - weight * softplus(logit(x'))

by PGD in the same ball as every attack, through all experts, with the support sets of the detector
chosen anew at each step. The softplus of the logit is the detector's own loss if it is told that
the image is benign: linear where it suspects, flat once it is calm, so that no budget is spent on
more calm than is needed. Two kinds of damage:

    push    ||f_0(x') - p_0||^2, away from the true matches under the target alone
    decoy   mean over experts m of  cos_m(x', d_m) - cos_m(x', p_m)

p_m is the mean of the true matches that ranking counts. d_m is the mean of one other identity, the
same for all experts, in cameras that the detector may retrieve from: the one that they find nearest
to the clean query on average. All experts then retrieve one wrong person, and their contexts agree
as those of a benign query do. That is the answer to what no gradient tells: which images are
retrieved.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.core.attack_batch import AttackBatch
from benchmark.core.errors import DataError
from benchmark.core.guides import Guides
from benchmark.core.iterated_attack import BudgetShare, IteratedAttack, IteratedConfig, Steps
from benchmark.core.plugin import Card
from benchmark.experiments.detection.detector import Detector
from benchmark.experiments.detection.retrieval_context import ContextExtractor

Strategy = Literal["push", "decoy"]


@dataclass(frozen=True)
class _Aim:
    camids: Tensor
    away: list[Tensor]
    """For each expert, (B, D_m) means of the true matches; own clean embedding if there is none."""
    toward: list[Tensor]
    """For each expert, (B, D_m) means of the decoy."""


class Evading(IteratedAttack):
    """An attack through all experts that lowers the score of a detector on its way.

    It is given the experts as one encoder (`SurrogateEnsemble`), and guides that are joined in the
    same way. It is part of the detection protocol and not in the registry: without a detector there
    is nothing to evade.

    Attributes:
        extractor: The experts' galleries.
        detector: What it evades.
    """

    name = "evading"
    card: ClassVar[Card] = Card(title="Attack on ranking and detector")
    extractor: ContextExtractor
    detector: Detector

    class Config(IteratedConfig):
        """Options."""

        steps: Steps | None = 40
        start: BudgetShare = 1.0
        strategy: Strategy = "push"
        """What hurts the ranking."""
        weight: float = Field(default=1.0, ge=0)
        """Weight of the detector's loss."""

    config: Config

    def begin(self, batch: AttackBatch) -> _Aim:
        """Return the guides of each expert, on clean embeddings."""
        guides = batch.gallery_guides
        mask = guides.positive_mask(batch.pids, batch.camids, batch.gallery_rows)
        clean = self.extractor.parts(batch.clean)
        galleries = self.extractor.galleries
        chosen = decoys(guides, clean, galleries, batch.pids, batch.camids, self.extractor.k)
        pairs = list(zip(galleries, clean, strict=True))
        return _Aim(
            camids=batch.camids,
            away=[_mean(mask.to(own.dtype), gallery, own) for gallery, own in pairs],
            toward=[_mean(chosen.to(own.dtype), gallery, own) for gallery, own in pairs],
        )

    def objective(self, vectors: Tensor, state: object) -> Tensor:
        """Return damage minus the weighted loss of the detector at joined embeddings; (B,)."""
        assert isinstance(state, _Aim)
        parts = self.extractor.parts(vectors)
        if self.config.strategy == "push":
            damage = (parts[0] - state.away[0]).square().sum(1)
        else:
            gains = [
                (part * (toward - away)).sum(1)
                for part, toward, away in zip(parts, state.toward, state.away, strict=True)
            ]
            damage = torch.stack(gains).mean(0)
        if not self.config.weight:
            return damage
        logits = self.detector.logits(self.extractor.features(parts, state.camids))
        return damage - self.config.weight * F.softplus(logits)

    def value(
        self, encoder: nn.Module, images: Tensor, state: object, batch: AttackBatch
    ) -> Tensor:
        """Return (B,) values to maximise; the parts are put on the unit sphere one by one."""
        return self.objective(encoder(images), state)


def decoys(
    guides: Guides,
    clean: list[Tensor],
    galleries: tuple[Tensor, ...],
    pids: Tensor,
    camids: Tensor,
    k: int,
) -> Tensor:
    """Return (B, N), true for the images of each query's decoy.

    The decoy is the identity that the experts find nearest on average, by its images in other
    cameras than the query's, which alone the detector retrieves. Identities that can fill a support
    set of `k` such images come first.

    Raises:
        DataError: No other identity was seen by another camera.
    """
    identities = guides.identities
    shown = (guides.pids[None, :] == identities[:, None]).to(clean[0].dtype)
    retrievable = (guides.camids[None, :] != camids[:, None]).to(clean[0].dtype)
    counts = retrievable @ shown.T
    total = torch.zeros_like(counts)
    for own, gallery in zip(clean, galleries, strict=True):
        total += (own @ gallery.T * retrievable) @ shown.T / counts.clamp_min(1)
    other = (pids[:, None] != identities[None, :]) & (counts > 0)
    if not bool(other.any(1).all()):
        raise DataError(
            "a query has no decoy: no other camera of the gallery shows another identity",
            "use a gallery of several identities in several cameras",
        )
    full = other & (counts >= k)
    allowed = torch.where(full.any(1, keepdim=True), full, other)
    found = identities[total.masked_fill(~allowed, -torch.inf).argmax(1)]
    return (guides.pids[None, :] == found[:, None]) & retrievable.bool()


def _mean(weights: Tensor, gallery: Tensor, fallback: Tensor) -> Tensor:
    """Return the (B, D) weighted mean of gallery rows, or the fallback where nothing weighs."""
    count = weights.sum(1, keepdim=True)
    return torch.where(count > 0, weights @ gallery / count.clamp_min(1), fallback)
