"""Augmentation of a batch in [0, 1]: flip, pad-crop, random erasing; one seed, any device."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F


def augment(images: Tensor, seed: int, *, flip: float, pad: int, erase: float) -> Tensor:
    """Return augmented copies of (B, 3, H, W) images.

    Args:
        images: Images in [0, 1].
        seed: Seed of all random choices.
        flip: Probability of a horizontal flip.
        pad: Zero padding before a random crop, in pixels.
        erase: Probability of erasing a random rectangle.
    """
    generator = torch.Generator().manual_seed(seed)
    flipped = (torch.rand(len(images), generator=generator) < flip).to(images.device)
    images = torch.where(flipped[:, None, None, None], images.flip(3), images)
    if pad:
        images = _pad_and_crop(images, pad, generator)
    return _erase(images, erase, generator) if erase else images


def _pad_and_crop(images: Tensor, pad: int, generator: torch.Generator) -> Tensor:
    height, width = images.shape[2:]
    padded = F.pad(images, (pad,) * 4)
    offsets = torch.randint(0, 2 * pad + 1, (len(images), 2), generator=generator).tolist()
    crops = [padded[i, :, y : y + height, x : x + width] for i, (y, x) in enumerate(offsets)]
    return torch.stack(crops).contiguous(memory_format=torch.channels_last)


def _erase(images: Tensor, probability: float, generator: torch.Generator) -> Tensor:
    """Random erasing (Zhong et al., AAAI 2020): area 2–40 %, aspect 0.3–3.3, filled with noise."""
    images = images.clone()
    height, width = images.shape[2:]
    draws = torch.rand(len(images), 5, generator=generator).tolist()
    for i, (chance, area, aspect, top, left) in enumerate(draws):
        if chance >= probability:
            continue
        pixels = (0.02 + 0.38 * area) * height * width
        ratio = math.exp((2 * aspect - 1) * math.log(3.3))
        h = min(height, max(1, round(math.sqrt(pixels * ratio))))
        w = min(width, max(1, round(math.sqrt(pixels / ratio))))
        y, x = int(top * (height - h + 1)), int(left * (width - w + 1))
        noise = torch.rand(images.shape[1], h, w, generator=generator)
        images[i, :, y : y + h, x : x + w] = noise.to(images.device)
    return images
