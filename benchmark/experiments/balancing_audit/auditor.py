"""The auditor: measures added training images beside the real ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from torch import nn

from benchmark.core.device import DevicePolicy
from benchmark.core.image_set import ImageSet
from benchmark.core.progress import Progress
from benchmark.core.seeding import derive_seed
from benchmark.experiments.balancing_audit.camera_classifier import CameraClassifier
from benchmark.experiments.balancing_audit.feature_distance import distance_within
from benchmark.experiments.balancing_audit.synthetic_audit import (
    Floats,
    Nearest,
    identity_consistency,
    nearest_embedding,
    nearest_pixels,
    real_consistency,
    share_below,
    spread_within,
)
from benchmark.experiments.unit_vectors import unit
from benchmark.metrics.embedding import embed_images
from benchmark.models.backbone import BackboneConfig

Figures = dict[str, float | None]

SHEET_COLUMNS = ("added", "nearest in\npixels", "nearest in\nembedding", "same\nperson")
"""Above the columns of a contact sheet; what follows shows the same person, too."""
CLOSE_PERCENTILE = 5.0
CAMERA_LEARNING_RATE = 2e-3


@dataclass(frozen=True)
class Auditor:
    """Measures images against the real training images.

    Attributes:
        encoder: Measures identity and distance.
        gate: The encoder that accepted the images, to show by how much the two differ.
        real: The real images that trainings fit.
        held_out: Real images of other identities, to test the camera classifier on.
        backbone: Network of the camera classifier.
        policy: Where to run.
        progress: Where to report.
        batch: Images embedded at once.
        seed: Seed of the choice of pairs and of the camera classifier.
        near_copy: Pixel distance of a copy.
        pairs: Most pairs of an identity.
        camera_epochs: Training of the camera classifier.
    """

    encoder: nn.Module
    gate: nn.Module
    real: ImageSet
    held_out: ImageSet
    backbone: BackboneConfig
    policy: DevicePolicy
    progress: Progress
    batch: int
    seed: int
    near_copy: float
    pairs: int
    camera_epochs: int

    def real_figures(self) -> Figures:
        """Return the figures of the real images, each beside the others."""
        real, pids = self.real, self.real.pids
        own = real_consistency(self._embedded, pids)
        figures = self._distances(self._real_pixels, self._real_embedding)
        figures |= self._spreads(real, self._embedded, real.identities)
        return figures | {
            "right": own.right,
            "cosine": own.cosine,
            "right_gate": real_consistency(self._gate_embedded, pids).right,
            "spread_share": None,
            "feature_spread_share": None,
            "camera": self._camera.agreement(self.held_out) if len(self.held_out) else None,
        }

    def added_figures(self, added: ImageSet) -> Figures:
        """Return the figures of added images beside the real ones."""
        pids = added.pids
        embedded = self._embed(self.encoder, added)
        own = identity_consistency(self._embedded, self.real.pids, embedded, pids)
        gated = self._embed(self.gate, added)
        known, counts = np.unique(pids, return_counts=True)
        several = known[counts > 1]
        ours = self._spreads(added, embedded, several)
        theirs = self._spreads(self.real, self._embedded, several)
        figures = self._distances(*self.nearest(added)) | ours
        return figures | {
            "right": own.right,
            "cosine": own.cosine,
            "right_gate": identity_consistency(
                self._gate_embedded, self.real.pids, gated, pids
            ).right,
            **{f"{key}_share": _ratio(ours[key], theirs[key]) for key in ours},
            "camera": self._camera.agreement(added),
        }

    def nearest(self, added: ImageSet) -> tuple[Nearest, Nearest]:
        """Return the nearest real image of each added one, in pixels and in embedding."""
        pixels = nearest_pixels(self.real, added.pixels(slice(None)), None)
        embedded = self._embed(self.encoder, added)
        return pixels, nearest_embedding(self._embedded, embedded, None)

    def sheet(
        self, added: ImageSet, count: int
    ) -> tuple[Sequence[Sequence[NDArray[np.uint8]]], list[str]]:
        """Return pictures and labels of a contact sheet, an added image a row.

        Beside it stand its nearest real image in pixels, that in embedding, and other real images
        of its identity.
        """
        rows = np.linspace(0, len(added) - 1, min(count, len(added))).astype(np.int64)
        pixels, embedding = self.nearest(added.subset(rows))
        pictures, labels = [], []
        for i, row in enumerate(rows.tolist()):
            own = np.flatnonzero(self.real.pids == added.pids[row])[:3]
            beside = self.real.pixels(np.concatenate([[pixels.row[i], embedding.row[i]], own]))
            pictures.append([added.pixels(np.array([row]))[0], *beside])
            labels.append(f"{added.pids[row]:04d} c{added.camids[row]}")
        return pictures, labels

    def _distances(self, pixels: Nearest, embedding: Nearest) -> Figures:
        return {
            "pixels_median": float(np.median(pixels.distance)),
            "pixels_least": float(pixels.distance.min()),
            "pixels_close": share_below(
                pixels.distance, self._real_pixels.distance, CLOSE_PERCENTILE
            ),
            "copies": float((pixels.distance < self.near_copy).mean()),
            "embedding_median": float(np.median(embedding.distance)),
            "embedding_close": share_below(
                embedding.distance, self._real_embedding.distance, CLOSE_PERCENTILE
            ),
        }

    def _spreads(self, images: ImageSet, embedded: Floats, pids: NDArray[np.int64]) -> Figures:
        features = distance_within(
            self.encoder,
            images,
            pids,
            pairs=self.pairs,
            policy=self.policy,
            seed=derive_seed(self.seed, "audit"),
        )
        return {
            "spread": spread_within(embedded, images.pids, pids),
            "feature_spread": features,
        }

    def _embed(self, encoder: nn.Module, images: ImageSet) -> Floats:
        found = embed_images(
            encoder, images, policy=self.policy, batch=self.batch, owner="balancing audit"
        )
        return unit(found.double().numpy())

    @cached_property
    def _embedded(self) -> Floats:
        return self._embed(self.encoder, self.real)

    @cached_property
    def _gate_embedded(self) -> Floats:
        return self._embed(self.gate, self.real)

    @cached_property
    def _real_pixels(self) -> Nearest:
        everyone = np.arange(len(self.real))
        return nearest_pixels(self.real, self.real.pixels(slice(None)), everyone)

    @cached_property
    def _real_embedding(self) -> Nearest:
        return nearest_embedding(self._embedded, self._embedded, np.arange(len(self.real)))

    @cached_property
    def _camera(self) -> CameraClassifier:
        with self.progress.task("camera classifier", self.camera_epochs) as bar:
            return CameraClassifier(
                self.real,
                self.backbone,
                policy=self.policy,
                epochs=self.camera_epochs,
                learning_rate=CAMERA_LEARNING_RATE,
                seed=self.seed,
                bar=bar,
            )


def _ratio(ours: float | None, theirs: float | None) -> float | None:
    return ours / theirs if ours is not None and theirs else None
