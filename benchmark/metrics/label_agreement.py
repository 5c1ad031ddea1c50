"""Whether an encoder agrees with the labels that it was trained on."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F


def label_agreement(embeddings: Tensor, pids: NDArray[np.int64]) -> float | None:
    """Return the share of images that lie nearest the centroid of their own identity, by cosine.

    An image does not count toward the centroid that it is compared with (leave one out). Images
    that are the only one of their identity are left out.

    Args:
        embeddings: (N, D).
        pids: (N,) identities.

    Returns:
        A share from 0 to 1; None where no image can be judged.
    """
    unit = F.normalize(embeddings.double())
    _, inverse, counts = np.unique(pids, return_inverse=True, return_counts=True)
    own = torch.from_numpy(inverse)
    sums = torch.zeros(len(counts), unit.shape[1], dtype=unit.dtype).index_add_(0, own, unit)
    similarity = unit @ F.normalize(sums).T
    without = F.normalize(sums[own] - unit)
    similarity[torch.arange(len(unit)), own] = (unit * without).sum(1)
    judged = torch.from_numpy(counts)[own] > 1
    if len(counts) < 2 or not bool(judged.any()):
        return None
    return float((similarity.argmax(1) == own)[judged].double().mean())
