"""How far an attack moves embeddings, measured by the distances between identities."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmark.experiments.unit_vectors import unit

Vectors = NDArray[np.float32]
Labels = NDArray[np.int64]


def displacement(clean: Vectors, attacked: Vectors) -> float:
    """Return the mean cosine distance of (Q, D) embeddings before and under an attack, 0 to 2."""
    return float((1 - (unit(clean) * unit(attacked)).sum(1)).mean())


def identity_distance(gallery: Vectors, pids: Labels) -> float:
    """Return the mean cosine distance between the centroids of different identities."""
    centroids = unit(np.stack([unit(gallery[pids == p]).mean(0) for p in np.unique(pids)]))
    count = len(centroids)
    similarity = centroids @ centroids.T
    off_diagonal = (similarity.sum() - np.trace(similarity)) / (count * (count - 1))
    return float(1 - off_diagonal)


def silhouettes(
    vectors: Vectors, pids: Labels, camids: Labels, gallery: tuple[Vectors, Labels, Labels]
) -> NDArray[np.float64]:
    """Return (Q,) silhouettes of queries among the identities of a gallery, -1 to 1.

    (b - a) / max(a, b): a is the mean cosine distance to the gallery images of the own identity in
    other cameras, b the lowest mean distance to those of another identity (Rousseeuw 1987, with
    the clusters of the gallery). NaN where a query has no match.

    Args:
        vectors: (Q, D) embeddings.
        pids: (Q,) identities.
        camids: (Q,) cameras.
        gallery: Embeddings, identities (positive ones alone count) and cameras.
    """
    embeddings, owners, cameras = gallery
    distances = 1 - unit(vectors) @ unit(embeddings).T
    identities = np.unique(owners[owners > 0])
    member = (owners[:, None] == identities[None, :]).astype(np.float64)
    means = distances @ member / member.sum(0)
    found = np.full(len(vectors), np.nan)
    for i, (pid, camid) in enumerate(zip(pids, camids, strict=True)):
        own = (owners == pid) & (cameras != camid)
        others = means[i][identities != pid]
        if own.any() and len(others):
            inside, outside = distances[i][own].mean(), others.min()
            largest = max(inside, outside)
            found[i] = (outside - inside) / largest if largest > 0 else 0.0
    return found
