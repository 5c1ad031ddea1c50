"""Augmentation of a batch on its device: all images at once, each with its own stream of numbers.

    flip -> zero padding and a random crop -> random erasing (Zhong et al., AAAI 2020)

The same choices as `benchmark.data.transforms`, with other draws: these do not depend on the other
images of the batch, nor on the device.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from benchmark.core.philox import uniform_draws

_CHOICES = 8
"""Numbers that an image draws before the noise that erases: flip, two of the crop, five of the
rectangle."""


def augment_on_device(
    pixels: Tensor, seeds: list[int], *, flip: float, pad: int, erase: float
) -> Tensor:
    """Return augmented float32 (B, 3, H, W) images in [0, 1], in channels-last memory.

    Args:
        pixels: uint8 (B, H, W, 3).
        seeds: One an image.
        flip: Probability of a horizontal flip.
        pad: Zero padding before a random crop, in pixels.
        erase: Probability of erasing a random rectangle.
    """
    batch, height, width, channels = pixels.shape
    noise = height * width * channels if erase else 0
    draws = uniform_draws(seeds, _CHOICES + noise, pixels.device)
    moves = (draws[:, 1:3] * (2 * pad + 1)).long() - pad  # 24 bits below 1: never the upper end
    rows = moves[:, :1] + torch.arange(height, device=pixels.device)
    columns = moves[:, 1:] + torch.arange(width, device=pixels.device)
    inside = _within(rows, height)[:, :, None] & _within(columns, width)[:, None, :]
    columns = torch.where(draws[:, :1] < flip, width - 1 - columns, columns)
    index = rows.clamp(0, height - 1)[:, :, None] * width + columns.clamp(0, width - 1)[:, None, :]
    index = index.view(batch, -1, 1).expand(-1, -1, channels)
    shown = pixels.view(batch, -1, channels).gather(1, index).view_as(pixels)
    images = shown.float().div_(255).mul_(inside[..., None])
    if erase:
        erased = _rectangles(draws[:, 3:_CHOICES], erase, height, width)
        images = torch.where(erased[..., None], draws[:, _CHOICES:].view_as(images), images)
    return images.permute(0, 3, 1, 2)


def _within(places: Tensor, length: int) -> Tensor:
    return (places >= 0) & (places < length)


def _rectangles(draws: Tensor, probability: float, height: int, width: int) -> Tensor:
    """Return (B, H, W), true in the rectangle of each image that is erased.

    Args:
        draws: (B, 5) numbers in [0, 1): chance, area, aspect, top, left.
        probability: Of having a rectangle at all.
        height: H.
        width: W.
    """
    chance, area, aspect, top, left = draws.double().unbind(1)
    size = (0.02 + 0.38 * area) * height * width
    ratio = torch.exp((2 * aspect - 1) * math.log(3.3))
    h = (size * ratio).sqrt().round().clamp(1, height)
    w = (size / ratio).sqrt().round().clamp(1, width)
    y, x = (top * (height - h + 1)).floor(), (left * (width - w + 1)).floor()
    tall = _between(height, y, y + h)[:, :, None]
    wide = _between(width, x, x + w)[:, None, :]
    return tall & wide & (chance < probability)[:, None, None]


def _between(length: int, first: Tensor, end: Tensor) -> Tensor:
    places = torch.arange(length, device=first.device)
    return (places >= first[:, None]) & (places < end[:, None])
