"""Losses of the bag-of-tricks recipe."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmark.core.defense import Output
from benchmark.training.mining import hardest_pairs


def smoothed_targets(labels: Tensor, num_classes: int, kept: float) -> Tensor:
    """Return (B, C) targets with mass `kept` on the label and the rest spread over the others."""
    rest = (1.0 - kept) / max(num_classes - 1, 1)
    targets = torch.full((len(labels), num_classes), rest, device=labels.device)
    return targets.scatter_(1, labels[:, None], kept)


def identity_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the mean cross-entropy of (B, C) logits with soft targets (B, C)."""
    return -(targets * F.log_softmax(logits.float(), 1)).sum(1).mean()


def batch_hard_triplet_loss(features: Tensor, labels: Tensor, margin: float) -> Tensor:
    """Return the batch-hard triplet loss (Hermans et al. 2017) on unit features.

    Args:
        features: (B, D).
        labels: (B,) classes.
        margin: Added to the hardest positive minus the hardest negative Euclidean distance.
    """
    unit = F.normalize(features.float())
    squared = (2 - 2 * unit @ unit.T).clamp_min(0)
    distances = (squared + 1e-12).sqrt()
    hardest = hardest_pairs(distances, labels)
    # Without a negative, whose distance is infinite, it is 0.
    return F.relu(hardest.positive_distances - hardest.negative_distances + margin).mean()


def retrieval_loss(
    output: Output, labels: Tensor, targets: Tensor, triplet_margin: float
) -> Tensor:
    """Return identity loss on logits + batch-hard triplet loss on features before the BNNeck."""
    triplet = batch_hard_triplet_loss(output.features, labels, triplet_margin)
    return identity_loss(output.logits, targets) + triplet
