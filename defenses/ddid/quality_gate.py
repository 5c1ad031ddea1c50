"""Judge synthetic images with a frozen clean encoder, and refuse near-copies of real ones.

DDID does not describe such a gate; it is this project's choice. It keeps images of a wrong or
blurred identity out of the training labels.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmark.core.encoder import evaluating, verified_embeddings
from benchmark.core.errors import DataError
from benchmark.core.image_set import ImageSet

_BATCH = 256
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class GateDecision:
    """The judgement on a batch of images.

    Attributes:
        accepted: (B,) bool.
        score: (B,) cosine to the centroid of the wanted identity.
        nearest_pid: (B,) identity with the nearest centroid.
        distance: (B,) root mean square difference, in [0, 1], to the nearest real image of the
            wanted identity.
    """

    accepted: NDArray[np.bool_]
    score: Floats
    nearest_pid: NDArray[np.int64]
    distance: Floats


class QualityGate:
    """Accepts an image that looks like its identity and like none of its real images.

    An image passes if (1) the identity centroid nearest to its embedding by cosine is that of its
    own identity, (2) that cosine is at least the given percentile of the real images' cosines to
    their own centroids, and (3) it differs enough from each real image of its identity. A real
    image is left out of its own centroid when its cosine is taken.

    Args:
        encoder: Clean encoder trained on the same split; (B, 3, H, W) in [0, 1] to (B, D).
        train: The training split.
        percentile: Of the real cosines, 0 to 100.
        min_distance: Least root mean square difference to a real image, in [0, 1].
        device: Where the encoder is.

    Attributes:
        threshold: The least cosine that passes.
        real_scores: (N,) cosine of each real image; NaN where its identity has no other image.
        real_accepted: Share of the real images that pass (1) and (2).
        real_distance: (N,) as `GateDecision.distance`, to the other images of the identity; NaN
            likewise.

    Raises:
        DataError: No identity has two images.
    """

    def __init__(
        self,
        encoder: Callable[[Tensor], Tensor],
        train: ImageSet,
        *,
        percentile: float,
        min_distance: float,
        device: torch.device,
    ) -> None:
        self._encoder, self._device, self._min_distance = encoder, device, min_distance
        self._train = train.subset(train.people)
        self._pids, label = np.unique(self._train.pids, return_inverse=True)
        rows = [self._train.pixels(np.flatnonzero(label == i)) for i in range(len(self._pids))]
        self._real = dict(zip(self._pids.tolist(), rows, strict=True))
        embeddings = self._embed(self._train.pixels(slice(None)))
        sums = np.zeros((len(self._pids), embeddings.shape[1]))
        np.add.at(sums, label, embeddings)
        self._centroids = _unit(sums)
        self.real_scores = (_unit(sums[label] - embeddings) * embeddings).sum(axis=1)
        alone = np.bincount(label)[label] < 2
        self.real_scores[alone] = np.nan
        if alone.all():
            raise DataError(
                "balancing: no training identity has two images, so nothing can be judged",
                "use a training split with several images an identity, or ddid without balancing",
            )
        self.threshold = float(np.nanpercentile(self.real_scores, percentile))
        self.real_accepted = self._share_of_real(embeddings, label, alone)
        self.real_distance = self._distances_among_real()

    def judge(self, images: NDArray[np.uint8], pids: NDArray[np.int64]) -> GateDecision:
        """Judge (B, H, W, 3) images that should show the (B,) identities `pids`."""
        cosines = self._embed(images) @ self._centroids.T
        score = cosines[np.arange(len(images)), np.searchsorted(self._pids, pids)]
        nearest = self._pids[cosines.argmax(axis=1)]
        distance = np.array(
            [
                _distances(image, self._real[pid]).min()
                for image, pid in zip(images, pids.tolist(), strict=True)
            ]
        )
        fits = (nearest == pids) & (score >= self.threshold)
        return GateDecision(fits & (distance >= self._min_distance), score, nearest, distance)

    def _embed(self, images: NDArray[np.uint8]) -> Floats:
        encoder, parts = self._encoder, []
        with (
            evaluating(encoder) if isinstance(encoder, nn.Module) else nullcontext(),
            torch.no_grad(),
        ):
            for first in range(0, len(images), _BATCH):
                block = torch.from_numpy(images[first : first + _BATCH]).to(self._device)
                embeddings = encoder(block.permute(0, 3, 1, 2).float() / 255)
                verified_embeddings(embeddings, len(block), "balancing gate")
                parts.append(embeddings.double().cpu().numpy())
        return _unit(np.concatenate(parts))

    def _share_of_real(
        self, embeddings: Floats, label: NDArray[np.int64], alone: NDArray[np.bool_]
    ) -> float:
        cosines = embeddings @ self._centroids.T
        cosines[np.arange(len(label)), label] = self.real_scores
        known = ~alone
        right = cosines[known].argmax(axis=1) == label[known]
        return float((right & (self.real_scores[known] >= self.threshold)).mean())

    def _distances_among_real(self) -> Floats:
        nearest = np.full(len(self._train), np.nan)
        for pid, images in self._real.items():
            if len(images) > 1:
                among = np.stack([_distances(image, images) for image in images])
                np.fill_diagonal(among, np.inf)
                nearest[self._train.pids == pid] = among.min(axis=1)
        return nearest


def _unit(vectors: Floats) -> Floats:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Floats = vectors / np.maximum(norms, 1e-12)
    return unit


def _distances(image: NDArray[np.uint8], others: NDArray[np.uint8]) -> Floats:
    difference = others.astype(np.float32) - image.astype(np.float32)
    distances: Floats = np.sqrt(np.square(difference).mean(axis=(1, 2, 3), dtype=np.float64)) / 255
    return distances
