"""The pace of a training: what its bar says, and what its record keeps."""

from __future__ import annotations

import re
import time
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path

import pytest
import torch

from benchmark.core.device import DevicePolicy, choose_device
from benchmark.models.backbone import BackboneConfig
from benchmark.models.encoder import ReIDModel, build_encoder
from benchmark.training import pace as pace_module
from benchmark.training.pace import BareSeconds, Pace, timed_bare_passes
from benchmark.training.step import Passes
from results.records.schema import Training
from tests.tiny_scene import fit, make_defense

CPU = choose_device("cpu")
GPU = DevicePolicy(torch.device("cuda"), torch.bfloat16)
IMAGES = torch.rand(8, 3, 16, 8)


@pytest.fixture
def model() -> ReIDModel:
    torch.manual_seed(0)
    return ReIDModel(build_encoder(BackboneConfig(width=4)), 4)


class Notes:
    def __init__(self) -> None:
        self.notes: list[str] = []

    @contextmanager
    def task(self, title: str, total: int):
        yield self

    def advance(self, steps: int = 1, note: str = "") -> None:
        self.notes.append(note)


@pytest.mark.parametrize("inner_dtype", [None, torch.bfloat16])
def test_bare_passes_leave_the_model_as_it_is(
    model: ReIDModel, inner_dtype: torch.dtype | None
) -> None:
    before, training = deepcopy(model.state_dict()), model.training
    bare = timed_bare_passes(model, IMAGES, CPU, inner_dtype)
    assert min(bare.forward, bare.to_images, bare.to_weights) > 0
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())
    assert model.training == training


def test_seconds_of_passes_are_added_up() -> None:
    bare = BareSeconds(forward=1.0, to_images=10.0, to_weights=100.0)
    assert bare.of(Passes(inner_forward=7, inner_backward=4, outer=2)) == 3 + 40 + 200


def test_a_cpu_times_no_bare_passes_and_a_gpu_tells_their_share(
    model: ReIDModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = iter([100.0, 104.0, 104.0])
    monkeypatch.setattr(time, "perf_counter", lambda: next(times))
    bare = BareSeconds(0.01, 0.02, 0.03)
    monkeypatch.setattr(pace_module, "timed_bare_passes", lambda *_: bare)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: 3 * 2**30)
    on_cpu, on_gpu = Pace(CPU, None), Pace(GPU, None)
    on_cpu.time_bare_passes(model, lambda: IMAGES)
    on_gpu.time_bare_passes(model, lambda: IMAGES)
    passes = Passes(outer=1000)
    on_gpu.begin(passes)
    passes.outer += 100
    on_gpu.images += 100
    assert on_gpu.note([2.0, 1.5], passes) == "loss 1.50, 25 img/s, 75 % of bare, 3.0 GiB"
    assert on_gpu.bare_seconds(passes) == pytest.approx(3.0)
    assert on_cpu.bare_seconds(passes) == 0


def test_bare_passes_that_fail_stop_no_training(
    model: ReIDModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_large(*_: object) -> BareSeconds:
        raise torch.OutOfMemoryError("no room for a copy")

    monkeypatch.setattr(pace_module, "timed_bare_passes", too_large)
    pace = Pace(GPU, None)
    pace.time_bare_passes(model, lambda: IMAGES)
    assert pace.bare_seconds(Passes(outer=5)) == 0


def test_a_training_tells_its_pace_and_keeps_it(tmp_path: Path) -> None:
    heard = Notes()
    trained = fit(make_defense("none"), tmp_path, progress=heard)
    told = [note for note in heard.notes if note]
    assert told
    assert all(re.fullmatch(r"loss \d+\.\d\d, \d+ img/s", note) for note in told)
    assert trained.images_per_second is not None
    assert trained.images_per_second > trained.images / trained.seconds
    assert trained.share_of_bare is None


def test_records_without_a_pace_read_as_they_did() -> None:
    figures = {"seconds": 1.0, "epochs": 1, "images": 64, "peak_memory_bytes": None}
    old, new = Training(**figures), Training(**figures, images_per_second=12.5)
    assert not {"images_per_second", "share_of_bare"} & set(old.model_dump())
    assert new.model_dump(mode="json")["images_per_second"] == 12.5
    assert "share_of_bare" not in new.model_dump()
