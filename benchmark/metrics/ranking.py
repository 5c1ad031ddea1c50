"""Rank a gallery for each query by the single-query protocol of Market-1501: AP, INP, first hit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from benchmark.core.errors import DataError, PluginError
from benchmark.metrics.distance import check_embeddings, cosine_distance_blocks

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
    ap: PrecisionRule = "step",
    block: int = 256,
) -> RankingResult:
    """Rank the gallery for each query by cosine distance, exactly and in bounded memory.

    Gallery images of the query's identity *and* camera are left out, and so is junk. Distractors
    stay as negatives; neither ever is a match, whatever its identity number. Where distances are
    equal the matches come last, so that collapsed embeddings earn nothing by luck.

    Only the ranks of matches matter: the k-th nearest match of a query has rank ``n_k + k`` where
    ``n_k`` counts the negatives that are as near or nearer. The distances of the negatives are
    sorted by value and ``n_k`` is looked up; no permutation of the gallery is computed.

    Args:
        query_embeddings: (Q, D), finite, need not be normalised; a zero vector is at distance 1
            from everything.
        query_pids: (Q,) identities.
        query_camids: (Q,) cameras.
        gallery_embeddings: (G, D) on the same device.
        gallery_pids: (G,) identities.
        gallery_camids: (G,) cameras.
        gallery_junk: bool (G,), true for images that are not ranked; None for none.
        gallery_distractor: bool (G,), true for images of nobody who is asked for; None for none.
        ap: ``step`` averages precision over the hits (as torchreid does); ``trapezoid`` averages
            the precision before and at each hit (Market-1501's own code), for old tables only.
        block: Queries whose distances are held at once; does not change the result.

    Raises:
        PluginError: Embeddings of the wrong shape, or not finite.
    """
    query_ids, query_cams = _labels(query_pids), _labels(query_camids)
    check_embeddings(query_embeddings, len(query_ids), "query")
    check_embeddings(gallery_embeddings, len(_labels(gallery_pids)), "gallery")
    if query_embeddings.shape[1] != gallery_embeddings.shape[1]:
        raise PluginError(
            f"query embeddings have {query_embeddings.shape[1]} dimensions, "
            f"gallery embeddings {gallery_embeddings.shape[1]}",
            "encode queries and gallery with the same encoder",
        )
    gallery = _Gallery.of(
        _labels(gallery_pids), _labels(gallery_camids), gallery_junk, gallery_distractor
    )
    average_precision = _AVERAGE_PRECISION[ap]

    queries = len(query_ids)
    result = RankingResult(
        np.full(queries, np.nan), np.full(queries, np.nan), np.zeros(queries, np.int64)
    )
    for part, distances in cosine_distance_blocks(
        query_embeddings, gallery_embeddings, block=block
    ):
        for row, query in zip(distances, range(part.start, part.stop), strict=True):
            ranks = gallery.ranks_of_matches(row, query_ids[query], query_cams[query])
            if len(ranks):
                result.ap[query] = average_precision(ranks)
                result.inp[query] = len(ranks) / ranks[-1]
                result.rank[query] = ranks[0]
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
    pids, camids = _labels(gallery_pids), _labels(gallery_camids)
    gallery = _Gallery.of(pids, camids, gallery_junk, gallery_distractor)
    ranked = len(pids) - len(gallery.junk)
    trivial = 0
    for pid, camid in zip(_labels(query_pids), _labels(query_camids), strict=True):
        rows, matches = gallery.same(pid, camid)
        trivial += bool(len(matches)) and len(rows) == ranked
    return trivial


@dataclass(frozen=True)
class _Gallery:
    """Where each identity sits in the gallery."""

    rows: NDArray[np.int64]
    """Gallery rows ordered by identity, without distractors and junk."""
    pids: NDArray[np.int64]
    """Their identities, ascending."""
    camids: NDArray[np.int64]
    """Their cameras."""
    junk: NDArray[np.int64]
    """Rows that are not ranked for any query."""

    @classmethod
    def of(
        cls,
        pids: NDArray[np.int64],
        camids: NDArray[np.int64],
        junk: ArrayLike | None,
        distractor: ArrayLike | None,
    ) -> _Gallery:
        left_out = _flags(junk, len(pids))
        people = np.flatnonzero(~(left_out | _flags(distractor, len(pids))))
        rows = people[np.argsort(pids[people], kind="stable")]
        return cls(rows, pids[rows], camids[rows], np.flatnonzero(left_out))

    def same(self, pid: np.int64, camid: np.int64) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the rows of identity `pid`, and those of them that are matches for a query."""
        start, stop = np.searchsorted(self.pids, [pid, pid + 1])
        rows = self.rows[start:stop]
        return rows, rows[self.camids[start:stop] != camid]

    def ranks_of_matches(
        self, distances: NDArray[np.float32], pid: np.int64, camid: np.int64
    ) -> NDArray[np.int64]:
        """Return the 1-based ranks of a query's matches, ascending; overwrites `distances`."""
        rows, matches = self.same(pid, camid)
        if not len(matches):
            return matches
        wanted = np.sort(distances[matches])
        distances[rows] = np.inf
        distances[self.junk] = np.inf
        distances.sort()
        nearer = np.searchsorted(distances, wanted, side="right")
        return nearer + np.arange(1, len(wanted) + 1)


def _step_precision(ranks: NDArray[np.int64]) -> float:
    hits = np.arange(1, len(ranks) + 1)
    return float((hits / ranks).mean())


def _trapezoid_precision(ranks: NDArray[np.int64]) -> float:
    hits = np.arange(1, len(ranks) + 1)
    before = np.where(ranks > 1, (hits - 1) / np.maximum(ranks - 1, 1), 1.0)
    return float(((before + hits / ranks) / 2).mean())


_AVERAGE_PRECISION = {"step": _step_precision, "trapezoid": _trapezoid_precision}


def _labels(values: ArrayLike) -> NDArray[np.int64]:
    return np.asarray(values, dtype=np.int64).reshape(-1)


def _flags(values: ArrayLike | None, images: int) -> NDArray[np.bool_]:
    if values is None:
        return np.zeros(images, bool)
    flags = np.asarray(values, dtype=bool).reshape(-1)
    if len(flags) != images:
        raise ValueError(f"{len(flags)} flags for {images} gallery images")
    return flags
