"""Ranks of a query's matches, without sorting the gallery.

The k-th nearest match of a query has rank ``n_k + k``, where ``n_k`` counts the wrong images that
are as near or nearer. Only the few matches are sorted; wrong images are counted. Where distances
are equal the matches come last, so that collapsed embeddings earn nothing by luck.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

_AT_ONCE = 2**25
"""Distances that a device looks up at once."""


class MatchRanks(NamedTuple):
    """Ranks of the matches of some queries.

    Attributes:
        ranks: int64 (B, M), 1-based and ascending; those beyond `counts` mean nothing.
        counts: int64 (B,), matches of each query.
    """

    ranks: NDArray[np.int64]
    counts: NDArray[np.int64]


@dataclass(frozen=True)
class RankedGallery:
    """Where each identity sits in the gallery, and what is not ranked."""

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
        pids: ArrayLike,
        camids: ArrayLike,
        junk: ArrayLike | None,
        distractor: ArrayLike | None,
    ) -> RankedGallery:
        """Sort a gallery of G images by identity.

        Args:
            pids: (G,) identities.
            camids: (G,) cameras.
            junk: bool (G,), true for images that are not ranked; None for none.
            distractor: bool (G,), true for images of nobody who is asked for; None for none.

        Raises:
            ValueError: As many flags as there are images are needed.
        """
        identities, cameras = labels(pids), labels(camids)
        left_out = _flags(junk, len(identities))
        people = np.flatnonzero(~(left_out | _flags(distractor, len(identities))))
        rows = people[np.argsort(identities[people], kind="stable")]
        return cls(rows, identities[rows], cameras[rows], np.flatnonzero(left_out))

    def spans(self, pids: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return (B,) starts and (B,) stops among `rows` of some identities."""
        return np.searchsorted(self.pids, pids), np.searchsorted(self.pids, pids, side="right")

    def ranks(
        self, distances: Tensor, pids: NDArray[np.int64], camids: NDArray[np.int64]
    ) -> MatchRanks:
        """Rank the matches of some queries.

        Args:
            distances: float32 (B, G) of each query to the gallery; overwritten.
            pids: (B,) identities of the queries.
            camids: (B,) cameras of the queries.
        """
        distances.index_fill_(1, torch.from_numpy(self.junk).to(distances.device), torch.inf)
        if distances.device.type == "cpu":
            return self._ranks_by_query(distances.numpy(), pids, camids)
        return self._ranks_on_device(distances, pids, camids)

    def _ranks_by_query(
        self,
        distances: NDArray[np.float32],
        pids: NDArray[np.int64],
        camids: NDArray[np.int64],
    ) -> MatchRanks:
        """Sort what is as near as the farthest match; numpy sorts floats faster than it counts."""
        starts, stops = self.spans(pids)
        ranks = np.zeros((len(pids), int((stops - starts).max(initial=0))), np.int64)
        counts = np.zeros(len(pids), np.int64)

        def rank(query: int) -> None:
            own = slice(starts[query], stops[query])
            row, rows = distances[query], self.rows[own]
            wanted = np.sort(row[rows[self.camids[own] != camids[query]]])
            counts[query] = matches = len(wanted)
            if matches:
                row[rows] = np.inf
                near = np.compress(row <= wanted[-1], row)
                near.sort()
                nearer = np.searchsorted(near, wanted, side="right")
                ranks[query, :matches] = nearer + np.arange(1, matches + 1)

        with ThreadPoolExecutor(torch.get_num_threads()) as threads:
            for _ in threads.map(rank, range(len(pids))):
                pass
        return MatchRanks(ranks, counts)

    def _ranks_on_device(
        self, distances: Tensor, pids: NDArray[np.int64], camids: NDArray[np.int64]
    ) -> MatchRanks:
        """Look each distance up among those of the matches, and count by the place found."""
        starts, stops = self.spans(pids)
        width = int((stops - starts).max(initial=0))
        if not width:
            return MatchRanks(np.zeros((len(pids), 0), np.int64), np.zeros(len(pids), np.int64))
        places = starts[:, None] + np.arange(width)
        inside = places < stops[:, None]
        # Repeating the last own row is harmless; the others are rows of queries without a match.
        places = np.minimum(places, np.maximum(stops - 1, 0)[:, None])
        matches = inside & (self.camids[places] != camids[:, None])
        own = torch.from_numpy(self.rows[places]).to(distances.device)
        is_match = torch.from_numpy(matches).to(distances.device)
        wanted = distances.gather(1, own).masked_fill_(~is_match, torch.inf).sort(1).values
        distances.scatter_(1, own, torch.inf)
        counts = matches.sum(1)
        wanted = wanted[:, : int(counts.max())].contiguous()
        at_once = max(1, _AT_ONCE // distances.shape[1])
        parts = zip(wanted.split(at_once), distances.split(at_once), strict=True)
        nearer = torch.cat([_up_to(*part) for part in parts])
        ranks = nearer + torch.arange(1, wanted.shape[1] + 1, device=nearer.device)
        return MatchRanks(ranks.cpu().numpy(), counts)


def _up_to(wanted: Tensor, distances: Tensor) -> Tensor:
    """Return (B, M) how many of (B, G) distances are at most each of (B, M) sorted ones."""
    queries, bins = wanted.shape[0], wanted.shape[1] + 1
    found = torch.searchsorted(wanted, distances.contiguous(), out_int32=True)
    found += bins * torch.arange(queries, dtype=torch.int32, device=found.device)[:, None]
    counts = torch.bincount(found.flatten(), minlength=queries * bins)
    return counts.view(queries, bins)[:, :-1].cumsum(1)


def labels(values: ArrayLike) -> NDArray[np.int64]:
    """Return identities or cameras as an int64 row."""
    return np.asarray(values, dtype=np.int64).reshape(-1)


def _flags(values: ArrayLike | None, images: int) -> NDArray[np.bool_]:
    if values is None:
        return np.zeros(images, bool)
    flags = np.asarray(values, dtype=bool).reshape(-1)
    if len(flags) != images:
        raise ValueError(f"{len(flags)} flags for {images} gallery images")
    return flags
