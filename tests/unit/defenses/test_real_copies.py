"""Balancing with real images: the same plan, other images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from benchmark.core.image_set import ImageSet
from benchmark.core.progress import SilentProgress
from defenses.ddid.balance_report import BalanceReport
from defenses.ddid.balancing import BalancingConfig, balance
from defenses.ddid.real_copies import RealCopies
from defenses.ddid.synthesis import Slot
from tests.unit.defenses.small_split import small_split

# Identity 2 lacks 2 images, identity 3 lacks 1; camera 1 holds all of identity 1.
TRAIN = small_split({(1, 1): 6, (2, 1): 2, (2, 5): 2, (3, 1): 2, (3, 2): 3}, 24, 12)
PLANNED = 5


def body_colour(images: Tensor) -> Tensor:
    return images[:, :, 6:18, 4:8].mean(dim=(2, 3)) - 0.4


def run(folder: Path, source: str, **options: object) -> tuple[ImageSet, BalanceReport]:
    config = BalancingConfig.model_validate(
        {"source": source, "delta1": 6, "delta2": 0.7, "percentile": 0, "min_distance": 0.0}
        | options
    )
    return balance(
        TRAIN,
        body_colour,
        config,
        seed=0,
        device=torch.device("cpu"),
        progress=SilentProgress(),
        work_dir=folder,
    )


def originals(image: np.ndarray, pid: int, camid: int) -> bool:
    own = TRAIN.pixels(np.flatnonzero((TRAIN.pids == pid) & (TRAIN.camids == camid)))
    return bool((own == image).all(axis=(1, 2, 3)).any())


def test_oversampling_repeats_real_images_of_identity_and_camera(tmp_path: Path) -> None:
    added, report = run(tmp_path, "oversampling", min_distance=1.0, percentile=100)
    assert len(added) == PLANNED == report.drawn == sum(report.requested.values())
    for image, pid, camid in zip(added.images, added.pids, added.camids, strict=True):
        assert originals(image, pid, camid)
    assert np.bincount(added.pids).tolist() == [0, 2, 2, 1]
    assert report.source == "oversampling"
    assert report.loss == []
    assert not (tmp_path / "diffusion.safetensors").exists()


def test_asked_for_is_what_most_leaves_of_the_plan(tmp_path: Path) -> None:
    added, report = run(tmp_path, "oversampling", most=3)
    assert len(added) == sum(report.requested.values()) == 3
    assert report.requested == report.accepted
    assert report.requested.keys() == {"inter-identity", "intra-identity"}
    assert len(report.requests) > 1  # the whole plan


def test_a_camera_that_never_saw_the_identity_is_not_made_up(tmp_path: Path) -> None:
    added, report = run(tmp_path, "oversampling")
    assert {r["camid"] for r in report.requests if r["pid"] == 1} == {2, 5}
    assert set(added.camids[added.pids == 1]) == {1}
    assert len(set(added.names)) == len(added)


def test_the_camera_with_fewest_images_stands_in() -> None:
    copies = RealCopies(TRAIN, augmented=False, seed=0)
    wanted = [Slot(3, 5, "intra-identity", 0), Slot(3, 2, "intra-identity", 1)]
    assert [slot.camid for slot in copies.placed(wanted)] == [1, 2]


def test_augmentation_changes_the_images_at_the_same_number(tmp_path: Path) -> None:
    added, report = run(tmp_path, "augmentation", min_distance=1.0, percentile=100)
    assert report.source == "augmentation"
    assert len(added) == PLANNED == report.drawn
    assert added.images.dtype == np.uint8
    for image, pid, camid in zip(added.images, added.pids, added.camids, strict=True):
        assert not originals(image, pid, camid)


@pytest.mark.parametrize("augmented", [False, True])
def test_a_copy_depends_on_seed_slot_and_attempt_alone(augmented: bool) -> None:
    slots = [Slot(1, 1, "inter-identity", i) for i in range(8)]
    state = torch.random.get_rng_state()
    images = RealCopies(TRAIN, augmented=augmented, seed=0).draw(slots, 0)
    assert torch.equal(state, torch.random.get_rng_state())
    torch.manual_seed(5)
    alone = RealCopies(TRAIN, augmented=augmented, seed=0).draw(slots[3:4], 0)
    assert np.array_equal(alone[0], images[3])
    for other, attempt in ((1, 0), (0, 1)):
        again = RealCopies(TRAIN, augmented=augmented, seed=other).draw(slots, attempt)
        assert not np.array_equal(again, images)
