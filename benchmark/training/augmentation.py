"""Augmented images of a batch, on its device."""

from __future__ import annotations

from torch import Tensor

from benchmark.core.seeding import derive_seed
from benchmark.data.device_transforms import augment_on_device
from benchmark.data.transforms import augment
from benchmark.training.config import AugmentConfig


def augmented(pixels: Tensor, seed: int, options: AugmentConfig) -> Tensor:
    """Return float32 (B, 3, H, W) images in [0, 1] from uint8 (B, H, W, 3) pixels.

    Args:
        pixels: Of the batch.
        seed: Of the step; on a GPU each image derives its own from it.
        options: Probabilities and sizes.
    """
    if pixels.device.type == "cpu":
        images = pixels.permute(0, 3, 1, 2)
        return augment(images, seed, flip=options.flip, pad=options.pad, erase=options.erase)
    seeds = [derive_seed(seed, "augment", place) for place in range(len(pixels))]
    return augment_on_device(pixels, seeds, flip=options.flip, pad=options.pad, erase=options.erase)
