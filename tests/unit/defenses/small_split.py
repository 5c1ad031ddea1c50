"""A training split of a few coloured boxes: identity sets the colour, camera the background."""

from __future__ import annotations

import numpy as np

from benchmark.core.image_set import ImageSet

COLOURS = {1: (220, 40, 40), 2: (40, 200, 60), 3: (50, 70, 230)}
GROUNDS = {1: 90, 2: 150, 5: 120}


def small_split(
    counts: dict[tuple[int, int], int], height: int = 16, width: int = 8, seed: int = 0
) -> ImageSet:
    """Draw `counts[pid, camid]` images of each identity under each camera."""
    rng = np.random.default_rng(seed)
    images, pids, camids = [], [], []
    for (pid, camid), count in counts.items():
        for _ in range(count):
            image = rng.normal(GROUNDS[camid], 6, (height, width, 3))
            top = rng.integers(2, 5)
            image[top : height - 2, 2 : width - 2] = COLOURS[pid] + rng.normal(0, 6, 3)
            images.append(image.clip(0, 255).astype(np.uint8))
            pids.append(pid)
            camids.append(camid)
    names = tuple(
        f"{p:04d}_c{c}s1_{i:06d}_00.jpg" for i, (p, c) in enumerate(zip(pids, camids, strict=True))
    )
    return ImageSet(np.stack(images), np.array(pids), np.array(camids), names)
