"""Ranks of a query's matches, without sorting the gallery.

The k-th nearest match of a query has rank ``n_k + k``, where ``n_k`` counts the wrong images that
are as near or nearer. Only the few matches are sorted; wrong images are counted. Where distances
are equal the matches come last, so that collapsed embeddings earn nothing by luck.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from benchmark.metrics.threads import in_threads

_IN_CACHE = 2**18
"""Distances that a thread of the CPU filters at once."""

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
        starts, stops = self.spans(pids)
        widest = int((stops - starts).max(initial=0))
        if not widest:
            return MatchRanks(np.zeros((len(pids), 0), np.int64), np.zeros(len(pids), np.int64))
        places = starts[:, None] + np.arange(widest)
        inside = places < stops[:, None]
        # Repeating the last own row is harmless; the others are rows of queries without a match.
        places = np.minimum(places, np.maximum(stops - 1, 0)[:, None])
        matches = inside & (self.camids[places] != camids[:, None])
        counts = matches.sum(1)
        device = distances.device
        own = torch.from_numpy(self.rows[places]).to(device)
        wrong = torch.from_numpy(~matches).to(device)
        wanted = distances.gather(1, own).masked_fill_(wrong, torch.inf).sort(1).values
        wanted = wanted[:, : counts.max(initial=0)].contiguous()
        distances.scatter_(1, own, torch.inf)
        distances.index_fill_(1, torch.from_numpy(self.junk).to(device), torch.inf)
        if device.type == "cpu":
            nearer = _up_to_by_sorting(wanted.numpy(), distances.numpy(), counts)
        else:
            nearer = _up_to_on_device(wanted, distances)
        return MatchRanks(nearer + np.arange(1, wanted.shape[1] + 1), counts)


def _up_to_by_sorting(
    wanted: NDArray[np.float32], distances: NDArray[np.float32], counts: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return (B, M) how many of (B, G) distances are at most each of (B, M) ascending ones.

    Only what is as near as the last of them is sorted. (numpy sorts these few in less time than
    torch needs to look all of them up among the M.)

    Args:
        wanted: (B, M).
        distances: (B, G).
        counts: (B,) how many of the M are asked for; zeros are returned for the others.
    """
    queries, gallery = distances.shape
    nearer = np.zeros(wanted.shape, np.int64)
    asked = np.flatnonzero(counts)
    last = np.full((queries, 1), -np.inf, np.float32)
    last[asked, 0] = wanted[asked, counts[asked] - 1]
    at_once = max(1, _IN_CACHE // gallery)

    def count(part: slice) -> None:
        is_near = distances[part] <= last[part]
        near = np.compress(is_near.ravel(), distances[part].ravel())
        stops = np.cumsum(np.count_nonzero(is_near, axis=1))
        for query, row in enumerate(np.split(near, stops[:-1]), part.start):
            row.sort()
            matches = counts[query]
            nearer[query, :matches] = row.searchsorted(wanted[query, :matches], side="right")

    if at_once >= queries:
        count(slice(0, queries))
    else:
        in_threads(count, [slice(at, at + at_once) for at in range(0, queries, at_once)])
    return nearer


def _up_to_on_device(wanted: Tensor, distances: Tensor) -> NDArray[np.int64]:
    """Return what `_up_to_by_sorting` does; beyond the asked for, the result means nothing.

    Each distance is looked up among those of the matches, and places are counted.
    """
    bins = wanted.shape[1] + 1
    at_once = max(1, _AT_ONCE // distances.shape[1])
    nearer = []
    for start in range(0, len(distances), at_once):
        limits, row = wanted[start : start + at_once], distances[start : start + at_once]
        found = torch.searchsorted(limits, row.contiguous(), out_int32=True)
        found += bins * torch.arange(len(row), dtype=torch.int32, device=row.device)[:, None]
        counts = torch.bincount(found.flatten(), minlength=len(row) * bins)
        nearer.append(counts.view(-1, bins)[:, :-1].cumsum(1))
    return torch.cat(nearer).cpu().numpy()


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
