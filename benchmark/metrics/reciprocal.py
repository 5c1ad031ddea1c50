"""k-reciprocal re-ranking of a gallery, for each query by itself, in bounded memory.

Zhong et al., "Re-ranking Person Re-identification with k-reciprocal Encoding", CVPR 2017. With the
distance d(x, y), scaled by the largest one of x, and N(x, k) the k nearest gallery images of x:

    R(x, k)  = {y in N(x, k): x in N(y, k)}                                            (eq. 2)
    R*(x, k) = R(x, k), and R(q, k/2) of each q in R(x, k) of which at least two thirds
               lie in R(x, k)                                                          (eq. 3)
    V(x)_y   = exp(-d(x, y)) for y in R*(x, k1), else 0                                (eq. 7)
    V(x)     = mean of V over x and its nearest images, k2 in all                      (eq. 11)
    d_J(x,y) = 1 - sum_j min(V(x)_j, V(y)_j) / sum_j max(V(x)_j, V(y)_j)               (eq. 10)
    result   = (1 - lambda) d_J + lambda d                                             (eq. 12)

As in the authors' code, a gallery image is its own nearest one, beside k others, and V is divided
by its sum before the mean of eq. 11. A query sees the gallery and itself, never other queries: it
is in N(y, k) if it is as near to y as the k-th other image of the gallery is, and gallery images
are encoded among themselves. So the result of a query does not depend on what else is asked.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from benchmark.core.reranking import Reranking
from benchmark.metrics.distance import each_distance_block, unit_rows
from benchmark.metrics.sparse_rows import SparseRows

_ROWS = 512
"""Images that are encoded at once."""

_PAIRS = 2**13
"""Pairs of gallery images whose vectors are held at once."""

_SCORES = 2**22
"""Similarities of encodings that are held at once."""

_NEAREST_SCALE = 1e-6
"""Smallest distance that others are divided by: what is less is float32's rounding."""


class EncodedGallery:
    """A gallery of G images with what re-ranking needs to know of each.

    Args:
        embeddings: (G, D), need not be normalised.
        junk: bool (G,), true for images that are no neighbours of anything; None for none.
        options: The options.
        device: Where to compare; None for where the embeddings are.
    """

    def __init__(
        self,
        embeddings: Tensor,
        junk: ArrayLike | None,
        options: Reranking,
        device: torch.device | None = None,
    ) -> None:
        images = len(embeddings)
        left_out = np.zeros(images, bool) if junk is None else np.asarray(junk, bool)
        self._options, self._junk = options, torch.from_numpy(np.flatnonzero(left_out))
        self._k1 = min(options.k1, max(images - len(self._junk) - 1, 0))
        self._half = min(self._k1, max(1, round(self._k1 / 2)))
        self._embeddings = embeddings
        self._search(device)
        self._half_reciprocal = self._reciprocal(self._half)
        self._encoded = self._encode_gallery()
        expanded = self._encoded.means(self._near[:, : options.k2])
        self._sums = expanded.sums()
        self._shown_by = expanded.transposed(images)

    def rerank(self, distances: Tensor) -> None:
        """Overwrite distances (B, G) of queries to the gallery by re-ranked ones."""
        farthest = self._farthest(distances)
        near = distances.topk(self._k1, dim=1, largest=False)
        found, rows = near.indices.cpu().numpy(), np.arange(len(distances))
        reciprocal = near.values.cpu().numpy() <= self._radius[found]
        members = [
            self._members(found[part], reciprocal[part], part.start)
            for part in _parts(len(found), _ROWS)
        ]
        owners, columns = (np.concatenate(side) for side in zip(*members, strict=True))
        index = [torch.from_numpy(side).to(distances.device) for side in (owners, columns)]
        away = (distances[index[0], index[1]] / farthest[index[0], 0]).cpu().numpy()
        own = SparseRows.of(len(rows), owners, columns, np.exp(-away)).normalised()
        # The mean over the query itself and its k2 - 1 nearest images of the gallery.
        others = found[:, : self._options.k2 - 1]
        both = SparseRows.stacked(own, self._encoded)
        mean = both.means(np.concatenate([rows[:, None], len(rows) + others], axis=1))
        distances.mul_(self._options.original_weight / farthest)
        sums = mean.sums()
        for part in _parts(len(rows), min(_ROWS, max(1, _SCORES // len(self._sums)))):
            shared = mean.shared(part, self._shown_by, len(self._sums))
            similar = shared / np.maximum(sums[part, None] + self._sums - shared, 1e-12)
            jaccard = torch.from_numpy(1 - similar).to(distances)
            distances[part].add_(jaccard, alpha=1 - self._options.original_weight)

    def _farthest(self, distances: Tensor) -> Tensor:
        """Return the largest distance of each row (B, 1); junk is at infinity afterwards."""
        junk = self._junk.to(distances.device)
        farthest = distances.index_fill_(1, junk, -torch.inf).amax(1, keepdim=True)
        distances.index_fill_(1, junk, torch.inf)
        return farthest.clamp_min_(_NEAREST_SCALE)

    def _search(self, device: torch.device | None) -> None:
        """Find the nearest images of each gallery image, itself first."""
        images = len(self._embeddings)
        self._near = np.empty((images, self._k1 + 1), np.int64)
        self._radius = np.empty(images, np.float32)
        self._scale = np.empty(images, np.float32)
        for chunk in _parts(images, 2**13):

            def search(part: slice, distances: Tensor, first: int = chunk.start) -> None:
                rows = slice(first + part.start, first + part.stop)
                scale = self._farthest(distances)
                own = torch.arange(rows.start, rows.stop, device=distances.device)[:, None]
                near = distances.scatter_(1, own, -1).topk(self._k1 + 1, dim=1, largest=False)
                self._near[rows] = near.indices.cpu().numpy()
                self._radius[rows] = near.values[:, -1].cpu().numpy()
                self._scale[rows] = scale[:, 0].cpu().numpy()

            each_distance_block(self._embeddings[chunk], self._embeddings, search, device=device)

    def _reciprocal(self, k: int) -> NDArray[np.bool_]:
        """Return (G, k + 1), true where an image is among the k nearest of its neighbour, too."""
        near, found = self._near[:, : k + 1], np.empty((len(self._near), k + 1), bool)
        for part in _parts(len(near), _ROWS):
            own = np.arange(part.start, part.stop)
            found[part] = (near[near[part]] == own[:, None, None]).any(2)
        return found

    def _encode_gallery(self) -> SparseRows:
        """Return V of each gallery image, before the mean of eq. 11."""
        reciprocal = self._reciprocal(self._k1)
        parts = []
        for part in _parts(len(self._near), _ROWS):
            owners, columns = self._members(self._near[part], reciprocal[part], part.start)
            away = np.empty(len(owners), np.float32)
            for pairs in _parts(len(owners), _PAIRS):
                first = unit_rows(self._embeddings[torch.from_numpy(owners[pairs])])
                second = unit_rows(self._embeddings[torch.from_numpy(columns[pairs])])
                away[pairs] = (1 - (first * second).sum(1)).cpu().numpy()
            away[owners == columns] = 0
            parts.append((owners, columns, np.exp(-away / self._scale[owners])))
        owners, columns, values = (np.concatenate(side) for side in zip(*parts, strict=True))
        return SparseRows.of(len(self._near), owners, columns, values).normalised()

    def _members(
        self, near: NDArray[np.int64], reciprocal: NDArray[np.bool_], first: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return R* of some images (eq. 3) as pairs of image and member, sorted.

        Args:
            near: (B, K) nearest gallery images.
            reciprocal: (B, K) which of them are R.
            first: Number of the first image.
        """
        theirs = self._near[near][:, :, : self._half + 1]
        valid = self._half_reciprocal[near] & reciprocal[:, :, None]
        mine = np.where(reciprocal, near, -1)
        shared = valid & (theirs[..., None] == mine[:, None, None, :]).any(3)
        accepted = 3 * shared.sum(2) >= 2 * valid.sum(2)
        members = np.concatenate([near, theirs.reshape(len(near), -1)], axis=1)
        chosen = np.concatenate(
            [reciprocal, (valid & accepted[:, :, None]).reshape(len(near), -1)], axis=1
        )
        owners = np.broadcast_to(np.arange(first, first + len(near))[:, None], members.shape)
        keys = np.unique(owners[chosen] * len(self._near) + members[chosen])
        return keys // len(self._near), keys % len(self._near)


def _parts(count: int, size: int) -> list[slice]:
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]
