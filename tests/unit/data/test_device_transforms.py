"""Augmentation on the device, computed on the CPU: each image has its own draws."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from benchmark.data.device_transforms import augment_on_device
from benchmark.data.transforms import augment

H, W = 12, 6
PIXELS = torch.from_numpy(np.random.default_rng(0).integers(1, 256, (64, H, W, 3), dtype=np.uint8))
IMAGES = PIXELS.permute(0, 3, 1, 2).float().div(255)
SEEDS = list(range(64))


def on_device(pixels: Tensor = PIXELS, seeds: list[int] = SEEDS, **options: Any) -> Tensor:
    return augment_on_device(pixels, seeds, **{"flip": 0.5, "pad": 2, "erase": 0.5, **options})


def test_an_image_gets_the_same_in_every_batch() -> None:
    whole = on_device()
    assert torch.equal(on_device(PIXELS[5:7], SEEDS[5:7]), whole[5:7])
    assert torch.equal(on_device(PIXELS.flip(0), SEEDS[::-1]), whole.flip(0))
    assert whole.shape == (64, 3, H, W)
    assert whole.is_contiguous(memory_format=torch.channels_last)
    assert float(whole.min()) >= 0
    assert float(whole.max()) <= 1


def test_flips_alone() -> None:
    assert torch.equal(on_device(flip=0, pad=0, erase=0), IMAGES)
    assert torch.equal(on_device(flip=1, pad=0, erase=0), IMAGES.flip(3))
    some = on_device(flip=0.5, pad=0, erase=0)
    mirrored = [torch.equal(one, image.flip(2)) for one, image in zip(some, IMAGES, strict=True)]
    kept = [torch.equal(one, image) for one, image in zip(some, IMAGES, strict=True)]
    assert all(a != b for a, b in zip(mirrored, kept, strict=True))
    assert 20 <= sum(mirrored) <= 44


@pytest.mark.parametrize("flip", [0, 1])
def test_crops_are_windows_of_the_padded_image(flip: int) -> None:
    places = set()
    images = IMAGES.flip(3) if flip else IMAGES
    for image, crop in zip(images, on_device(flip=flip, pad=1, erase=0), strict=True):
        padded = F.pad(image, (1, 1, 1, 1))
        windows = {(y, x): padded[:, y : y + H, x : x + W] for y in range(3) for x in range(3)}
        (found,) = [place for place, window in windows.items() if torch.equal(crop, window)]
        places.add(found)
    assert len(places) == 9


def test_erased_are_rectangles_of_noise() -> None:
    changed = on_device(flip=0, pad=0, erase=1) != IMAGES
    assert float(changed.any(1).float().mean((1, 2)).min()) > 0
    assert float(changed.any(1).float().mean((1, 2)).max()) <= 0.5
    for mask in changed.any(1):
        assert int(mask.sum()) == int(mask.any(1).sum()) * int(mask.any(0).sum())
    some = (on_device(flip=0, pad=0, erase=0.5) != IMAGES).flatten(1).any(1)
    assert 20 <= int(some.sum()) <= 44


def test_sizes_of_rectangles_are_those_of_the_cpu() -> None:
    pixels = PIXELS.repeat(8, 1, 1, 1)
    images = pixels.permute(0, 3, 1, 2)
    here = on_device(pixels, list(range(512)), flip=0, pad=0, erase=1)
    there = augment(images, 0, flip=0, pad=0, erase=1)
    plain = images.float().div(255)
    shares = [(one != plain).any(1).float().mean((1, 2)) for one in (here, there)]
    assert float(shares[0].mean()) == pytest.approx(float(shares[1].mean()), abs=0.015)
    assert float(shares[0].std()) == pytest.approx(float(shares[1].std()), abs=0.015)


@pytest.mark.parametrize("pad", [0, 2, 30])
def test_bytes_are_augmented_as_floats_are(pad: int) -> None:
    options = {"flip": 0.5, "pad": pad, "erase": 0.5}
    from_floats = augment(IMAGES, 3, **options)  # type: ignore[arg-type]
    from_bytes = augment(PIXELS.permute(0, 3, 1, 2), 3, **options)  # type: ignore[arg-type]
    assert torch.equal(from_floats, from_bytes)
    assert from_bytes.is_contiguous(memory_format=torch.channels_last)
