"""Figures on added training images beside the real ones: right, different, new?

Pure functions of embeddings, labels and pixels; the encoder that made the embeddings is the
caller's choice, and should not be the one that accepted the images.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmark.core.image_set import ImageSet
from benchmark.experiments.unit_vectors import unit

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_BLOCK = 256


@dataclass(frozen=True)
class IdentityAgreement:
    """How well images fit the identity that they are labelled with.

    Attributes:
        right: Share whose nearest identity centroid is that of their label.
        cosine: Mean cosine to the centroid of their label.
    """

    right: float
    cosine: float


@dataclass(frozen=True)
class Nearest:
    """The nearest real image of each image.

    Attributes:
        row: (B,) its row among the real images.
        distance: (B,) the distance to it.
    """

    row: Ints
    distance: Floats


def identity_consistency(
    real: Floats, real_pids: Ints, added: Floats, pids: Ints
) -> IdentityAgreement:
    """Compare (B, D) unit embeddings of added images with centroids of (N, D) real ones."""
    known, label = np.unique(real_pids, return_inverse=True)
    cosines = added @ unit(_sums(real, label)).T
    own = np.searchsorted(known, pids)
    right = known[cosines.argmax(1)] == pids
    return IdentityAgreement(float(right.mean()), float(cosines[np.arange(len(added)), own].mean()))


def real_consistency(real: Floats, pids: Ints) -> IdentityAgreement:
    """Return the same of real images, each left out of its own centroid.

    Images without another one of their identity are left out.
    """
    label = np.unique(pids, return_inverse=True)[1]
    sums = _sums(real, label)
    cosines = real @ unit(sums).T
    own = (unit(sums[label] - real) * real).sum(1)
    cosines[np.arange(len(real)), label] = own
    counted = np.bincount(label)[label] > 1
    right = cosines[counted].argmax(1) == label[counted]
    return IdentityAgreement(float(right.mean()), float(own[counted].mean()))


def spread_within(embeddings: Floats, pids: Ints, identities: Ints) -> float | None:
    """Return the mean cosine distance between two images of one identity, identities even.

    Args:
        embeddings: (N, D) unit embeddings.
        pids: (N,) their identities.
        identities: Which to count; those with fewer than two images do not.

    Returns:
        None if no identity has two images.
    """
    spreads = []
    for pid in identities.tolist():
        own = embeddings[pids == pid]
        if len(own) > 1:
            cosines = own @ own.T
            spreads.append(1 - cosines[np.triu_indices(len(own), 1)].mean())
    return float(np.mean(spreads)) if spreads else None


def nearest_pixels(real: ImageSet, images: NDArray[np.uint8], own_rows: Ints | None) -> Nearest:
    """Find the real image with the least root mean square difference, in [0, 1].

    Args:
        real: Real images.
        images: (B, H, W, 3).
        own_rows: (B,) row of each image among the real ones, which does not count; None: none is.
    """
    flat = images.reshape(len(images), -1)
    best, row = np.full(len(images), np.inf), np.zeros(len(images), np.int64)
    for first in range(0, len(real), _BLOCK):
        block = real.pixels(slice(first, first + _BLOCK))
        theirs = block.reshape(len(block), -1).astype(np.float64) / 255
        for start in range(0, len(images), _BLOCK):
            part = slice(start, start + _BLOCK)
            ours = flat[part].astype(np.float64) / 255
            squared = (ours**2).sum(1)[:, None] + (theirs**2).sum(1) - 2 * ours @ theirs.T
            if own_rows is not None:
                squared[own_rows[part, None] == np.arange(first, first + len(block))] = np.inf
            closest = squared.argmin(1)
            found = squared[np.arange(len(ours)), closest]
            better = found < best[part]
            best[part] = np.where(better, found, best[part])
            row[part] = np.where(better, first + closest, row[part])
    distance: Floats = np.sqrt(np.maximum(best, 0) / flat.shape[1])
    return Nearest(row, distance)


def nearest_embedding(real: Floats, added: Floats, own_rows: Ints | None) -> Nearest:
    """Find the real image with the least cosine distance; the arguments are unit embeddings."""
    distances = 1 - added @ real.T
    if own_rows is not None:
        distances[np.arange(len(added)), own_rows] = np.inf
    row = distances.argmin(1).astype(np.int64)
    return Nearest(row, distances[np.arange(len(added)), row])


def share_below(distances: Floats, reference: Floats, percentile: float) -> float:
    """Return the share of distances below a percentile of reference distances."""
    return float((distances < np.percentile(reference, percentile)).mean())


@dataclass(frozen=True)
class Balance:
    """How evenly images are spread.

    Attributes:
        images: How many there are.
        least: Images of the identity with fewest.
        median: Of identities' numbers of images.
        most: Images of the identity with most.
        variation: Standard deviation of these numbers over their mean.
        one_camera: Share of identities with more than half of their images from one camera.
        cameras: Mean number of cameras of an identity.
    """

    images: int
    least: int
    median: float
    most: int
    variation: float
    one_camera: float
    cameras: float


def balance_of(pids: Ints, camids: Ints) -> Balance:
    """Count images of identities and cameras, (N,) each."""
    known, label = np.unique(pids, return_inverse=True)
    camera = np.unique(camids, return_inverse=True)[1]
    table = np.zeros((len(known), camera.max() + 1), np.int64)
    np.add.at(table, (label, camera), 1)
    counts = table.sum(1)
    return Balance(
        images=len(pids),
        least=int(counts.min()),
        median=float(np.median(counts)),
        most=int(counts.max()),
        variation=float(counts.std() / counts.mean()),
        one_camera=float((2 * table.max(1) > counts).mean()),
        cameras=float((table > 0).sum(1).mean()),
    )


def _sums(embeddings: Floats, label: Ints) -> Floats:
    sums = np.zeros((int(label.max()) + 1, embeddings.shape[1]))
    np.add.at(sums, label, embeddings)
    return sums
