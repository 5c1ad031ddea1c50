"""Where the pixels of a training come from, batch by batch, ready on its device.

A GPU keeps a set that fits as bytes; of one that does not fit, a thread gathers the next batches
into pinned memory while the device computes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.core.image_set import ImageSet
from benchmark.core.to_device import to_device

Rows = NDArray[np.int64]

RESIDENT_SHARE = 0.25
"""Share of a device's free memory that pixels may take; the rest is the training's. Chosen."""
COPIED_AT_ONCE = 1024
"""Images that are read at once while a set is copied to the device."""
AHEAD = 2
"""Batches that are gathered ahead."""


class PixelSource(Protocol):
    """Hands over the pixels of batches."""

    def batches(self, rows: Sequence[Rows]) -> Generator[Tensor]:
        """Yield uint8 (B, H, W, 3) pixels on the device for the (B,) rows of each batch."""


class HostPixels:
    """Pixels that are gathered when they are asked for, as a CPU has them at hand.

    Args:
        images: The set.
    """

    def __init__(self, images: ImageSet) -> None:
        self._images = images

    def batches(self, rows: Sequence[Rows]) -> Generator[Tensor]:
        """Yield uint8 (B, H, W, 3) pixels of each batch."""
        for own in rows:
            yield torch.from_numpy(self._images.pixels(own))


class ResidentPixels:
    """Pixels of a whole set, in the memory of a device.

    Args:
        images: The set; it must fit.
        device: Where its pixels stay.
    """

    def __init__(self, images: ImageSet, device: torch.device) -> None:
        shape = (len(images), *images.images.shape[1:])
        self._pixels = torch.empty(shape, dtype=torch.uint8, device=device)
        for first in range(0, len(images), COPIED_AT_ONCE):
            part = slice(first, first + COPIED_AT_ONCE)
            self._pixels[part] = torch.from_numpy(images.pixels(part)).to(device)

    def batches(self, rows: Sequence[Rows]) -> Generator[Tensor]:
        """Yield uint8 (B, H, W, 3) pixels of each batch."""
        for own in rows:
            index = to_device(torch.from_numpy(own), self._pixels.device)
            yield self._pixels.index_select(0, index)


class PrefetchedPixels:
    """Pixels that a thread gathers ahead, from memory or a memory map.

    Args:
        images: The set.
        device: Where batches go.
        ahead: Batches that are gathered ahead.
    """

    def __init__(self, images: ImageSet, device: torch.device, ahead: int = AHEAD) -> None:
        self._images, self._device, self._ahead = images, device, ahead

    def batches(self, rows: Sequence[Rows]) -> Generator[Tensor]:
        """Yield uint8 (B, H, W, 3) pixels of each batch."""
        waiting = iter(rows)
        with ThreadPoolExecutor(1, thread_name_prefix="pixels") as thread:
            gathered = deque(
                thread.submit(self._gather, own) for own in islice(waiting, self._ahead)
            )
            while gathered:
                pixels = gathered.popleft().result()
                gathered.extend(thread.submit(self._gather, own) for own in islice(waiting, 1))
                yield pixels.to(self._device, non_blocking=True)

    def _gather(self, rows: Rows) -> Tensor:
        pixels = torch.from_numpy(self._images.pixels(rows))
        return pixels.pin_memory() if self._device.type == "cuda" else pixels


def pixel_source(images: ImageSet, device: torch.device) -> PixelSource:
    """Return what suits a device and the size of a set.

    Args:
        images: The set.
        device: Where batches are wanted.
    """
    if device.type != "cuda":
        return HostPixels(images)
    free, _ = torch.cuda.mem_get_info(device)
    fits = len(images) * images.images[:1].nbytes <= RESIDENT_SHARE * free
    return ResidentPixels(images, device) if fits else PrefetchedPixels(images, device)
