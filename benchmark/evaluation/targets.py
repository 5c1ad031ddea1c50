"""Target identities of attacks that impersonate somebody or rank somebody down."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from benchmark.core.errors import DataError
from benchmark.core.guides import Guides
from benchmark.core.image_set import ImageSet
from benchmark.core.seeding import derive_seed
from benchmark.core.threat import TargetRule


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
    check_targets(query.pids, identities.cpu().numpy())
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


def check_targets(query_pids: NDArray[np.int64], shown: NDArray[np.int64]) -> None:
    """Look whether each query can be told to come close to somebody else.

    Args:
        query_pids: (Q,) identities of the queries.
        shown: (K,) identities of people in the gallery, each once; others are no targets.

    Raises:
        DataError: The gallery holds no other identity than a query's own.
    """
    alone = len(query_pids) if not len(shown) else 0
    if len(shown) == 1:
        alone = int((query_pids == shown[0]).sum())
    if alone:
        raise DataError(
            f"{alone} of {len(query_pids)} queries have no target: the gallery shows no other "
            "identity than theirs",
            "add images of other identities to the gallery, or let attacks dodge (--intent dodge)",
        )


def _draws(seed: int, name: str, count: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(derive_seed(seed, "target", name))
    return torch.rand(count, generator=generator)
