"""Batch-hard mining (Hermans et al. 2017): each image's farthest match and nearest non-match."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Hardest:
    """The hardest pairs of a batch.

    Attributes:
        positives: (B,) row of the farthest image of the same class; its own row if it is alone.
        negatives: (B,) row of the nearest image of another class.
        positive_distances: (B,) distances to the former.
        negative_distances: (B,) distances to the latter; infinite where there is none.
    """

    positives: Tensor
    negatives: Tensor
    positive_distances: Tensor
    negative_distances: Tensor


def batch_hard(vectors: Tensor, labels: Tensor) -> Hardest:
    """Return the hardest pairs among (B, D) vectors with (B,) classes, by Euclidean distance.

    Raises:
        ValueError: All images share one class.
    """
    if bool((labels == labels[0]).all()):
        raise ValueError("a hardest negative needs at least two classes")
    distances = torch.cdist(vectors, vectors, compute_mode="donot_use_mm_for_euclid_dist")
    return hardest_pairs(distances, labels)


def hardest_pairs(distances: Tensor, labels: Tensor) -> Hardest:
    """Return the hardest pairs by (B, B) distances of images with (B,) classes."""
    same = labels[:, None] == labels[None, :]
    matches, others = distances.masked_fill(~same, -1.0), distances.masked_fill(same, torch.inf)
    return Hardest(matches.argmax(1), others.argmin(1), matches.amax(1), others.amin(1))
