"""Audit figures beside brute force and cases whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from benchmark.core.image_set import ImageSet
from benchmark.core.progress import SilentProgress
from benchmark.experiments.balancing_audit.camera_classifier import CameraClassifier
from benchmark.experiments.balancing_audit.feature_distance import distance_within, feature_distance
from benchmark.experiments.balancing_audit.synthetic_audit import (
    balance_of,
    identity_consistency,
    nearest_embedding,
    nearest_pixels,
    real_consistency,
    share_below,
    spread_within,
)
from benchmark.experiments.unit_vectors import unit
from benchmark.models.backbone import BackboneConfig
from tests.tiny_scene import CPU, image_set, tiny_encoder

RNG = np.random.default_rng(0)
REAL, PIDS = unit(RNG.normal(size=(14, 5))), np.array([3, 3, 3, 7, 7, 7, 7, 9, 9, 9, 9, 9, 9, 11])
ADDED, ADDED_PIDS = unit(RNG.normal(size=(6, 5))), np.array([9, 3, 7, 7, 11, 3])


def centroid(rows: np.ndarray) -> np.ndarray:
    mean = rows.mean(0)
    return mean / np.linalg.norm(mean)


def test_consistency_beside_brute_force() -> None:
    centroids = {pid: centroid(REAL[pid == PIDS]) for pid in np.unique(PIDS)}
    right = [
        max(centroids, key=lambda one: centroids[one] @ vector) == pid
        for vector, pid in zip(ADDED, ADDED_PIDS, strict=True)
    ]
    cosine = [vector @ centroids[p] for vector, p in zip(ADDED, ADDED_PIDS, strict=True)]
    found = identity_consistency(REAL, PIDS, ADDED, ADDED_PIDS)
    assert found.right == pytest.approx(np.mean(right))
    assert found.cosine == pytest.approx(np.mean(cosine))


def test_real_images_are_left_out_of_their_own_centroid() -> None:
    right, cosine = [], []
    for row in range(13):  # the last image is alone
        others = np.arange(14) != row
        centroids = {p: centroid(REAL[(p == PIDS) & others]) for p in np.unique(PIDS[others])}
        right.append(max(centroids, key=lambda one: centroids[one] @ REAL[row]) == PIDS[row])
        cosine.append(REAL[row] @ centroids[PIDS[row]])
    found = real_consistency(REAL, PIDS)
    assert found.right == pytest.approx(np.mean(right))
    assert found.cosine == pytest.approx(np.mean(cosine))


def test_spread_weighs_identities_evenly() -> None:
    expected = []
    for pid in (3, 9):
        own = REAL[pid == PIDS]
        pairs = [1 - own[i] @ own[j] for i in range(len(own)) for j in range(i)]
        expected.append(np.mean(pairs))
    found = spread_within(REAL, PIDS, np.array([3, 9, 11]))
    assert found == pytest.approx(np.mean(expected))
    assert spread_within(REAL, PIDS, np.array([11])) is None


def random_images(count: int, seed: int) -> ImageSet:
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (count, 6, 4, 3), dtype=np.uint8)
    ones = np.ones(count, np.int64)
    return ImageSet(images, ones, ones, tuple(map(str, range(count))))


@pytest.mark.parametrize("own", [False, True])
def test_nearest_pixels_beside_brute_force(own: bool) -> None:
    real = random_images(300, 0)
    ours = real if own else random_images(280, 1)  # more than a block of each
    rows = np.arange(len(ours)) if own else None
    found = nearest_pixels(real, ours.images, rows)
    for i in range(0, len(ours), 37):
        difference = real.images.astype(float) - ours.images[i].astype(float)
        rms = np.sqrt((difference**2).mean(axis=(1, 2, 3))) / 255
        if own:
            rms[i] = np.inf
        assert found.row[i] == rms.argmin()
        assert found.distance[i] == pytest.approx(rms.min())


def test_a_copy_has_distance_zero() -> None:
    real = random_images(20, 0)
    found = nearest_pixels(real, real.images[[4, 9]], None)
    assert found.row.tolist() == [4, 9]
    assert found.distance == pytest.approx([0, 0], abs=1e-6)


def test_nearest_embedding() -> None:
    found = nearest_embedding(REAL, ADDED, None)
    assert found.row.tolist() == [int((REAL @ vector).argmax()) for vector in ADDED]
    among = nearest_embedding(REAL, REAL, np.arange(14))
    assert all(among.row != np.arange(14))


def test_share_below_a_percentile_of_the_reference() -> None:
    reference = np.arange(101, dtype=float)
    assert share_below(reference, reference, 5) == pytest.approx(5 / 101)
    assert share_below(np.array([1.0, 4.0, 6.0, 90.0]), reference, 5) == 0.5


def test_balance_by_hand() -> None:
    pids = np.array([1, 1, 1, 1, 2, 2])
    camids = np.array([1, 1, 1, 5, 2, 5])
    found = balance_of(pids, camids)
    assert (found.images, found.least, found.median, found.most) == (6, 2, 3.0, 4)
    assert found.variation == pytest.approx(1 / 3)
    assert found.one_camera == 0.5  # 3 of 4 and 1 of 2
    assert found.cameras == 2.0


class TwoScales(nn.Module):
    """A trunk whose maps are known: the image, and its 2 x 2 averages."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Identity(), nn.ReLU(), nn.AvgPool2d(2))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        maps: torch.Tensor = self.trunk(images)
        return maps.mean((2, 3))


def test_feature_distance_by_hand() -> None:
    first, second = torch.rand(2, 3, 4, 4), torch.rand(2, 3, 4, 4)
    expected = []
    for one, other in zip(first, second, strict=True):
        scales = []
        for here, there in ((one, other), (nn.AvgPool2d(2)(one), nn.AvgPool2d(2)(other))):
            places = [
                ((here[:, i, j] / here[:, i, j].norm()) - (there[:, i, j] / there[:, i, j].norm()))
                .square()
                .sum()
                for i in range(here.shape[1])
                for j in range(here.shape[2])
            ]
            scales.append(torch.stack(places).mean())
        expected.append(torch.stack(scales).mean())
    encoder = TwoScales()
    torch.testing.assert_close(feature_distance(encoder, first, second), torch.stack(expected))
    assert not encoder.trunk[0]._forward_hooks
    assert torch.equal(feature_distance(encoder, first, first), torch.zeros(2))


def test_distance_within_identities_is_a_mean_of_pairs() -> None:
    images, encoder = image_set(identities=3, size=(16, 8)), tiny_encoder()
    found = distance_within(encoder, images, np.array([1, 2]), pairs=99, policy=CPU, seed=0)
    expected = []
    for pid in (1, 2):
        own = images.tensor(np.flatnonzero(images.pids == pid))
        pairs = [(i, j) for i in range(len(own)) for j in range(i)]
        one = torch.stack([own[i] for i, _ in pairs])
        other = torch.stack([own[j] for _, j in pairs])
        expected.append(float(feature_distance(encoder, one, other).mean()))
    assert found == pytest.approx(np.mean(expected), rel=1e-5)
    few = distance_within(encoder, images, np.array([1]), pairs=1, policy=CPU, seed=0)
    assert few is not None
    alone = images.subset([0])
    assert distance_within(encoder, alone, np.array([1]), pairs=9, policy=CPU, seed=0) is None


def test_the_camera_classifier_learns_what_cameras_look_like() -> None:
    rng = np.random.default_rng(0)
    camids = np.tile([1, 4, 6], 40)
    shade = np.array([40, 120, 200])[np.searchsorted([1, 4, 6], camids)]
    images = np.clip(shade[:, None, None, None] + rng.normal(0, 20, (120, 16, 8, 3)), 0, 255)
    everyone = ImageSet(
        images.astype(np.uint8), np.ones(120, np.int64), camids, tuple(map(str, range(120)))
    )
    with SilentProgress().task("", 1) as bar:
        classifier = CameraClassifier(
            everyone.subset(np.arange(90)),
            BackboneConfig(width=4),
            policy=CPU,
            epochs=25,
            learning_rate=1e-2,
            seed=0,
            bar=bar,
        )
    test = everyone.subset(np.arange(90, 120))
    assert set(classifier.cameras(test)) == {1, 4, 6}
    assert classifier.agreement(test) > 0.9
    swapped = ImageSet(test.images, test.pids, np.roll(test.camids, 1), test.names, test.rows)
    assert classifier.agreement(swapped) < 0.1
