"""The mAP that chance would reach."""

from __future__ import annotations

import numpy as np

from benchmark.core.image_set import ImageSet


def chance_map(query: ImageSet, gallery: ImageSet) -> float:
    """Return the expected mAP, in percent, of rankings in random order.

    For R matches among N ranked images, with H_N the N-th harmonic number:

        E[AP] = (H_N + (R - 1) / (N - 1) * (N - H_N)) / N
    """
    expected = []
    for pid, camid in zip(query.pids, query.camids, strict=True):
        same = gallery.people & (gallery.pids == pid)
        matches = int((same & (gallery.camids != camid)).sum())
        ranked = int((~gallery.junk).sum()) - (int(same.sum()) - matches)
        if matches:
            harmonic = float((1 / np.arange(1, ranked + 1)).sum())
            share = (matches - 1) / max(ranked - 1, 1)
            expected.append((harmonic + share * (ranked - harmonic)) / ranked)
    return 100 * float(np.mean(expected))
