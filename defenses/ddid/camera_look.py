"""The mean image and the spread of each camera: the frame of reference of the diffusion model."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from benchmark.data.records import ImageSet

_PRIOR_IMAGES = 8.0
"""A camera's mean and variance count those of the whole split as so many images (chosen)."""
_SPREAD_FLOOR = 0.02
_BLOCK = 512


class CameraLook(nn.Module):
    """Standardises images by the mean image and the spread of their camera (chosen).

    Surveillance cameras stand still: the mean image holds background, light and white balance,
    and what differs from it is the person. The diffusion model sees that difference, scaled to
    the standard deviation that EDM assumes: a small network need not learn backgrounds, and an
    image is carried to another camera by restoring it with that camera's look.

    Args:
        train: Training split.
        camids: Sorted cameras; their positions are the camera indices.
        downscale: Area-average the images by this factor first.
        sigma_data: Standard deviation of the standardised images.
    """

    mean: Tensor
    spread: Tensor

    def __init__(
        self, train: ImageSet, camids: NDArray[np.int64], downscale: int, sigma_data: float
    ) -> None:
        super().__init__()
        self.downscale, self.size = downscale, train.images.shape[1:3]
        moments = [self._moments(train, np.flatnonzero(train.camids == c)) for c in camids]
        count, total, square = (torch.stack(part) for part in zip(*moments, strict=True))
        everyone = total.sum(0) / count.sum(0)
        mean = (total + _PRIOR_IMAGES * everyone) / (count + _PRIOR_IMAGES)
        variance = _channel_mean(square / count - 2 * mean * total / count + mean**2)
        overall = (variance * count).sum(0) / count.sum(0)
        variance = (variance * count + _PRIOR_IMAGES * overall) / (count + _PRIOR_IMAGES)
        self.register_buffer("mean", mean.float())
        spread = variance.sqrt().clamp(min=_SPREAD_FLOOR) / sigma_data
        self.register_buffer("spread", spread.float())

    def standardise(self, images: Tensor, camera: Tensor) -> Tensor:
        """Turn (B, 3, H, W) images in [0, 1] of (B,) camera indices into standardised ones."""
        return (self._shrink(images) - self.mean[camera]) / self.spread[camera]

    def restore(self, standard: Tensor, camera: Tensor) -> Tensor:
        """Turn standardised images into (B, 3, H, W) images as (B,) camera indices see them.

        Up-samples bicubically where the images were averaged; values may leave [0, 1].
        """
        return self._enlarge(standard * self.spread[camera] + self.mean[camera])

    def detail(self, images: Tensor, source: Tensor, target: Tensor) -> Tensor:
        """Return what averaging takes from (B, 3, H, W) images of cameras `source`.

        It is scaled to the contrast of cameras `target`, to be added to restored images.
        """
        lost = images - self._enlarge(self._shrink(images))
        return lost * self.spread[target] / self.spread[source]

    def _shrink(self, images: Tensor) -> Tensor:
        return functional.avg_pool2d(images, self.downscale) if self.downscale > 1 else images

    def _enlarge(self, images: Tensor) -> Tensor:
        if self.downscale == 1:
            return images
        return functional.interpolate(images, self.size, mode="bicubic", align_corners=False)

    def _moments(self, train: ImageSet, rows: NDArray[np.int64]) -> tuple[Tensor, Tensor, Tensor]:
        """Return count, sum and sum of squares, as (1, 1, 1) and twice (3, h, w)."""
        total = square = torch.zeros((), dtype=torch.float64)
        for first in range(0, len(rows), _BLOCK):
            images = self._shrink(train.tensor(rows[first : first + _BLOCK])).double()
            total, square = total + images.sum(0), square + images.square().sum(0)
        return torch.full((1, 1, 1), float(len(rows)), dtype=torch.float64), total, square


def _channel_mean(images: Tensor) -> Tensor:
    return images.mean(dim=(2, 3), keepdim=True)
