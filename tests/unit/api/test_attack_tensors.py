"""Attacks on plain tensors: budget, determinism, and what is refused."""

from __future__ import annotations

import pytest
import torch

import benchmark
from benchmark.core.errors import DataError, UsageError
from tests.tiny_scene import image_set, tiny_encoder

WHOLE = image_set(identities=4, per_camera=2, size=(16, 8))
IMAGES = WHOLE.tensor(slice(None)).contiguous()
PIDS, CAMIDS = torch.from_numpy(WHOLE.pids), torch.from_numpy(WHOLE.camids)
ENCODER = tiny_encoder()


def distance_to_matches(images):
    """Return the mean distance of images to the clean images of their identity."""
    with torch.no_grad():
        moved, clean = (torch.nn.functional.normalize(ENCODER(x)) for x in (images, IMAGES))
    same = PIDS[:, None] == PIDS[None, :]
    return float(torch.cdist(moved, clean)[same].mean())


@pytest.mark.parametrize("name", ["random-noise", "metric-ifgsm", "soft-ap", "square"])
@pytest.mark.parametrize("gallery", [None, (IMAGES, PIDS, CAMIDS)])
def test_images_stay_in_the_ball_and_move_away(name, gallery):
    options = {"queries": 20} if name == "square" else {}
    found = benchmark.attack(
        name, ENCODER, IMAGES, PIDS, CAMIDS, gallery=gallery, eps=8, seed=1, **options
    )
    assert found.shape == IMAGES.shape
    assert found.min() >= 0
    assert found.max() <= 1
    assert float((found - IMAGES).abs().max()) <= 8 / 255 + 1e-6
    if name in ("metric-ifgsm", "soft-ap"):
        assert distance_to_matches(found) > 1.05 * distance_to_matches(IMAGES)


def test_it_does_not_depend_on_the_batch_and_repeats_itself():
    whole, parts = (
        benchmark.attack("metric-pgd", ENCODER, IMAGES, PIDS, CAMIDS, batch=batch, steps=2)
        for batch in (64, 5)
    )
    assert float(((whole - parts).abs() < 1e-6).float().mean()) > 0.99
    other = benchmark.attack("metric-pgd", ENCODER, IMAGES, PIDS, CAMIDS, seed=2, steps=2)
    assert not torch.equal(whole, other)


def test_the_encoder_comes_back_as_it_was():
    encoder = tiny_encoder().train().requires_grad_(True)
    benchmark.attack("fna", encoder, IMAGES, PIDS, CAMIDS)
    assert encoder.training
    assert all(p.requires_grad and p.grad is None for p in encoder.parameters())


@pytest.mark.parametrize(
    ("images", "pids", "camids", "what"),
    [
        (IMAGES * 2, PIDS, CAMIDS, "not in [0, 1]"),
        (IMAGES - 0.5, PIDS, CAMIDS, "not in [0, 1]"),
        (IMAGES * float("nan"), PIDS, CAMIDS, "not in [0, 1]"),
        ((IMAGES * 255).byte(), PIDS, CAMIDS, "uint8, not float32"),
        (IMAGES.double(), PIDS, CAMIDS, "float64, not float32"),
        (IMAGES[0], PIDS, CAMIDS, "shape (3, 16, 8)"),
        (IMAGES[:, :1], PIDS, CAMIDS, "shape"),
        (IMAGES[:0], PIDS[:0], CAMIDS[:0], "shape"),
        (IMAGES, PIDS[:-1], CAMIDS, "pids is torch.int64 of shape"),
        (IMAGES, PIDS, CAMIDS.float(), "camids is torch.float32"),
    ],
)
def test_wrong_images_and_labels_are_told(images, pids, camids, what):
    for gallery in (None, (images, pids, camids)):
        own = (images, pids, camids) if gallery is None else (IMAGES, PIDS, CAMIDS)
        with pytest.raises(DataError) as caught:
            benchmark.attack("fna", ENCODER, *own, gallery=gallery)
        assert what in caught.value.what
        assert caught.value.hint


@pytest.mark.parametrize(
    ("name", "options"),
    [("no-such-attack", {}), ("fna", {"stepz": 3}), ("fna", {"eps": -1}), ("uap", {}), ("di", {})],
)
def test_wrong_attacks_and_options_are_told(name, options):
    with pytest.raises(UsageError) as caught:
        benchmark.attack(name, ENCODER, IMAGES, PIDS, CAMIDS, **options)
    assert caught.value.hint
