"""What the generator is to minimise on the features of adversarial images."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def mis_ranking_loss(features: Tensor, pids: Tensor, margin: float) -> Tensor:
    """Return the mean over the anchors of the mis-ranking triplet.

        [max over other identities of d(a, n) - min over the same, itself left out, of d(a, p)
        + margin]_+

    Args:
        features: (B, D) of adversarial images, raw or unit; d is the Euclidean distance.
        pids: (B,) identities; an anchor without a positive or a negative counts 0.
        margin: By how much the nearest positive is to be farther than the farthest negative.
    """
    distances = torch.cdist(features, features, compute_mode="donot_use_mm_for_euclid_dist")
    same = pids[:, None] == pids[None, :]
    itself = torch.eye(len(pids), dtype=torch.bool, device=pids.device)
    farthest = distances.masked_fill(same, -torch.inf).amax(1)
    nearest = distances.masked_fill(~same | itself, torch.inf).amin(1)
    return (farthest - nearest + margin).clamp_min(0).mean()


def least_likely_loss(logits: Tensor, classes: Tensor, smoothing: float) -> Tensor:
    """Return the mean cross-entropy toward the class that is now the least likely.

    Args:
        logits: (B, K) of adversarial images.
        classes: (B,) true classes, which get no share.
        smoothing: Share spread evenly over the classes that are neither.
    """
    rows = torch.arange(len(logits), device=logits.device)
    with torch.no_grad():
        others = logits.detach().clone()
        others[rows, classes] = torch.inf
        target = others.argmin(1)
        wanted = torch.full_like(logits, smoothing / max(1, logits.shape[1] - 2))
        wanted[rows, target] = 1 - smoothing
        wanted[rows, classes] = 0
    return -(wanted * F.log_softmax(logits, 1)).sum(1).mean()
