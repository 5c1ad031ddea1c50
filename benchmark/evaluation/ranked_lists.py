"""The nearest gallery images of a few queries, before and under an attack."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmark.core.image_set import ImageSet
from benchmark.metrics.ranking import RankingResult

LISTED_QUERIES = 5
LISTED_IMAGES = 10

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class ListedQueries:
    """The lists of the N queries that lose most, of as many identities; K images each.

    Attributes:
        rows: (N,) their rows among the queries, the largest loss first.
        clean: (N, K) rows of the gallery, the nearest first; -1 where there are no more.
        attacked: (N, K) the same under the attack.
        images: uint8 (N, H, W, 3) adversarial queries, rounded to 8 bits; None where the queries
            were not attacked or their images were not kept.
    """

    rows: Rows
    clean: Rows
    attacked: Rows
    images: NDArray[np.uint8] | None


def losing_queries(clean: RankingResult, attacked: RankingResult, pids: Rows) -> Rows:
    """Return the rows of the queries whose AP falls most, one for each identity."""
    loss = np.nan_to_num(clean.ap - attacked.ap, nan=-np.inf)
    order = np.argsort(-loss, kind="stable")
    order = order[np.isfinite(loss[order])]
    _, first = np.unique(pids[order], return_index=True)
    return order[np.sort(first)][:LISTED_QUERIES].astype(np.int64)


def nearest_images(distances: NDArray[np.float32], query: ImageSet, gallery: ImageSet) -> Rows:
    """Return (N, K) gallery rows for each query as the protocol ranks them, the nearest first.

    Junk, and the own identity in the own camera, are left out; among equals matches come last.

    Args:
        distances: (N, G) of the queries to the gallery.
        query: The N queries.
        gallery: The gallery.
    """
    same = (gallery.pids == query.pids[:, None]) & gallery.people
    left_out = (same & (gallery.camids == query.camids[:, None])) | gallery.junk
    distances = np.where(left_out, np.inf, distances)
    nearest = np.lexsort((same, distances))[:, :LISTED_IMAGES].astype(np.int64)
    nearest[np.isinf(np.take_along_axis(distances, nearest, axis=1))] = -1
    return nearest
