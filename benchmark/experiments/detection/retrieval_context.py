"""What a detector sees: how several encoders retrieve for one query, and whether they agree.

After Wang et al., "Multi-Expert Adversarial Attack Detection in Person Re-identification Using
Context Inconsistency" (ICCV 2021), from a description of it. Each expert m retrieves a support set
S_m(q), its K nearest gallery images. The context of a query is

    (a) cos_m(q, s)            for s in S_m(q)              query to support
    (b) cos_m(s, s')           for s, s' in S_m(q)          support to support
    (c) |S_m n S_n| / |S_m u S_n|, and cos_n(q, s) for s in S_m(q), n other than m
                                                            across experts

Published claims: an attack enlarges the distances of (a) and (b), and lessens the agreement of (c).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, permutations

import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class ContextExtractor:
    """Extracts the context of a query from the galleries of the experts.

    Attributes:
        galleries: For each expert, (G, D_m) unit embeddings of the same gallery.
        camids: (G,) cameras. Images of the query's own camera are not retrieved; so none of the
            identity's own that a ranking leaves out is, and no identity need be known.
        k: Size of a support set.
    """

    galleries: tuple[Tensor, ...]
    camids: Tensor
    k: int

    @property
    def width(self) -> int:
        """Number of features of a query."""
        experts, k = len(self.galleries), self.k
        within = experts * (k + k * (k - 1) // 2)
        return within + experts * (experts - 1) // 2 + experts * (experts - 1) * k

    def parts(self, joined: Tensor) -> list[Tensor]:
        """Return the unit embeddings of each expert from (B, D_1 + D_2 + ...) joined ones."""
        widths = [gallery.shape[1] for gallery in self.galleries]
        return [F.normalize(part) for part in torch.split(joined, widths, dim=1)]

    def features(self, queries: Sequence[Tensor], camids: Tensor) -> Tensor:
        """Return the context of each query, (B, `width`).

        It is differentiable in the queries where the support sets do not change: nothing flows
        through which images are retrieved, so nothing through (b) and the overlap of (c).

        Args:
            queries: For each expert, (B, D_m) unit embeddings.
            camids: (B,) cameras of the queries.
        """
        barred = camids[:, None] == self.camids[None, :]
        affinities = [q @ gallery.T for q, gallery in zip(queries, self.galleries, strict=True)]
        supports = [self._support(one, barred) for one in affinities]
        pieces = [one.gather(1, rows) for one, rows in zip(affinities, supports, strict=True)]
        upper = torch.triu_indices(self.k, self.k, 1, device=self.camids.device)
        for gallery, rows in zip(self.galleries, supports, strict=True):
            chosen = gallery[rows]
            pieces.append((chosen @ chosen.mT)[:, upper[0], upper[1]])
        for first, second in combinations(supports, 2):
            pieces.append(_overlap(first, second)[:, None])
        for m, n in permutations(range(len(supports)), 2):
            pieces.append(affinities[n].gather(1, supports[m]))
        return torch.cat(pieces, dim=1)

    def _support(self, affinities: Tensor, barred: Tensor) -> Tensor:
        """Return the (B, k) rows of the nearest images; of equals the first in the gallery."""
        open_to = affinities.detach().masked_fill(barred, -torch.inf)
        return open_to.sort(dim=1, descending=True, stable=True).indices[:, : self.k]


def largest_k(query_camids: Tensor, gallery_camids: Tensor) -> int:
    """Return how many images of other cameras every query has at least."""
    return int((query_camids[:, None] != gallery_camids[None, :]).sum(1).min())


def _overlap(first: Tensor, second: Tensor) -> Tensor:
    """Return the Jaccard index (B,) of sets of (B, k) distinct rows."""
    shared = (first[:, :, None] == second[:, None, :]).sum((1, 2)).to(torch.float32)
    return shared / (first.shape[1] + second.shape[1] - shared)
