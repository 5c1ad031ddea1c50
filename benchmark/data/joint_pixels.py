"""Pixels of several splits as one array that copies nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from benchmark.core.image_set import ImageSet


class JointPixels:
    """The pixels of several sets one after another; each stays where it is, memory maps too.

    Args:
        parts: Sets of images of one size, at least one.

    Attributes:
        shape: (N, H, W, 3).
    """

    dtype = np.dtype(np.uint8)
    ndim = 4

    def __init__(self, parts: Sequence[ImageSet]) -> None:
        self._parts = tuple(parts)
        self._ends = np.cumsum([len(part) for part in parts])
        self.shape = (len(self), *parts[0].images.shape[1:])

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, index: Any) -> NDArray[np.uint8]:
        """Return a copy of the pixels at a row, or at a slice, list or mask of rows."""
        rows = np.arange(len(self))[index]
        wanted = np.atleast_1d(rows)
        found = np.empty((len(wanted), *self.shape[1:]), self.dtype)
        owner = np.searchsorted(self._ends, wanted, side="right")
        for number, part in enumerate(self._parts):
            here = owner == number
            if here.any():
                start = self._ends[number] - len(part)
                found[here] = part.pixels(wanted[here] - start)
        return found if rows.ndim else found[0]

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        return self[:].astype(dtype or self.dtype, copy=False)
