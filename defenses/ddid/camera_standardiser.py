"""The mean image and the colour spread of each camera: the diffusion model's frame of reference."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from benchmark.core.image_set import ImageSet

_PRIOR_IMAGES = 8.0
"""A camera's mean and covariance count those of the whole split as so many images (chosen)."""
_LEAST_SPREAD = 0.01
_BLOCK = 512


class CameraStandardiser(nn.Module):
    """Standardises images by the mean image and the colour covariance of their camera (chosen).

    Surveillance cameras stand still: the mean image holds background, light and white balance,
    and what differs from it is the person. The diffusion model sees that difference, its colours
    decorrelated and scaled to the standard deviation that EDM assumes. A small network then need
    not learn backgrounds, noise is as weak in a direction of colour as the data are, and an image
    is carried to another camera by restoring it with that camera's mean and colours.

    Args:
        train: Training split.
        camids: Sorted cameras; their positions are the camera indices.
        downscale: Area-average the images by this factor first.
        sigma_data: Standard deviation of the standardised images.
    """

    mean: Tensor
    spread: Tensor
    narrow: Tensor

    def __init__(
        self, train: ImageSet, camids: NDArray[np.int64], downscale: int, sigma_data: float
    ) -> None:
        super().__init__()
        self.downscale, self.size = downscale, train.images.shape[1:3]
        rows = [np.flatnonzero(train.camids == camid) for camid in camids]
        mean = _towards_all([self._mean(train, own) for own in rows], rows)
        covariance = _towards_all(
            [self._covariance(train, own, m) for own, m in zip(rows, mean, strict=True)], rows
        )
        values, vectors = torch.linalg.eigh(covariance)
        root = values.clamp(min=_LEAST_SPREAD**2).sqrt() / sigma_data
        self.register_buffer("mean", mean.float())
        self.register_buffer("spread", _symmetric(vectors, root).float())
        self.register_buffer("narrow", _symmetric(vectors, 1 / root).float())

    def standardise(self, images: Tensor, camera: Tensor) -> Tensor:
        """Turn (B, 3, H, W) images in [0, 1] of (B,) camera indices into standardised ones."""
        return _recolour(self.narrow[camera], self._shrink(images) - self.mean[camera])

    def restore(self, standard: Tensor, camera: Tensor) -> Tensor:
        """Turn standardised images into (B, 3, H, W) images as (B,) camera indices see them.

        Up-samples bicubically where the images were averaged; values may leave [0, 1].
        """
        return self._enlarge(_recolour(self.spread[camera], standard) + self.mean[camera])

    def detail(self, images: Tensor, source: Tensor, target: Tensor) -> Tensor:
        """Return what averaging takes from (B, 3, H, W) images of cameras `source`.

        It is carried to the colours of cameras `target`, to be added to restored images.
        """
        lost = images - self._enlarge(self._shrink(images))
        return _recolour(self.spread[target] @ self.narrow[source], lost)

    def _shrink(self, images: Tensor) -> Tensor:
        return functional.avg_pool2d(images, self.downscale) if self.downscale > 1 else images

    def _enlarge(self, images: Tensor) -> Tensor:
        if self.downscale == 1:
            return images
        return functional.interpolate(images, self.size, mode="bicubic", align_corners=False)

    @staticmethod
    def _blocks(rows: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        return [rows[first : first + _BLOCK] for first in range(0, len(rows), _BLOCK)]

    def _mean(self, train: ImageSet, rows: NDArray[np.int64]) -> Tensor:
        blocks = self._blocks(rows)
        sums = [self._shrink(train.tensor(block)).double().sum(0) for block in blocks]
        return torch.stack(sums).sum(0) / len(rows)

    def _covariance(self, train: ImageSet, rows: NDArray[np.int64], mean: Tensor) -> Tensor:
        """Return the (3, 3) covariance of the pixels' differences to the mean image."""
        total = torch.zeros(3, 3, dtype=torch.float64)
        for block in self._blocks(rows):
            colours = (self._shrink(train.tensor(block)).double() - mean).movedim(1, 0).flatten(1)
            total += colours @ colours.T
        return total / (len(rows) * mean[0].numel())


def _towards_all(parts: list[Tensor], rows: list[NDArray[np.int64]]) -> Tensor:
    """Stack one figure a camera, each drawn towards that of all images."""
    figures = torch.stack(parts)
    count = torch.tensor([float(len(own)) for own in rows], dtype=torch.float64)
    count = count.view(-1, *[1] * (figures.ndim - 1))
    everyone = (figures * count).sum(0) / count.sum()
    return (figures * count + _PRIOR_IMAGES * everyone) / (count + _PRIOR_IMAGES)


def _symmetric(vectors: Tensor, values: Tensor) -> Tensor:
    return (vectors * values[:, None, :]) @ vectors.mT


def _recolour(matrices: Tensor, images: Tensor) -> Tensor:
    """Multiply each pixel of (B, 3, H, W) by its image's (3, 3) matrix."""
    return torch.einsum("bij,bjhw->bihw", matrices, images)
