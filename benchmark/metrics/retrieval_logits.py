"""Identity logits: retrieval as a classifier over the gallery's identities, for classifier attacks.

With unit vectors f of an image and f_g of the gallery, s the scale and V what ranking leaves of
the gallery for this image, class k has the logit

    nearest       z_k = -s * min over g of class k in V of ||f - f_g||^2
    soft-nearest  z_k = log sum over g of class k in V of exp(-s ||f - f_g||^2)
    centroid      z_k = -s ||f - c_k||^2,   c_k = unit mean of f_g over class k in V

Under ``nearest`` the largest logit is that of the own class exactly when Rank-1 is correct. At a
tie the ranking is pessimistic (the match comes last); an argmax is not, it takes the first class.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmark.core.guides import Guides

LogitKind = Literal["nearest", "soft-nearest", "centroid"]

ABSENT_MARGIN = 100.0
"""How far the logit of a class without images lies below any that an image can have."""


def class_indices(gallery: Guides, pids: Tensor) -> Tensor:
    """Return (B,) the class of each identity; -1 where the gallery has no image of it."""
    identities = gallery.identities
    if not len(identities):
        return torch.full_like(pids, -1)
    index = torch.searchsorted(identities, pids).clamp_max_(len(identities) - 1)
    return torch.where(identities[index] == pids, index, -1)


def identity_logits(
    embeddings: Tensor,
    gallery: Guides,
    pids: Tensor,
    camids: Tensor,
    kind: LogitKind,
    scale: float,
    *,
    own_rows: Tensor | None = None,
) -> Tensor:
    """Return (B, K) logits over the sorted `gallery.identities`.

    Distractors, if there are any, are one further class at the end; junk is left out.

    Args:
        embeddings: (B, D) of the images, not normalised.
        gallery: Clean gallery.
        pids: (B,) identities of the images.
        camids: (B,) cameras whose gallery images of the same identity do not count; -1 for none.
        kind: Which logits; see the module.
        scale: Factor of the squared distances, positive.
        own_rows: (B,) row of each image in the gallery, which does not count; -1 for none.

    Returns:
        Finite logits, at least -4 scale; a class without an image that counts has
        -(8 scale + `ABSENT_MARGIN`).
    """
    classes = IdentityClasses(gallery)
    return classes.logits(embeddings, classes.hidden(pids, camids, own_rows), kind, scale)


class IdentityClasses:
    """The classes of a gallery, made once for many images.

    Args:
        gallery: Clean gallery.

    Attributes:
        count: Number of classes K.
    """

    def __init__(self, gallery: Guides) -> None:
        self._rows = torch.nonzero(~gallery.junk)[:, 0]
        self._people = gallery.people[self._rows]
        self._pids = gallery.pids[self._rows]
        self._camids = gallery.camids[self._rows]
        self._vectors = gallery.vectors(unit=True)[self._rows]
        identities = len(gallery.identities)
        index = class_indices(gallery, self._pids).where(self._people, -1)
        self._index = torch.where(index < 0, identities, index)
        self.count = identities + int((index < 0).any())
        self._blocks = [_block(self._index, 0, identities)] if identities else []
        if self.count > identities:  # many distractors would pad the slots of every identity
            self._blocks.append(_block(self._index, identities, self.count))

    def hidden(self, pids: Tensor, camids: Tensor, own_rows: Tensor | None = None) -> Tensor:
        """Return (B, G) what does not count for each image; see `identity_logits`.

        G is the gallery without its junk.
        """
        mask = (self._pids == pids[:, None]) & (self._camids == camids[:, None])
        mask &= self._people & (camids >= 0)[:, None]
        if own_rows is not None:
            mask |= self._rows == own_rows[:, None]
        return mask

    def present(self, hidden: Tensor) -> Tensor:
        """Return (B, K) whether a class has an image that counts."""
        parts = [(~hidden[:, slots] & real).any(-1) for slots, real in self._blocks]
        return torch.cat(parts, dim=1)

    def logits(self, embeddings: Tensor, hidden: Tensor, kind: LogitKind, scale: float) -> Tensor:
        """Return (N, K) logits.

        Args:
            embeddings: (N, D).
            hidden: (N, G) or (1, G) from `hidden`.
            kind: Which logits.
            scale: Factor of the squared distances.
        """
        unit = F.normalize(embeddings)
        if kind == "centroid":
            similarity = self._centroid_similarity(unit, hidden)
            scores = -2 * scale * (1 - similarity)
        else:
            distances = 2 * (1 - unit @ self._vectors.T)
            scores = self._reduced(-scale * distances, hidden, kind)
        return scores.masked_fill(~self.present(hidden), -(8 * scale + ABSENT_MARGIN))

    def _reduced(self, scores: Tensor, hidden: Tensor, kind: LogitKind) -> Tensor:
        """Return (N, K) from the (N, G) scores of single images."""
        parts = []
        for slots, real in self._blocks:
            counts = ~hidden[:, slots] & real
            # A row without any image would have gradients 0/0: it keeps its scores, unused.
            dropped = ~counts & counts.any(-1, keepdim=True)
            kept = scores[:, slots].masked_fill(dropped, -torch.inf)
            parts.append(kept.amax(-1) if kind == "nearest" else kept.logsumexp(-1))
        return torch.cat(parts, dim=1)

    def _centroid_similarity(self, unit: Tensor, hidden: Tensor) -> Tensor:
        """Return (N, K) cosine with the centroid of what counts of each class."""
        sums = unit.new_zeros(self.count, unit.shape[1])
        sums.index_add_(0, self._index, self._vectors)
        similarity = unit @ F.normalize(sums).T
        rows, columns = torch.nonzero(hidden, as_tuple=True)
        pairs, which = torch.unique(rows * self.count + self._index[columns], return_inverse=True)
        if not len(pairs):
            return similarity
        # Classes of which an image is hidden: their sum without it, for each image that hides it.
        images, classes = pairs // self.count, pairs % self.count
        partial = sums[classes].index_add(0, which, -self._vectors[columns])
        partial = F.normalize(partial)
        if len(hidden) == 1:
            return similarity.index_copy(1, classes, unit @ partial.T)
        return similarity.index_put((images, classes), (unit[images] * partial).sum(1))


def _block(index: Tensor, first: int, last: int) -> tuple[Tensor, Tensor]:
    """Return (K, M) gallery rows of the classes `first` to `last`, padded, and which are real."""
    order = torch.argsort(index, stable=True)
    counts = torch.bincount(index, minlength=last)
    starts = (counts.cumsum(0) - counts)[first:last, None]
    column = torch.arange(int(counts[first:last].max()), device=index.device)
    real = column < counts[first:last, None]
    slots = order[(starts + column).clamp_max_(len(order) - 1)]
    return slots, real
