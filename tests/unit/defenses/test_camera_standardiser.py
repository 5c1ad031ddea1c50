from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmark.core.image_set import ImageSet
from defenses.ddid.camera_standardiser import CameraStandardiser
from tests.unit.defenses.small_split import small_split

COUNTS = {(1, 1): 20, (2, 1): 20, (1, 2): 20, (3, 2): 20}


def look_of(train: ImageSet, downscale: int) -> CameraStandardiser:
    return CameraStandardiser(train, np.unique(train.camids), downscale, 0.5)


def cameras(train: ImageSet) -> torch.Tensor:
    return torch.from_numpy(np.searchsorted(np.unique(train.camids), train.camids))


def test_standard_images_have_the_standard_deviation_of_edm() -> None:
    train = small_split(COUNTS)
    standard = look_of(train, 1).standardise(train.tensor(slice(None)), cameras(train))
    assert standard.std().item() == pytest.approx(0.5, abs=0.08)
    assert abs(standard.mean().item()) < 0.1


def test_colours_are_decorrelated() -> None:
    train = small_split(dict.fromkeys(COUNTS, 200))
    standard = look_of(train, 1).standardise(train.tensor(slice(None)), cameras(train))
    colours = standard.movedim(1, 0).flatten(1)
    torch.testing.assert_close(torch.cov(colours), 0.25 * torch.eye(3), atol=0.06, rtol=0)


def test_restoring_undoes_standardising() -> None:
    train = small_split(COUNTS)
    look, images, camera = look_of(train, 1), train.tensor(slice(None)), cameras(train)
    torch.testing.assert_close(look.restore(look.standardise(images, camera), camera), images)


def test_a_smaller_working_size_and_the_detail_make_up_the_image() -> None:
    train = small_split(COUNTS)
    look, images, camera = look_of(train, 2), train.tensor(slice(None)), cameras(train)
    standard = look.standardise(images, camera)
    assert standard.shape[2:] == (8, 4)
    whole = look.restore(standard, camera) + look.detail(images, camera, camera)
    torch.testing.assert_close(whole, images)


def test_an_image_is_carried_to_the_background_of_another_camera() -> None:
    train = small_split(COUNTS)
    look, images, camera = look_of(train, 1), train.tensor(slice(None)), cameras(train)
    moved = look.restore(look.standardise(images[:5], camera[:5]), torch.ones(5, dtype=torch.long))
    corner = moved[:, :, :2, :].mean().item() * 255
    assert corner == pytest.approx(150, abs=18)  # grey 90 under camera 1, 150 under camera 2


def test_a_camera_with_one_image_keeps_a_spread() -> None:
    train = small_split({(1, 1): 10, (2, 2): 1})
    look = look_of(train, 1)
    assert bool(look.spread.isfinite().all())
    assert bool((look.standardise(train.tensor(slice(None)), cameras(train)).abs() < 20).all())
