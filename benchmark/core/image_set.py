"""What a data set hands over: images with identity, camera and name, in three splits."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

JUNK_PID = -1
DISTRACTOR_PID = 0


@dataclass(frozen=True)
class ImageSet:
    """Images of one split.

    Attributes:
        images: uint8 (N, H, W, 3), RGB; may be a read-only memory map.
        pids: int64 (N,); identities are positive, 0 is a distractor, -1 is junk (Market-1501).
        camids: int64 (N,), 1-based as on disk.
        names: File name of each image, such as ``0002_c1s1_000451_03.jpg``.
    """

    images: NDArray[np.uint8]
    pids: NDArray[np.int64]
    camids: NDArray[np.int64]
    names: tuple[str, ...]
    rows: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    """Rows of `images` that this set holds, in order; set by `subset`, else all of them."""

    def __post_init__(self) -> None:
        if self.rows.size == 0 and len(self.names):
            object.__setattr__(self, "rows", np.arange(len(self.names), dtype=np.int64))
        if not len(self.rows) == len(self.pids) == len(self.camids) == len(self.names):
            raise ValueError("rows, pids, camids and names must have the same length")

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
    def identities(self) -> NDArray[np.int64]:
        """Sorted positive identities in this set."""
        return np.unique(self.pids[self.pids > 0])


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
    )
