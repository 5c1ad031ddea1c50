"""Multi-scale structural similarity (Wang et al., Asilomar 2003) of images of any size.

    MS-SSIM = l_M^{w_M} * prod over scales j of (c_j s_j)^{w_j}

with Gaussian windows of 11 pixels and the published weights of five scales. A smaller image has
fewer scales, whose weights are divided by their sum, and a smaller window where 11 do not fit in.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
WINDOW, SIGMA = 11, 1.5
C1, C2 = 0.01**2, 0.03**2


def ms_ssim(first: Tensor, second: Tensor) -> Tensor:
    """Return the (B,) similarity of (B, C, H, W) images in [0, 1]: at most 1, 1 if equal."""
    side = min(first.shape[2:])
    window = min(WINDOW, side - 1 + side % 2)
    count = scale_count(side)
    total = sum(WEIGHTS[:count])
    result = torch.ones(len(first), dtype=first.dtype, device=first.device)
    for scale in range(count):
        if scale:
            first, second = F.avg_pool2d(first, 2), F.avg_pool2d(second, 2)
        luminance, structure = _ssim_parts(first, second, window)
        last = scale == count - 1
        value = (luminance * structure if last else structure).flatten(1).mean(1)
        result = result * value.clamp_min(1e-6) ** (WEIGHTS[scale] / total)
    return result


def scale_count(side: int) -> int:
    """Return how many scales an image has in which the window fits, 1 to 5."""
    count = 1
    while count < len(WEIGHTS) and side >> count >= WINDOW:
        count += 1
    return count


def _ssim_parts(first: Tensor, second: Tensor, window: int) -> tuple[Tensor, Tensor]:
    """Return luminance, and contrast times structure, at each pixel whose window is inside."""
    mean_a, mean_b = _blurred(first, window), _blurred(second, window)
    variance_a = _blurred(first * first, window) - mean_a * mean_a
    variance_b = _blurred(second * second, window) - mean_b * mean_b
    covariance = _blurred(first * second, window) - mean_a * mean_b
    luminance = (2 * mean_a * mean_b + C1) / (mean_a * mean_a + mean_b * mean_b + C1)
    structure = (2 * covariance + C2) / (variance_a + variance_b + C2)
    return luminance, structure


def _blurred(images: Tensor, window: int) -> Tensor:
    """Return the Gaussian mean of each window that lies inside the image."""
    offsets = torch.arange(window, dtype=images.dtype, device=images.device) - (window - 1) / 2
    weights = torch.exp(-offsets.square() / (2 * SIGMA**2))
    weights = weights / weights.sum()
    channels = images.shape[1]
    column = weights.view(1, 1, -1, 1).expand(channels, 1, -1, 1)
    row = weights.view(1, 1, 1, -1).expand(channels, 1, 1, -1)
    return F.conv2d(F.conv2d(images, column, groups=channels), row, groups=channels)
