"""What a data set hands over: images with identity, camera and name, in three splits."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class ImageSet:
    """Images of one split.

    Attributes:
        images: uint8 (N, H, W, 3), RGB; may be a read-only memory map.
        pids: int64 (N,) identities; any number names a person unless `junk` or `distractor` say
            otherwise.
        camids: int64 (N,) cameras, not negative.
        names: File name of each image, such as ``0002_c1s1_000451_03.jpg``.
    """

    images: NDArray[np.uint8]
    pids: NDArray[np.int64]
    camids: NDArray[np.int64]
    names: tuple[str, ...]
    rows: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    """Rows of `images` that this set holds, in order; set by `subset`, else all of them."""
    junk: NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, np.bool_))
    """bool (N,), true for images that are neither right nor wrong, such as parts of bodies: they
    are not ranked. Unset: none is."""
    distractor: NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, np.bool_))
    """bool (N,), true for images of nobody who is looked for: they are wrong for every query.
    Unset: none is."""

    def __post_init__(self) -> None:
        count = len(self.names)
        if self.rows.size == 0:
            object.__setattr__(self, "rows", np.arange(count, dtype=np.int64))
        for flag in ("junk", "distractor"):
            if getattr(self, flag).size == 0:
                object.__setattr__(self, flag, np.zeros(count, np.bool_))
        parts = (self.rows, self.pids, self.camids, self.junk, self.distractor)
        if any(len(part) != count for part in parts):
            raise ValueError(
                "rows, pids, camids, names, junk and distractor must have the same length"
            )

    def __len__(self) -> int:
        return len(self.names)

    def subset(self, index: NDArray[Any] | list[int]) -> ImageSet:
        """Return the images at `index` (integers or a mask) without copying pixels."""
        wanted = np.asarray(index)
        if wanted.size == 0:
            wanted = wanted.astype(np.int64)  # an empty list is an array of floats
        chosen = np.arange(len(self), dtype=np.int64)[wanted]
        return ImageSet(
            self.images,
            self.pids[chosen],
            self.camids[chosen],
            tuple(self.names[i] for i in chosen),
            self.rows[chosen],
            self.junk[chosen],
            self.distractor[chosen],
        )

    def pixels(self, index: NDArray[np.int64] | slice) -> NDArray[np.uint8]:
        """Return uint8 (B, H, W, 3) pixels of the images at `index`, as a copy."""
        return np.array(self.images[self.rows[index]])

    def tensor(self, index: NDArray[np.int64] | slice) -> torch.Tensor:
        """Return float32 (B, 3, H, W) images in [0, 1] on the CPU, in channels-last memory."""
        import torch

        pixels = torch.from_numpy(self.pixels(index)).permute(0, 3, 1, 2)
        return pixels.float().div_(255)

    @property
    def people(self) -> NDArray[np.bool_]:
        """Which images show somebody with an identity: bool (N,), neither junk nor distractor."""
        return ~(self.junk | self.distractor)

    @property
    def identities(self) -> NDArray[np.int64]:
        """Sorted identities of the people in this set."""
        return np.unique(self.pids[self.people])


def no_images(size: tuple[int, int]) -> ImageSet:
    """Return a set without images.

    Args:
        size: (H, W) of those it would hold.
    """
    none = np.empty(0, np.int64)
    return ImageSet(np.empty((0, *size, 3), np.uint8), none, none, ())


def concatenate(first: ImageSet, second: ImageSet) -> ImageSet:
    """Return one set that holds the images of both, in order (copies pixels)."""
    return ImageSet(
        np.concatenate([first.pixels(slice(None)), second.pixels(slice(None))]),
        np.concatenate([first.pids, second.pids]),
        np.concatenate([first.camids, second.camids]),
        first.names + second.names,
        junk=np.concatenate([first.junk, second.junk]),
        distractor=np.concatenate([first.distractor, second.distractor]),
    )
