"""Guides: clean embeddings that tell an attacker where to push and where to pull."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from functools import cache, cached_property

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmark.core.image_set import ImageSet

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Guides:
    """Clean embeddings of a set of images, computed once in eval mode and detached.

    Attributes:
        embeddings: (N, D), as the encoder returns them (not normalised).
        pids: (N,) identities.
        camids: (N,) cameras.
        junk: (N,) bool; these images are not ranked and never guide. Unset: none is junk.
        distractor: (N,) bool; these are wrong for everybody and never guide. Unset: none is one.
        known: Sorted identities, (K,), where all images guide and the caller has them at hand: to
            find them on a device waits for it.
    """

    embeddings: Tensor
    pids: Tensor
    camids: Tensor
    junk: Tensor = field(default=None, kw_only=True)  # type: ignore[assignment]
    distractor: Tensor = field(default=None, kw_only=True)  # type: ignore[assignment]
    known: Tensor | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        for flag in ("junk", "distractor"):
            if getattr(self, flag) is None:
                none = torch.zeros_like(self.pids, dtype=torch.bool)
                object.__setattr__(self, flag, none)

    @staticmethod
    def of(images: ImageSet, embeddings: Tensor, device: torch.device) -> Guides:
        """Return the guides of a set on a device, from its (N, D) clean embeddings.

        They are copied: what attacks write on must not be what is ranked.
        """
        return Guides(
            embeddings.to(device, copy=True),
            torch.from_numpy(images.pids).to(device),
            torch.from_numpy(images.camids).to(device),
            junk=torch.from_numpy(images.junk).to(device),
            distractor=torch.from_numpy(images.distractor).to(device),
        )

    @cached_property
    def people(self) -> Tensor:
        """Which images guide: (N,) bool, neither junk nor distractor."""
        return ~(self.junk | self.distractor)

    @cached_property
    def identities(self) -> Tensor:
        """Sorted identities of the people, (K,)."""
        if self.known is not None:
            return self.known
        identities: Tensor = torch.unique(self.pids[self.people])
        return identities

    def vectors(self, unit: bool) -> Tensor:
        """Return the embeddings, on the unit sphere if `unit`."""
        return F.normalize(self.embeddings) if unit else self.embeddings

    def centroids(self, unit: bool) -> Tensor:
        """Return the (K, D) mean vector of each identity, in the order of `identities`."""
        return self._unit_centroids if unit else self._raw_centroids

    @cached_property
    def _unit_centroids(self) -> Tensor:
        return self._mean_by_identity(F.normalize(self.embeddings))

    @cached_property
    def _raw_centroids(self) -> Tensor:
        return self._mean_by_identity(self.embeddings)

    def _mean_by_identity(self, vectors: Tensor) -> Tensor:
        if vectors.is_cuda and self.known is not None:
            # A training repeats itself bit for bit; index_add_ adds in no fixed order there.
            own = (self.known[:, None] == self.pids[None, :]).to(vectors.dtype)
            return own @ vectors / own.sum(1, keepdim=True)
        kept = slice(None) if self.known is not None else self.people
        index = torch.searchsorted(self.identities, self.pids[kept])
        sums = vectors.new_zeros(len(self.identities), vectors.shape[1])
        counts = index.new_zeros(len(self.identities))  # bincount would wait for the device
        counts.index_add_(0, index, torch.ones_like(index))
        return sums.index_add_(0, index, vectors[kept]) / counts[:, None]

    def positive_mask(
        self, pids: Tensor, camids: Tensor | None = None, own_rows: Tensor | None = None
    ) -> Tensor:
        """Return (B, N), true where a guide shares the identity of an image.

        Args:
            pids: (B,) identities of the images.
            camids: (B,) cameras; if given, guides of the same camera are left out, as in ranking.
            own_rows: (B,) row of each image among the guides, -1 for none; that row is left out.
        """
        mask = (self.pids[None, :] == pids[:, None]) & self.people[None, :]
        if camids is not None:
            mask &= self.camids[None, :] != camids[:, None]
        if own_rows is not None:
            columns = torch.arange(len(self.pids), device=mask.device)
            mask &= columns[None, :] != own_rows[:, None]
        return mask

    def has_other(self, pids: Tensor) -> Tensor:
        """Return (B,), true where some guide has another identity than one of (B,) `pids`."""
        return (self.identities[None, :] != pids[:, None]).any(1)

    def farthest_negative(self, vectors: Tensor, pids: Tensor, unit: bool) -> tuple[Tensor, Tensor]:
        """Return the centroid farthest from each vector among other identities.

        Args:
            vectors: (B, D) clean vectors, unit if `unit`.
            pids: (B,) their identities.
            unit: Whether guides are compared on the unit sphere.

        Returns:
            Centroids (B, D) and their identities (B,). Where there is no other identity
            (`has_other`), there is none to be far from: the vector itself, and 0.
        """
        if not len(self.identities):
            _warn_of_no_negative()
            return vectors, torch.zeros_like(pids)
        centroids = self.centroids(unit)
        distances = torch.cdist(vectors, centroids, compute_mode="donot_use_mm_for_euclid_dist")
        distances.masked_fill_(pids[:, None] == self.identities[None, :], -1.0)
        index = distances.argmax(1)
        found, identities = centroids[index], self.identities[index]
        if len(self.identities) > 1:
            return found, identities
        other = self.has_other(pids)
        if not bool(other.all()):
            _warn_of_no_negative()
        return found.where(other[:, None], vectors), identities.where(other, 0)


@dataclass(frozen=True)
class Companions(Guides):
    """Guides for a batch that may hold some of its images.

    Attributes:
        rows: (B,) row of each image of the batch among them, -1 where it is not.
    """

    rows: Tensor


@cache
def _warn_of_no_negative() -> None:
    """Warn once."""
    logger.warning(
        "all images that guide show one identity: attacks that pull toward the farthest other "
        "identity have none to pull to, and only push"
    )


def mean_positive(guides: Guides, mask: Tensor, fallback: Tensor, unit: bool) -> Tensor:
    """Return the mean guide of each image under `mask`, or its `fallback` where none is left.

    Args:
        guides: The guides.
        mask: (B, N) choice of guides.
        fallback: (B, D) used where a row of `mask` is empty.
        unit: Whether guides are on the unit sphere.
    """
    weights = mask.to(fallback.dtype)
    count = weights.sum(1, keepdim=True)
    mean = weights @ guides.vectors(unit) / count.clamp_min(1)
    return torch.where(count > 0, mean, fallback)
