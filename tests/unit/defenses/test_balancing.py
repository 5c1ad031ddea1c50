from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from benchmark.core.image_set import ImageSet
from benchmark.core.progress import SilentProgress
from defenses.ddid.balance_report import BalanceReport
from defenses.ddid.balancing import BalancingConfig, balance, train_generator
from defenses.ddid.denoiser import Denoiser, DenoiserConfig
from defenses.ddid.diffusion import DiffusionConfig
from defenses.ddid.synthesis import Slot, Synthesiser
from tests.unit.defenses.small_split import small_split

CPU = torch.device("cpu")
TRAIN = small_split({(1, 1): 6, (2, 1): 2, (2, 5): 2, (3, 1): 2, (3, 2): 3})
NETWORK = DenoiserConfig(downscale=1, patch=2, widths=(8, 8), groups=4)
DIFFUSION = DiffusionConfig(
    network=NETWORK, steps=20, batch=8, sampler_steps=3, sigma_start=0.1, learning_rate=5e-3
)
CONFIG = BalancingConfig(
    delta1=6, delta2=0.7, percentile=0, min_distance=0.0, attempts=2, diffusion=DIFFUSION
)


def body_colour(images: Tensor) -> Tensor:
    return images[:, :, 5:13, 3:5].mean(dim=(2, 3)) - 0.4


def run(folder: Path, config: BalancingConfig = CONFIG) -> tuple[ImageSet, BalanceReport]:
    return balance(
        TRAIN,
        body_colour,
        config,
        seed=0,
        device=CPU,
        progress=SilentProgress(),
        work_dir=folder,
    )


@pytest.fixture(scope="module")
def balanced(tmp_path_factory: pytest.TempPathFactory) -> tuple[ImageSet, BalanceReport, Path]:
    folder = tmp_path_factory.mktemp("balancing")
    return *run(folder), folder


def test_accepted_images_are_what_was_asked_for(
    balanced: tuple[ImageSet, BalanceReport, Path],
) -> None:
    synthetic, report, _ = balanced
    # Identity 2 lacks 2, identity 3 lacks 1; camera 1 holds all of identity 1: cameras 2 and 5.
    assert report.requested == {"inter-identity": 3, "intra-identity": 2}
    assert len(synthetic) == sum(report.accepted.values()) > 0
    assert synthetic.images.shape[1:] == TRAIN.images.shape[1:]
    assert synthetic.images.dtype == np.uint8
    wanted = {(r["pid"], r["camid"]) for r in report.requests}
    assert set(zip(synthetic.pids.tolist(), synthetic.camids.tolist(), strict=True)) <= wanted


def test_names_are_unique_and_carry_identity_and_camera(
    balanced: tuple[ImageSet, BalanceReport, Path],
) -> None:
    synthetic = balanced[0]
    assert len(set(synthetic.names)) == len(synthetic)
    for name, pid, camid in zip(synthetic.names, synthetic.pids, synthetic.camids, strict=True):
        assert name.startswith(f"{pid:04d}_c{camid}s9_")
        assert name.endswith("_00.synthetic.png")


def test_the_report_adds_up(balanced: tuple[ImageSet, BalanceReport, Path]) -> None:
    synthetic, report, folder = balanced
    assert report.drawn == len(synthetic) + sum(report.refused.values())
    for table, labels in (("identity", TRAIN.pids), ("camera", TRAIN.camids)):
        counts = report.counts[table]
        assert sum(counts["before"].values()) == len(labels)
        assert sum(counts["after"].values()) == len(labels) + len(synthetic)
    stored = json.loads((folder / "report.json").read_text())
    assert stored["accepted"] == report.accepted
    assert json.loads(json.dumps(report.summary())) == report.summary()
    assert (folder / "contact_sheet.png").stat().st_size > 0


def test_the_same_seed_gives_the_same_images(
    balanced: tuple[ImageSet, BalanceReport, Path], tmp_path: Path
) -> None:
    again, _ = run(tmp_path)
    assert again.names == balanced[0].names
    assert np.array_equal(again.images, balanced[0].images)


def test_a_gate_that_nothing_passes_gives_an_empty_set(tmp_path: Path) -> None:
    synthetic, report = run(tmp_path, CONFIG.model_copy(update={"min_distance": 1.0}))
    assert len(synthetic) == 0
    assert synthetic.images.shape == (0, 16, 8, 3)
    assert report.drawn == 2 * 5
    assert report.accepted == {"inter-identity": 0, "intra-identity": 0}


def test_a_balanced_split_trains_no_diffusion_model(tmp_path: Path) -> None:
    synthetic, report = run(tmp_path, CONFIG.model_copy(update={"delta1": 0, "delta2": 1.0}))
    assert len(synthetic) == report.drawn == 0
    assert not (tmp_path / "diffusion.safetensors").exists()
    assert report.loss == []


@pytest.mark.parametrize("source", ["oversampling", "augmentation"])
@pytest.mark.parametrize(("most", "expected"), [(0, 0), (3, 3), (99, 5)])
def test_copies_come_in_the_number_asked_for(
    tmp_path: Path, source: str, most: int, expected: int
) -> None:
    config = CONFIG.model_copy(update={"source": source, "most": most})
    synthetic, report = run(tmp_path, config)
    assert len(synthetic) == sum(report.accepted.values()) == expected
    whole, _ = run(tmp_path / "whole", CONFIG.model_copy(update={"source": source}))
    assert set(synthetic.names) <= set(whole.names)


def test_unknown_options_are_refused() -> None:
    with pytest.raises(ValidationError):
        BalancingConfig(delta3=1)


def synthesiser(**options: object) -> Synthesiser:
    torch.manual_seed(0)
    denoiser = Denoiser(NETWORK, TRAIN).eval()
    torch.nn.init.normal_(denoiser.unet.conv_out.weight, std=0.05)
    config = DIFFUSION.model_copy(update=options)
    return Synthesiser(denoiser, TRAIN, config, seed=0, device=CPU)


SLOTS = [Slot(2, 5, "inter-identity", i) for i in range(3)] + [Slot(1, 2, "intra-identity", 0)]


@pytest.mark.parametrize(
    "options", [{}, {"sigma_start": None}, {"guidance": 2.0}], ids=["start", "noise", "guidance"]
)
def test_an_image_does_not_depend_on_its_batch(options: dict[str, object]) -> None:
    drawer = synthesiser(**options)
    together = drawer.draw(SLOTS, 0).astype(int)
    alone = np.concatenate([drawer.draw([slot], 0) for slot in SLOTS]).astype(int)
    assert np.abs(together - alone).max() <= 1
    assert (np.abs(together[0] - together[1]) > 1).any()
    assert (np.abs(together - drawer.draw(SLOTS, 1).astype(int)) > 1).any()


def test_without_noise_a_start_image_of_the_camera_comes_back() -> None:
    drawn = synthesiser(sigma_start=0.003, sampler_steps=2).draw(SLOTS[:3], 0)
    own = TRAIN.pixels(np.flatnonzero((TRAIN.pids == 2) & (TRAIN.camids == 5)))
    for image in drawn:
        difference = np.abs(own.astype(int) - image.astype(int)).mean(axis=(1, 2, 3))
        assert difference.min() < 2


def test_a_model_that_was_trained_before_gives_the_same_images(
    balanced: tuple[ImageSet, BalanceReport, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    place: dict[str, Any] = {"seed": 0, "device": CPU, "progress": SilentProgress()}
    assert train_generator(TRAIN, CONFIG, **place, work_dir=tmp_path) is not None

    def no_more_steps(*_: object) -> None:
        pytest.fail("the model was trained again")

    monkeypatch.setattr("defenses.ddid.diffusion._DiffusionTraining.step", no_more_steps)
    synthetic, report = run(tmp_path)
    assert np.array_equal(synthetic.images, balanced[0].images)
    assert report.loss == balanced[1].loss


def test_a_model_is_trained_where_images_are_wanted_of_it_alone(tmp_path: Path) -> None:
    place: dict[str, Any] = {"seed": 0, "device": CPU, "progress": SilentProgress()}
    for update in ({"delta1": 0, "delta2": 1.0}, {"source": "oversampling"}, {"most": 0}):
        config = CONFIG.model_copy(update=update)
        assert train_generator(TRAIN, config, **place, work_dir=tmp_path) is None
    assert not list(tmp_path.iterdir())
