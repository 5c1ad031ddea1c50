"""Target identities of attacks that impersonate somebody or rank somebody down."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from benchmark.core.errors import DataError
from benchmark.core.guides import Guides
from benchmark.core.seeding import derive_seed
from benchmark.core.threat import TargetRule
from benchmark.data.records import ImageSet


def choose_targets(
    rule: TargetRule, query: ImageSet, query_guides: Guides, gallery_guides: Guides, seed: int
) -> NDArray[np.int64]:
    """Return (Q,) the identity in the gallery that each query is told to come close to or leave.

    Args:
        rule: ``random``; or the identity whose centroid is ``nearest`` or ``farthest``, by cosine.
        query: The queries.
        query_guides: Their clean embeddings.
        gallery_guides: Those of the gallery.
        seed: Seed of the random choice; each query draws by its own name.

    Raises:
        DataError: The gallery holds no other identity.
    """
    identities = gallery_guides.identities
    if len(identities) < 2:
        raise DataError(
            "the gallery holds fewer than two identities",
            "a target needs an identity beside the query's own",
        )
    own = query_guides.pids[:, None] == identities[None, :]
    if rule == "random":
        scores = torch.stack([_draws(seed, name, len(identities)) for name in query.names])
        scores = scores.to(own.device)
    else:
        centroids = F.normalize(gallery_guides.centroids(unit=True))
        scores = query_guides.vectors(unit=True) @ centroids.T
        scores = scores if rule == "nearest" else -scores
    scores[own] = -torch.inf
    chosen: NDArray[np.int64] = identities[scores.argmax(1)].cpu().numpy()
    return chosen


def _draws(seed: int, name: str, count: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(derive_seed(seed, "target", name))
    return torch.rand(count, generator=generator)
