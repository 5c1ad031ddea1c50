"""Rank a gallery for each query by the single-query protocol of Market-1501: AP, INP, first hit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from benchmark.core.errors import DataError, PluginError
from benchmark.metrics.distance import check_embeddings, each_distance_block
from benchmark.metrics.match_ranks import RankedGallery, labels
from benchmark.metrics.reciprocal import EncodedGallery

PrecisionRule = Literal["step", "trapezoid"]


@dataclass(frozen=True)
class RankingResult:
    """Outcome of each query.

    Attributes:
        ap: float64 (Q,), average precision in [0, 1]; NaN where the query has no valid match.
        inp: float64 (Q,), matches divided by the rank of the last match (mINP, Ye et al.,
            TPAMI 2021, eq. 7) in [0, 1]; NaN where the query has no valid match.
        rank: int64 (Q,), 1-based rank of the first match; 0 where the query has no valid match.
    """

    ap: NDArray[np.float64]
    inp: NDArray[np.float64]
    rank: NDArray[np.int64]

    @property
    def valid(self) -> NDArray[np.bool_]:
        """Mask (Q,) of the queries that have a valid match and therefore count."""
        return self.rank > 0

    def summary(self) -> dict[str, float]:
        """Average over the valid queries.

        Returns:
            ``map``, ``rank1``, ``rank5``, ``rank10`` and ``minp`` as percentages 0-100, and the
            number of ``queries`` averaged over and of those ``skipped`` for want of a match.

        Raises:
            DataError: No query has a match.
        """
        valid = self.valid
        counted = int(valid.sum())
        if counted == 0:
            raise DataError(
                f"none of {len(self.rank)} queries has a match in the gallery (same identity, "
                "another camera)",
                "check that queries and gallery are of the same split and that camera ids are "
                "read right",
            )
        first = self.rank[valid]
        return {
            "map": 100.0 * float(self.ap[valid].mean()),
            "rank1": 100.0 * float((first <= 1).mean()),
            "rank5": 100.0 * float((first <= 5).mean()),
            "rank10": 100.0 * float((first <= 10).mean()),
            "minp": 100.0 * float(self.inp[valid].mean()),
            "queries": counted,
            "skipped": len(self.rank) - counted,
        }


def rank_queries(
    query_embeddings: Tensor,
    query_pids: ArrayLike,
    query_camids: ArrayLike,
    gallery_embeddings: Tensor,
    gallery_pids: ArrayLike,
    gallery_camids: ArrayLike,
    *,
    gallery_junk: ArrayLike | None = None,
    gallery_distractor: ArrayLike | None = None,
    rerank: EncodedGallery | None = None,
    ap: PrecisionRule = "step",
    block: int | None = None,
    device: torch.device | None = None,
) -> RankingResult:
    """Rank the gallery for each query by cosine distance, exactly and in bounded memory.

    Gallery images of the query's identity *and* camera are left out, and so is junk. Distractors
    stay as negatives; neither ever is a match, whatever its identity number. Where distances are
    equal the matches come last, so that collapsed embeddings earn nothing by luck.

    Args:
        query_embeddings: (Q, D), finite, need not be normalised; a zero vector is at distance 1
            from everything. May be a memory map, and of any floating type.
        query_pids: (Q,) identities.
        query_camids: (Q,) cameras.
        gallery_embeddings: (G, D), likewise.
        gallery_pids: (G,) identities.
        gallery_camids: (G,) cameras.
        gallery_junk: bool (G,), true for images that are not ranked; None for none.
        gallery_distractor: bool (G,), true for images of nobody who is asked for; None for none.
        rerank: The same gallery, encoded, where the distances are to be re-ranked.
        ap: ``step`` averages precision over the hits (as torchreid does); ``trapezoid`` averages
            the precision before and at each hit (Market-1501's own code), for old tables only.
        block: Queries whose distances are held at once, which does not change the result; None
            for as many as memory and speed ask for.
        device: Where to compute; None for where the query embeddings are. Embeddings elsewhere
            are moved there part by part.

    Raises:
        PluginError: Embeddings of the wrong shape, or not finite.
        ValueError: As many flags as there are gallery images are needed.
    """
    pids, camids = labels(query_pids), labels(query_camids)
    check_embeddings(query_embeddings, len(pids), "query")
    check_embeddings(gallery_embeddings, len(labels(gallery_pids)), "gallery")
    if query_embeddings.shape[1] != gallery_embeddings.shape[1]:
        raise PluginError(
            f"query embeddings have {query_embeddings.shape[1]} dimensions, "
            f"gallery embeddings {gallery_embeddings.shape[1]}",
            "encode queries and gallery with the same encoder",
        )
    gallery = RankedGallery.of(gallery_pids, gallery_camids, gallery_junk, gallery_distractor)
    queries, average_precision = len(pids), _AVERAGE_PRECISION[ap]
    result = RankingResult(
        np.full(queries, np.nan), np.full(queries, np.nan), np.zeros(queries, np.int64)
    )

    def rank(part: slice, distances: Tensor) -> None:
        if rerank is not None:
            rerank.rerank(distances)
        found = gallery.ranks(distances, pids[part], camids[part])
        # Queries with as many matches are averaged together, each with the sum of its own row.
        for matches in np.unique(found.counts[found.counts > 0]):
            rows = np.flatnonzero(found.counts == matches)
            ranks = np.ascontiguousarray(found.ranks[rows, :matches])
            result.ap[part.start + rows] = average_precision(ranks)
            result.inp[part.start + rows] = matches / ranks[:, -1]
            result.rank[part.start + rows] = ranks[:, 0]

    each_distance_block(query_embeddings, gallery_embeddings, rank, block=block, device=device)
    return result


def trivial_queries(
    query_pids: ArrayLike,
    query_camids: ArrayLike,
    gallery_pids: ArrayLike,
    gallery_camids: ArrayLike,
    *,
    gallery_junk: ArrayLike | None = None,
    gallery_distractor: ArrayLike | None = None,
) -> int:
    """Return how many queries have a match and no wrong image that could be ranked before it.

    Distractors are wrong images; junk, and the own identity in the own camera, are not ranked.
    The arguments are those of `rank_queries`.
    """
    gallery = RankedGallery.of(gallery_pids, gallery_camids, gallery_junk, gallery_distractor)
    ranked = len(labels(gallery_pids)) - len(gallery.junk)
    starts, stops = gallery.spans(labels(query_pids))
    return sum(
        int(stop - start) == ranked and bool((gallery.camids[start:stop] != camid).any())
        for start, stop, camid in zip(starts, stops, labels(query_camids), strict=True)
    )


def _step_precision(ranks: NDArray[np.int64]) -> NDArray[np.float64]:
    mean: NDArray[np.float64] = (np.arange(1, ranks.shape[1] + 1) / ranks).mean(axis=1)
    return mean


def _trapezoid_precision(ranks: NDArray[np.int64]) -> NDArray[np.float64]:
    hits = np.arange(1, ranks.shape[1] + 1)
    before = np.where(ranks > 1, (hits - 1) / np.maximum(ranks - 1, 1), 1.0)
    mean: NDArray[np.float64] = ((before + hits / ranks) / 2).mean(axis=1)
    return mean


_AVERAGE_PRECISION = {"step": _step_precision, "trapezoid": _trapezoid_precision}
