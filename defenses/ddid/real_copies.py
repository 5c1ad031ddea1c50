"""Real images in place of synthetic ones, at the same number: repeated, or strongly augmented.

Neither is part of DDID. They answer what the diffusion model adds to plain balancing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torchvision.transforms import v2

from benchmark.core.image_set import ImageSet
from benchmark.core.seeding import derive_seed, torch_seeded
from defenses.ddid.synthesis import Slot

_STRONG = v2.Compose(
    [
        v2.RandomHorizontalFlip(0.5),
        v2.ColorJitter(brightness=0.3, contrast=0.3, saturation=0.3, hue=0.05),
        v2.RandomAffine(degrees=8, translate=(0.08, 0.08), scale=(0.85, 1.15), shear=5),
        v2.RandomApply([v2.GaussianBlur(kernel_size=3, sigma=(0.1, 1.0))], p=0.5),
        v2.RandomErasing(p=0.5, scale=(0.02, 0.15), ratio=(0.3, 3.3)),
    ]
)
"""All strengths are chosen: well beyond the training's own flip, shift and erasing."""


class RealCopies:
    """Draws copies of an identity's real images; each has a seed of its own.

    A copy keeps the camera that it was taken by. Where the plan asks for a camera that has no
    image of the identity, another camera stands in: the one that holds fewest of its images.

    Args:
        train: The training split.
        augmented: Whether copies are strongly augmented, or repeated as they are.
        seed: Seed of the choice of images and of their augmentation.
    """

    def __init__(self, train: ImageSet, *, augmented: bool, seed: int) -> None:
        self._train, self._augmented, self._seed = train, augmented, seed

    def placed(self, slots: Sequence[Slot]) -> list[Slot]:
        """Return the slots with the cameras that the copies come from."""
        return [replace(slot, camid=self._camera(slot)) for slot in slots]

    def draw(self, slots: Sequence[Slot], attempt: int) -> NDArray[np.uint8]:
        """Return uint8 (B, H, W, 3) copies for slots that `placed` returned.

        Args:
            slots: What to draw.
            attempt: Number of the attempt; another one gives other copies.
        """
        return np.stack([self._copy(slot, attempt) for slot in slots])

    def _camera(self, slot: Slot) -> int:
        cameras, counts = np.unique(
            self._train.camids[self._train.pids == slot.pid], return_counts=True
        )
        return slot.camid if slot.camid in cameras else int(cameras[counts.argmin()])

    def _copy(self, slot: Slot, attempt: int) -> NDArray[np.uint8]:
        train = self._train
        rows = np.flatnonzero((train.pids == slot.pid) & (train.camids == slot.camid))
        seed = derive_seed(self._seed, "copy", slot.pid, slot.camid, slot.index, attempt)
        row = np.random.default_rng(seed).choice(rows)
        image: NDArray[np.uint8] = train.pixels(np.array([row]))[0]
        if not self._augmented:
            return image
        with torch_seeded(seed, torch.device("cpu")):
            changed = _STRONG(torch.from_numpy(image).permute(2, 0, 1))
        strong: NDArray[np.uint8] = changed.permute(1, 2, 0).numpy()
        return strong
