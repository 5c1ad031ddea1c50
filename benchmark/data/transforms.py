"""Augmentation of a batch in [0, 1] on the CPU: flip, pad-crop, random erasing; one seed a batch.

`benchmark.data.device_transforms` does the same on a GPU, with one seed an image.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Pixels = NDArray[np.float32] | NDArray[np.uint8]


def augment(images: Tensor, seed: int, *, flip: float, pad: int, erase: float) -> Tensor:
    """Return augmented float32 copies of (B, 3, H, W) images in [0, 1], in channels-last memory.

    Args:
        images: On the CPU: float32 in [0, 1], or uint8, which is moved in a quarter of the time.
        seed: Seed of all random choices.
        flip: Probability of a horizontal flip.
        pad: Zero padding before a random crop, in pixels.
        erase: Probability of erasing a random rectangle.
    """
    generator = torch.Generator().manual_seed(seed)
    flipped = torch.rand(len(images), generator=generator) < flip
    offsets = torch.full((len(images), 2), pad)
    if pad:
        offsets = torch.randint(0, 2 * pad + 1, (len(images), 2), generator=generator)
    pixels = images.permute(0, 2, 3, 1).numpy()
    placed = np.zeros_like(pixels, order="C")
    moves = (offsets - pad).tolist()
    for image, shown, mirrored, (down, right) in zip(
        pixels, placed, flipped.tolist(), moves, strict=True
    ):
        _copy_moved(image[:, ::-1] if mirrored else image, shown, down, right)
    augmented = torch.from_numpy(placed)
    if augmented.dtype == torch.uint8:
        augmented = augmented.float().div_(255)
    if erase:
        _erase(augmented.numpy(), erase, generator)
    return augmented.permute(0, 3, 1, 2)


def _copy_moved(image: Pixels, shown: Pixels, down: int, right: int) -> None:
    """Copy the part of an image that a window shows which was moved over it by some pixels."""
    height, width = image.shape[:2]
    top, left = max(0, -down), max(0, -right)
    bottom, end = max(top, min(height, height - down)), max(left, min(width, width - right))
    shown[top:bottom, left:end] = image[top + down : bottom + down, left + right : end + right]


def _erase(pixels: NDArray[np.float32], probability: float, generator: torch.Generator) -> None:
    """Random erasing (Zhong et al., AAAI 2020): area 2–40 %, aspect 0.3–3.3, filled with noise."""
    height, width = pixels.shape[1:3]
    draws = torch.rand(len(pixels), 5, generator=generator).tolist()
    for image, (chance, area, aspect, top, left) in zip(pixels, draws, strict=True):
        if chance >= probability:
            continue
        size = (0.02 + 0.38 * area) * height * width
        ratio = math.exp((2 * aspect - 1) * math.log(3.3))
        h = min(height, max(1, round(math.sqrt(size * ratio))))
        w = min(width, max(1, round(math.sqrt(size / ratio))))
        y, x = int(top * (height - h + 1)), int(left * (width - w + 1))
        noise = torch.rand(image.shape[2], h, w, generator=generator)
        image[y : y + h, x : x + w] = noise.permute(1, 2, 0).numpy()
