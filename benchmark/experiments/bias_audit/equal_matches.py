"""Queries that all have the same number of matches, so that identities can be compared by their AP.

The AP that an attack leaves, or that chance gives, depends on how many matches there are to find.
An identity with more training images has more of them in a gallery made of these images.
"""

from __future__ import annotations

import numpy as np

from benchmark.core.image_set import ImageSet
from benchmark.experiments.sampling import spread_evenly


def equal_query_and_gallery(images: ImageSet, matches: int) -> tuple[ImageSet, ImageSet]:
    """Split images into queries and a gallery that holds `matches` matches of each query.

    The queries of an identity are its images of one camera, the one with most images that leaves
    enough to the others (ties: the lower number), and the matches are spread over its other
    images in their order. Identities that have too few images of other cameras are left out.

    Args:
        images: What to split.
        matches: Gallery images of each identity, at least 1.
    """
    queries: list[int] = []
    gallery: list[int] = []
    for pid in images.identities.tolist():
        rows = np.flatnonzero(images.pids == pid)
        cameras, counts = np.unique(images.camids[rows], return_counts=True)
        enough = len(rows) - counts >= matches
        if not enough.any():
            continue
        camera = cameras[np.argmax(np.where(enough, counts, 0))]
        of_camera = images.camids[rows] == camera
        others = rows[~of_camera]
        queries += rows[of_camera].tolist()
        gallery += others[spread_evenly(len(others), matches)].tolist()
    chosen = (np.zeros(len(images), bool), np.zeros(len(images), bool))
    for mask, own in zip(chosen, (queries, gallery), strict=True):
        mask[own] = True
    return images.subset(chosen[0]), images.subset(chosen[1])
