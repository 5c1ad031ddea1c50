"""A quick look: a few queries that stand for all of them, always the same ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from benchmark.core.seeding import derive_seed

QUERY_CHOICE_VERSION = 1
"""Raised when other queries are chosen."""


def choose_queries(
    names: Sequence[str],
    pids: NDArray[np.int64],
    camids: NDArray[np.int64],
    gallery_pids: NDArray[np.int64],
    gallery_camids: NDArray[np.int64],
    count: int,
) -> NDArray[np.int64]:
    """Choose queries: one of each identity, then a second one of each, and so on.

    Which identities and images come first is decided by a hash of the file name, so that no seed
    and no order of the files changes it, and a larger choice holds a smaller one. Queries without a
    match in another camera are chosen when there is nothing else.

    Args:
        names: (Q,) file names of the queries.
        pids: (Q,) their identities.
        camids: (Q,) their cameras.
        gallery_pids: (G,) identities of the people in the gallery.
        gallery_camids: (G,) their cameras.
        count: How many to choose; of fewer, all are taken.

    Returns:
        Rows of the chosen queries, ascending.
    """
    cameras: dict[int, set[int]] = {}
    for pid, camid in zip(gallery_pids.tolist(), gallery_camids.tolist(), strict=True):
        cameras.setdefault(pid, set()).add(camid)
    places: list[tuple[bool, int, int, int]] = []
    taken: dict[tuple[bool, int], int] = {}
    drawn = sorted((derive_seed("queries", name), row) for row, name in enumerate(names))
    for place, row in drawn:
        pid = int(pids[row])
        group = (not cameras.get(pid, set()) - {int(camids[row])}, pid)
        places.append((group[0], taken.get(group, 0), place, row))
        taken[group] = taken.get(group, 0) + 1
    return np.array(sorted(row for *_, row in sorted(places)[:count]), np.int64)
