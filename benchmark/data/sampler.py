"""P×K batches: P identities with K images each (Hermans et al. 2017)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmark.core.errors import DataError


class PKSampler:
    """Draws the batches of an epoch; the same seed and epoch give the same batches.

    Identities with fewer than K images repeat images.

    Args:
        pids: (N,) identity of each image.
        identities: P, identities in a batch.
        images: K, images of an identity in a batch.
        epoch_images: About how many images an epoch draws; default: as many as there are.

    Raises:
        DataError: There are fewer than P identities.
    """

    def __init__(
        self, pids: NDArray[np.int64], identities: int, images: int, epoch_images: int = 0
    ) -> None:
        self._rows = [np.flatnonzero(pids == pid) for pid in np.unique(pids)]
        if len(self._rows) < identities:
            raise DataError(
                f"{len(self._rows)} training identities are fewer than the "
                f"{identities} that a batch needs",
                f"set training.identities={len(self._rows) // 2 * 2} or add identities",
            )
        self._identities, self._images = identities, images
        self.batches = max(1, (epoch_images or len(pids)) // (identities * images))

    def epoch(self, seed: int) -> list[NDArray[np.int64]]:
        """Return the rows of each batch, (P*K,) each, images of an identity side by side."""
        rng = np.random.default_rng(seed)
        order: list[int] = []
        batches = []
        for _ in range(self.batches):
            if len(order) < self._identities:
                fresh = [i for i in rng.permutation(len(self._rows)).tolist() if i not in order]
                order += fresh
            chosen, order = order[: self._identities], order[self._identities :]
            batches.append(np.concatenate([self._draw(rng, self._rows[i]) for i in chosen]))
        return batches

    def _draw(self, rng: np.random.Generator, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        few = len(rows) < self._images
        return rng.choice(rows, self._images, replace=few)
