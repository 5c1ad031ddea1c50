"""Auto-PGD on objectives of retrieval: the soft nearest-neighbour margin, FNA and SMA.

Croce and Hein (ICML 2020) climb a classifier's loss. A ranking has no classes, but Rank-1 is wrong
exactly where the nearest wrong image is nearer than the nearest match. With the cosines c_g to the
gallery images that ranking counts and a scale s, the smooth form of that margin is

    J(x') = (log sum over wrong g of exp(s c_g) - log sum over matching g of exp(s c_g)) / s
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from attacks.fna import FNA
from attacks.sma import SMA
from benchmark.core.attack_batch import AttackBatch
from benchmark.core.auto_pgd import AutoPGD, AutoPGDConfig
from benchmark.core.iterated_attack import BudgetShare, Steps
from benchmark.core.plugin import Card

_LOOP = "Croce & Hein, Auto-PGD, ICML 2020"


@dataclass(frozen=True)
class RankedGallery:
    """The gallery as a batch of images is ranked against it.

    Attributes:
        vectors: (N, D) unit clean embeddings.
        clean: (B, D) unit clean embeddings of the images: their match where they have no other.
        positive: (B, N + 1) matches; the last column is `clean`.
        valid: (B, N + 1) what is ranked.
        most: Largest number of matches of an image.
    """

    vectors: Tensor
    clean: Tensor
    positive: Tensor
    valid: Tensor
    most: int

    @classmethod
    def of(cls, batch: AttackBatch) -> RankedGallery:
        """Leave out junk, matches of the same camera and the images themselves."""
        guides, clean = batch.gallery_guides, F.normalize(batch.clean)
        matches = guides.positive_mask(batch.pids, batch.camids, batch.gallery_rows)
        same = guides.positive_mask(batch.pids)
        columns = torch.arange(len(guides.pids), device=same.device)
        others = columns[None, :] != batch.gallery_rows[:, None]
        wrong = ~guides.junk[None, :] & others & ~same
        alone = ~matches.any(1, keepdim=True)
        positive = torch.cat([matches, alone], 1)
        valid = torch.cat([matches | wrong, alone], 1)
        most = int(positive.sum(1).max())
        return cls(guides.vectors(unit=True), clean, positive, valid, most)

    def cosines(self, vectors: Tensor) -> Tensor:
        """Return (B, N + 1) cosines of (B, D) unit vectors with each column."""
        own = (vectors * self.clean).sum(1, keepdim=True)
        return torch.cat([vectors @ self.vectors.T, own], 1)


class GalleryConfig(AutoPGDConfig):
    """Options of an attack on the ranking of the gallery."""

    unit: Literal[True] = True
    """The ranking compares unit embeddings."""


class GalleryAttack(AutoPGD):
    """Base of attacks whose objective is about the whole gallery."""

    Config: ClassVar[type[GalleryConfig]] = GalleryConfig
    config: GalleryConfig

    def begin(self, batch: AttackBatch) -> RankedGallery:
        """Return the gallery that the images are ranked against."""
        return RankedGallery.of(batch)


class APGDSoftNN(GalleryAttack):
    """APGD on the soft nearest-neighbour margin: the nearest wrong image before the matches."""

    card: ClassVar[Card] = Card(
        title="APGD, soft nearest-neighbour margin",
        paper=_LOOP,
        references=("croce2020",),
        notes="The margin, its scale of 10, 20 steps, start at the clean image: chosen; larger "
        "scales break more Rank-1 and leave a higher mAP.",
    )

    class Config(GalleryConfig):
        """Options."""

        scale: float = Field(default=10.0, gt=0)
        """Factor s of the cosines: the larger, the more the nearest images decide."""

    config: Config

    def objective(self, vectors: Tensor, state: object) -> Tensor:
        """Return the margin of the wrong images over the matches in cosine; (B,)."""
        assert isinstance(state, RankedGallery)
        logits = self.config.scale * state.cosines(vectors)
        wrong = _log_sum_exp(logits, state.valid & ~state.positive)
        return (wrong - _log_sum_exp(logits, state.positive)) / self.config.scale


def _log_sum_exp(logits: Tensor, chosen: Tensor) -> Tensor:
    """Return (B,) log sum of exp over the chosen columns; 0 where there is none."""
    total = logits.masked_fill(~chosen, -torch.inf).logsumexp(1)
    return total.where(chosen.any(1), 0)


class APGDFNA(AutoPGD, FNA):
    """APGD on the objective of FNA."""

    card: ClassVar[Card] = Card(
        title="APGD, furthest negative",
        paper=f"{_LOOP}; Bouniot et al., CVPRW 2020",
        references=("croce2020", "bouniot2020"),
        notes="20 steps from the clean image: chosen. Guides are the query set's, as in FNA.",
    )

    class Config(AutoPGDConfig, FNA.Config):
        """Options."""

        steps: Steps | None = 20

    config: Config


class APGDSMA(AutoPGD, SMA):
    """APGD on the objective of SMA, from a random start."""

    card: ClassVar[Card] = Card(
        title="APGD, self metric",
        paper=f"{_LOOP}; Bouniot et al., CVPRW 2020",
        references=("croce2020", "bouniot2020"),
        notes="20 steps: chosen. The start is random in the whole ball; at the clean image the "
        "gradient vanishes.",
    )

    class Config(AutoPGDConfig, SMA.Config):
        """Options."""

        steps: Steps | None = 20
        start: BudgetShare = Field(default=1.0, gt=0)

    config: Config
