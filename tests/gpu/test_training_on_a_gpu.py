"""What a training on a GPU draws and keeps is what the same functions give on the CPU."""

from __future__ import annotations

import re
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmark.core.device import choose_device
from benchmark.core.errors import PluginError
from benchmark.core.late_checks import LateChecks
from benchmark.core.philox import uniform_draws
from benchmark.core.seeding import counted_noise, uniform_noise
from benchmark.data.device_transforms import augment_on_device
from benchmark.data.pixel_source import PrefetchedPixels, ResidentPixels, pixel_source
from benchmark.models.backbone import BackboneConfig
from benchmark.models.encoder import ReIDModel, build_encoder
from benchmark.training.pace import timed_bare_passes
from tests.tiny_scene import fit, image_set, make_defense, same_weights

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
SEEDS = [0, 5, 2**32 + 5, 2**63 - 1]


class Notes:
    def __init__(self) -> None:
        self.notes: list[str] = []

    @contextmanager
    def task(self, title: str, total: int):
        yield self

    def advance(self, steps: int = 1, note: str = "") -> None:
        self.notes.append(note)


def test_counted_draws_are_those_of_the_cpu() -> None:
    assert torch.equal(uniform_draws(SEEDS, 41, CUDA).cpu(), uniform_draws(SEEDS, 41, CPU))
    noise = uniform_noise(SEEDS, (3, 8, 4), CUDA)
    assert noise.device.type == "cuda"
    assert torch.equal(noise.cpu(), counted_noise(SEEDS, (3, 8, 4), CPU))


def test_augmentation_is_that_of_the_cpu() -> None:
    drawn = np.random.default_rng(0).integers(0, 256, (16, 32, 16, 3), dtype=np.uint8)
    pixels, seeds = torch.from_numpy(drawn), list(range(16))
    options = {"flip": 0.5, "pad": 2, "erase": 0.5}
    here = augment_on_device(pixels, seeds, **options)
    there = augment_on_device(pixels.to(CUDA), seeds, **options)
    assert (here - there.cpu()).abs().max() < 1e-6


def test_pixels_on_the_device_are_those_of_the_set() -> None:
    images = image_set(size=(8, 4))
    rows = [np.array([3, 1, 1]), np.array([0, 7, 2])]
    assert isinstance(pixel_source(images, CUDA), ResidentPixels)
    for source in (pixel_source(images, CUDA), PrefetchedPixels(images, CUDA)):
        for batch, own in zip(source.batches(rows), rows, strict=True):
            assert batch.device.type == "cuda"
            assert np.array_equal(batch.cpu().numpy(), images.pixels(own))


def test_the_first_culprit_is_named_though_it_is_looked_at_late() -> None:
    checks = LateChecks.on(CUDA)
    assert not checks.at_once

    def judge(values: list[float]) -> None:
        if values[0] > 2:
            raise PluginError(f"culprit {values[0]:g}", "")

    def look() -> None:
        for value in range(100):
            checks.add(torch.full((1,), float(value), device=CUDA), judge)
        checks.finish()

    with pytest.raises(PluginError, match="culprit 3"):
        look()


def test_bare_passes_are_timed_and_leave_the_model_as_it_is() -> None:
    policy = choose_device("cuda")
    model = policy.place(ReIDModel(build_encoder(BackboneConfig(width=8)), 4))
    before = {key: value.clone() for key, value in model.state_dict().items()}
    images = torch.rand(8, 3, 64, 32, device=CUDA)
    bare = timed_bare_passes(model, images, policy, torch.bfloat16)
    assert min(bare.forward, bare.to_images, bare.to_weights) > 0
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_a_training_repeats_itself_and_tells_its_pace(tmp_path: Path) -> None:
    heard = Notes()
    policy = choose_device("cuda")
    first = fit(make_defense("metric-at"), tmp_path / "first", policy=policy, progress=heard)
    again = fit(make_defense("metric-at"), tmp_path / "again", policy=policy)
    assert same_weights(first.encoder, again.encoder)
    assert first.share_of_bare is not None
    told = r"(loss \d+\.\d\d, )?\d+ img/s, \d+ % of bare, \d+\.\d GiB"
    assert all(re.fullmatch(told, note) for note in heard.notes if note)
