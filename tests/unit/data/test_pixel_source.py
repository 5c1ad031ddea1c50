"""Every source of pixels hands over the same batches, and stops when it is told to."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import pytest
import torch

from benchmark.core.image_set import ImageSet
from benchmark.data.pixel_source import (
    HostPixels,
    PixelSource,
    PrefetchedPixels,
    ResidentPixels,
    pixel_source,
)
from tests.tiny_scene import image_set

CPU = torch.device("cpu")
IMAGES = image_set(size=(8, 4)).subset([*range(3, 16)])
ROWS = [np.random.default_rng(seed).integers(0, 13, 6) for seed in range(7)]
BUILD: dict[str, Callable[[ImageSet], PixelSource]] = {
    "host": HostPixels,
    "resident": lambda images: ResidentPixels(images, CPU),
    "prefetched": lambda images: PrefetchedPixels(images, CPU),
    "far ahead": lambda images: PrefetchedPixels(images, CPU, ahead=20),
}


@pytest.mark.parametrize("kind", list(BUILD))
def test_the_same_batches(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmark.data.pixel_source.COPIED_AT_ONCE", 5)
    source = BUILD[kind](IMAGES)
    for _ in range(2):
        found = list(source.batches(ROWS))
        assert len(found) == len(ROWS)
        for pixels, rows in zip(found, ROWS, strict=True):
            np.testing.assert_array_equal(pixels.numpy(), IMAGES.pixels(rows))
    assert list(source.batches([])) == []


def test_no_thread_outlives_its_batches() -> None:
    batches = PrefetchedPixels(IMAGES, CPU).batches(ROWS)
    next(batches)
    assert any(thread.name.startswith("pixels") for thread in threading.enumerate())
    batches.close()
    assert not any(thread.name.startswith("pixels") for thread in threading.enumerate())


def test_a_fault_of_reading_arrives() -> None:
    with pytest.raises(IndexError):
        list(PrefetchedPixels(IMAGES, CPU).batches([np.array([99])]))


def test_a_cpu_gathers_when_asked() -> None:
    assert isinstance(pixel_source(IMAGES, CPU), HostPixels)


@pytest.mark.parametrize(("free", "kind"), [(10**9, ResidentPixels), (4000, PrefetchedPixels)])
def test_free_memory_decides_on_a_gpu(
    free: int, kind: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free, free))
    monkeypatch.setattr(
        "benchmark.data.pixel_source.ResidentPixels.__init__", lambda self, images, device: None
    )
    assert isinstance(pixel_source(IMAGES, torch.device("cuda")), kind)
