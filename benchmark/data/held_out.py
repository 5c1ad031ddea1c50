"""Held-out training identities: what hyperparameters and checkpoints are chosen on."""

from __future__ import annotations

import numpy as np

from benchmark.core.errors import DataError
from benchmark.core.image_set import ImageSet
from benchmark.core.seeding import derive_seed


def split_held_out(train: ImageSet, share: float) -> tuple[ImageSet, ImageSet]:
    """Split training images by identity into those to fit and those to select on.

    The choice depends on the identities alone, not on the training seed, so that all trainings
    on a data set select on the same identities.

    Args:
        train: The training split.
        share: Share of the identities to hold out; at least 2 if it is not 0.
    """
    identities = train.identities
    count = max(2, round(share * len(identities))) if share else 0
    order = np.random.default_rng(derive_seed("held-out", len(identities))).permutation(identities)
    is_held_out = np.isin(train.pids, order[:count])
    return train.subset(~is_held_out), train.subset(is_held_out)


def check_fitted(fitted: ImageSet, held_out: ImageSet) -> None:
    """Refuse to fit fewer than two identities, which have nobody to be told from.

    Raises:
        DataError: There are not so many.
    """
    left, apart = len(fitted.identities), len(held_out.identities)
    if left > 1:
        return
    total = left + apart
    raise DataError(
        f"{left} of {total} training identities are left to fit; {apart} are held out to select on",
        f"set training.held_out=0 training.identities={total // 2 * 2}, or add identities"
        if total > 1
        else "add identities: two are needed at least",
    )


def query_and_gallery(images: ImageSet) -> tuple[ImageSet, ImageSet]:
    """Split images the way test sets are: one query for each identity and camera.

    Identities seen by a single camera give no query: they would have no match. If no camera has a
    second image of anybody, as where each image is its own camera, each identity gives one query.
    """
    queries: dict[tuple[int, int], int] = {}
    cameras: dict[int, set[int]] = {}
    for row, (pid, camid) in enumerate(
        zip(images.pids.tolist(), images.camids.tolist(), strict=True)
    ):
        queries.setdefault((pid, camid), row)
        cameras.setdefault(pid, set()).add(camid)
    chosen = [row for (pid, _), row in queries.items() if len(cameras[pid]) > 1]
    is_query = np.zeros(len(images), bool)
    is_query[chosen] = True
    if not np.isin(images.pids[chosen], images.pids[~is_query]).any():
        first = np.unique(images.pids[chosen], return_index=True)[1]
        is_query[:] = False
        is_query[np.array(chosen, np.int64)[first]] = True
    return images.subset(is_query), images.subset(~is_query)


def can_be_ranked(query: ImageSet, gallery: ImageSet) -> bool:
    """Whether there is a query, and an identity to take it for by mistake."""
    return len(query) > 0 and len(np.unique(gallery.pids)) > 1
