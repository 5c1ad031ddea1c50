"""A training on a GPU: same draws as on the CPU, no waiting within a step, errors told late."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from benchmark.core.defense import TrainingStep
from benchmark.core.device import DevicePolicy, choose_device
from benchmark.core.errors import PluginError
from benchmark.core.philox import uniform_draws
from benchmark.core.plugin import PluginConfig
from benchmark.core.progress import Bar, SilentProgress
from benchmark.core.seeding import counted_noise, uniform_noise
from benchmark.data.device_transforms import augment_on_device
from benchmark.data.pixel_source import PrefetchedPixels, ResidentPixels, pixel_source
from benchmark.training.config import InnerConfig, TrainingConfig
from benchmark.training.fit import Task, TrainedEncoder, fit_defense
from defenses.none import NoDefense
from tests.tiny_scene import BACKBONE, ONE_EPOCH, image_set, make_defense, same_weights

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")

CPU = torch.device("cpu")
IMAGES = image_set(identities=8, size=(16, 8))


@pytest.fixture(scope="module")
def cuda() -> DevicePolicy:
    return choose_device("cuda")


def fit_there(
    defense: Any, folder: Path, policy: DevicePolicy, training: TrainingConfig, progress: Any = None
) -> TrainedEncoder:
    task = Task(
        train=IMAGES,
        backbone=BACKBONE,
        training=training,
        image_size=(16, 8),
        policy=policy,
        seed=0,
        progress=progress or SilentProgress(),
        work_dir=folder,
        encoders={},
    )
    return fit_defense(defense, task)


def test_draws_are_those_of_the_cpu(cuda: DevicePolicy) -> None:
    seeds = [0, 5, 2**63 - 1]
    assert torch.equal(uniform_draws(seeds, 999, cuda.device).cpu(), uniform_draws(seeds, 999, CPU))
    noise = uniform_noise(seeds, (3, 8, 4), cuda.device)
    assert torch.equal(noise.cpu(), counted_noise(seeds, (3, 8, 4), CPU))


def test_augmentation_is_that_of_the_cpu(cuda: DevicePolicy) -> None:
    pixels = torch.from_numpy(IMAGES.pixels(slice(None)))
    options: dict[str, Any] = {"flip": 0.5, "pad": 2, "erase": 0.5}
    there = augment_on_device(pixels.to(cuda.device), list(range(len(pixels))), **options)
    here = augment_on_device(pixels, list(range(len(pixels))), **options)
    torch.testing.assert_close(there.cpu(), here, rtol=0, atol=1e-6)


@pytest.mark.parametrize("source", [ResidentPixels, PrefetchedPixels])
def test_pixels_arrive(source: Any, cuda: DevicePolicy) -> None:
    rows = [np.random.default_rng(seed).integers(0, len(IMAGES), 6) for seed in range(9)]
    for pixels, own in zip(source(IMAGES, cuda.device).batches(rows), rows, strict=True):
        assert pixels.device.type == "cuda"
        np.testing.assert_array_equal(pixels.cpu().numpy(), IMAGES.pixels(own))
    assert isinstance(pixel_source(IMAGES, cuda.device), ResidentPixels)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("defense", ["none", "metric-at"])
def test_a_training_repeats_itself(
    defense: str, precision: Any, cuda: DevicePolicy, tmp_path: Path
) -> None:
    training = ONE_EPOCH.model_copy(update={"inner": InnerConfig(steps=2, precision=precision)})
    first = fit_there(make_defense(defense), tmp_path / "a", cuda, training)
    again = fit_there(make_defense(defense), tmp_path / "b", cuda, training)
    assert same_weights(first.encoder, again.encoder)


class _Watch:
    """Reports progress, and lets torch complain of what waits for the device between two steps."""

    @contextmanager
    def task(self, title: str, total: int) -> Iterator[Bar]:
        self.total, self.done = total, 0
        yield self

    def advance(self, steps: int = 1, note: str = "") -> None:
        self.done += steps
        watched = 0 < self.done < self.total
        torch.cuda.set_sync_debug_mode("error" if watched else "default")


@pytest.mark.parametrize("defense", ["none", "metric-at", "pgd-at", "free-at"])
def test_no_step_waits_for_the_device(
    defense: str, cuda: DevicePolicy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmark.core.late_checks.BEHIND", 1000)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            fit_there(make_defense(defense), tmp_path, cuda, ONE_EPOCH, _Watch())
        finally:
            torch.cuda.set_sync_debug_mode("default")


def test_the_culprit_is_named(cuda: DevicePolicy, tmp_path: Path) -> None:
    class Breaks(NoDefense):
        name = "breaks-on-cuda"

        def training_step(self, step: TrainingStep) -> Tensor:
            loss = super().training_step(step)
            return loss * float("nan") if step.epoch >= 0.3 else loss

    with pytest.raises(PluginError, match="is nan in epoch 1, batch 3"):
        fit_there(Breaks(PluginConfig()), tmp_path, cuda, ONE_EPOCH)


def test_a_compiled_training_ends_near_the_usual_one(cuda: DevicePolicy, tmp_path: Path) -> None:
    usual = fit_there(make_defense("metric-at"), tmp_path / "a", cuda, ONE_EPOCH)
    training = ONE_EPOCH.model_copy(update={"compile": True})
    found = fit_there(make_defense("metric-at"), tmp_path / "b", cuda, training)
    assert found.report["compile"] == "compiled"
    assert found.history[0]["loss"] == pytest.approx(usual.history[0]["loss"], rel=0.02)
