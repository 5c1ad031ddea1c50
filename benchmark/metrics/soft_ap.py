"""Average precision that has a gradient: over bins of distance, or over smoothed ranks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

AT_ONCE = 1 << 20
"""Comparisons of images that are held at a time; more where one for each image is more."""


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


def smooth_ap_loss(
    similarities: Tensor,
    positive: Tensor,
    valid: Tensor,
    temperature: float = 0.04,
    most: int | None = None,
) -> Tensor:
    """Return 1 - the average precision of each query over smoothed ranks, (B,) in [0, 1].

    With sigma(t) = 1 / (1 + exp(-t / temperature)), s the similarities, P the true matches and V
    what is ranked (Brown et al., "Smooth-AP", ECCV 2020, eq. 5):

        AP = mean over i in P of  (1 + sum_{j in P, j != i} sigma(s_j - s_i))
                                / (1 + sum_{j in V, j != i} sigma(s_j - s_i))

    The loss is computed from the wrong images before each match, not from the AP, which rounds to
    1 where they are far behind. It can be differentiated once.

    Args:
        similarities: (B, N), higher is nearer.
        positive: (B, N) boolean, the true matches; those that are not valid do not count.
        valid: (B, N) boolean, what is ranked.
        temperature: Width of the step from behind to before, in units of the similarities.
        most: Largest number of true matches of a row, if it is known; None waits for the device.

    Returns:
        1, without a gradient, where a row has no positive.
    """
    matches = positive & valid
    most = int(matches.sum(1).max()) if most is None else most
    shares: Tensor = _WrongShares.apply(similarities / temperature, matches, valid & ~matches, most)
    return torch.where(matches.any(1), shares, 1)


class _WrongShares(torch.autograd.Function):
    """Mean over matches of the share of wrong images up to them; see `AT_ONCE` for its memory.

    With r right images (the match itself included) and w wrong ones before a match, its share is
    w / (r + w), with the derivatives r / (r + w)^2 by w and -w / (r + w)^2 by r.
    """

    @staticmethod
    def forward(ctx: Any, scaled: Tensor, matches: Tensor, wrong: Tensor, most: int) -> Tensor:
        # Each match in a slot of its own, padded to the largest number of matches of a row.
        slots = matches.int().argsort(dim=1, descending=True, stable=True)[:, :most]
        is_match, is_wrong = matches.to(scaled.dtype), wrong.to(scaled.dtype)
        weights = is_match.gather(1, slots) / is_match.sum(1, keepdim=True).clamp_min(1)
        own, own_gradient = scaled.gather(1, slots), scaled.new_zeros(slots.shape)
        total, gradient = scaled.new_zeros(len(scaled)), torch.zeros_like(scaled)
        masks = torch.stack([is_match, is_wrong], 2)
        for part in _groups(slots.shape[1], scaled.numel()):
            before = (scaled[:, None] - own[:, part, None]).sigmoid_()
            # A match is half before itself; 1/2 more makes that the 1 of its own place.
            right, false = (before @ masks).unbind(2)
            right = right + 0.5
            place, weight = right + false, weights[:, part]
            total += (weight * false / place).sum(1)
            scale = weight / place.square()
            slopes = torch.stack([-scale * false, scale * right], 2)
            before.mul_(1 - before)
            gradient += ((before.mT @ slopes) * masks).sum(2)
            own_gradient[:, part] = ((before @ masks) * slopes).sum(2)
        ctx.save_for_backward(gradient.scatter_add(1, slots, -own_gradient))
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, output: Tensor) -> tuple[Tensor, None, None, None]:
        (gradient,) = ctx.saved_tensors
        return output[:, None] * gradient, None, None, None


def _groups(slots: int, comparisons: int) -> Iterator[slice]:
    """Yield groups of matches that are compared at once, of so many comparisons each."""
    width = max(1, AT_ONCE // max(1, comparisons))
    for start in range(0, slots, width):
        yield slice(start, start + width)


def _ratio(part: Tensor, whole: Tensor) -> Tensor:
    """Return part / whole, and 0 where there is nothing."""
    some = whole > 0
    return torch.where(some, part, 0) / torch.where(some, whole, 1)
