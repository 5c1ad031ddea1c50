"""Average precision that has a gradient: over bins of distance, or over smoothed ranks."""

from __future__ import annotations

import torch
from torch import Tensor


def soft_average_precision(
    distances: Tensor, positive: Tensor, valid: Tensor, bins: int = 5
) -> Tensor:
    """Return the binned average precision of each query, (B,) in [0, 1].

    With centres b_m = m D, D = 2 / (bins - 1), and the kernel k_m(d) = max(0, 1 - |d - b_m| / D)
    each image falls in shares into the two bins next to it, and

        AP = sum over m of  (sum_{k <= m} pos_k / sum_{k <= m} all_k) * pos_m / |pos|

    It nears the exact value, ties in one bin apart, as the bins get finer (He et al., "Local
    Descriptors Optimized for Average Precision", CVPR 2018; Ding et al., "Beyond Universal Person
    Re-Identification Attack", TIFS 2021).

    Args:
        distances: (B, N) Euclidean distances of unit vectors, in [0, 2].
        positive: (B, N) boolean, the true matches; those that are not valid do not count.
        valid: (B, N) boolean, what is ranked.
        bins: At least two.

    Returns:
        0, without a gradient, where a row has no positive.

    Raises:
        ValueError: Fewer than two bins.
    """
    if bins < 2:
        raise ValueError(f"{bins} bins span no distance; take at least 2")
    positions = distances * ((bins - 1) / 2)
    centres = torch.arange(bins, device=distances.device, dtype=distances.dtype)
    shares = (1 - (positions[:, None, :] - centres[:, None]).abs()).clamp_min(0)
    found = (shares * (positive & valid)[:, None, :]).sum(2)
    ranked = (shares * valid[:, None, :]).sum(2)
    total = found.sum(1)
    precision = _ratio(found.cumsum(1), ranked.cumsum(1))
    return _ratio((precision * found).sum(1), total)


def _ratio(part: Tensor, whole: Tensor) -> Tensor:
    """Return part / whole, and 0 where there is nothing."""
    some = whole > 0
    return torch.where(some, part, 0) / torch.where(some, whole, 1)


def smooth_average_precision(
    similarities: Tensor, positive: Tensor, valid: Tensor, temperature: float = 0.01
) -> Tensor:
    """Return the average precision of each query over smoothed ranks, (B,) in [0, 1].

    With sigma(t) = 1 / (1 + exp(-t / temperature)), s the similarities, P the true matches and V
    what is ranked (Brown et al., "Smooth-AP", ECCV 2020, eq. 5):

        AP = mean over i in P of  (1 + sum_{j in P, j != i} sigma(s_j - s_i))
                                / (1 + sum_{j in V, j != i} sigma(s_j - s_i))

    Args:
        similarities: (B, N), higher is nearer.
        positive: (B, N) boolean, the true matches; those that are not valid do not count.
        valid: (B, N) boolean, what is ranked.
        temperature: Width of the step from behind to before, in units of the similarities.

    Returns:
        0, without a gradient, where a row has no positive.
    """
    matches = positive & valid
    counts = matches.sum(1)
    # Each match in a slot of its own, padded to the largest number of matches of a row.
    slots = matches.int().argsort(dim=1, descending=True, stable=True)[:, : int(counts.max())]
    real = matches.gather(1, slots)
    own = similarities.gather(1, slots)
    before = ((similarities[:, None, :] - own[:, :, None]) / temperature).sigmoid()
    # An image is half before itself; 1/2 more makes that the 1 of its own place.
    hits = (before * matches[:, None, :]).sum(2) + 0.5
    places = (before * valid[:, None, :]).sum(2) + 0.5
    precision = torch.where(real, hits / places, 0)
    return _ratio(precision.sum(1), counts.to(similarities.dtype))
