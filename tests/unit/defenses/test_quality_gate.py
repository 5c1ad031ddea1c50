from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from benchmark.core.errors import DataError, PluginError
from benchmark.core.image_set import ImageSet
from defenses.ddid.quality_gate import QualityGate

CPU = torch.device("cpu")


def mean_colour(images: Tensor) -> Tensor:
    return images.mean(dim=(2, 3))


def plain(colours: list[tuple[int, int, int]]) -> np.ndarray:
    return np.array(colours, np.uint8)[:, None, None, :].repeat(4, 1).repeat(2, 2)


def split(colours: list[tuple[int, int, int]], pids: list[int]) -> ImageSet:
    ones = np.ones(len(pids), np.int64)
    return ImageSet(plain(colours), np.array(pids), ones, ("x.jpg",) * len(pids))


REDS = [(200, 20, 0), (200, 0, 20), (180, 20, 20)]
BLUES = [(0, 20, 200), (20, 0, 200)]
TRAIN = split([*REDS, *BLUES, (0, 255, 0)], [1, 1, 1, 4, 4, 9])


def gate_of(train: ImageSet = TRAIN, **options: float) -> QualityGate:
    settings = {"percentile": 10.0, "min_distance": 0.01, **options}
    return QualityGate(mean_colour, train, device=CPU, **settings)


def test_a_real_image_is_left_out_of_its_own_centroid() -> None:
    units = [np.array(c) / np.linalg.norm(c) for c in REDS]
    others = units[1] + units[2]
    expected = units[0] @ others / np.linalg.norm(others)
    gate = gate_of()
    assert gate.real_scores[0] == pytest.approx(expected, abs=1e-6)
    assert np.isnan(gate.real_scores[5])
    assert gate.threshold == pytest.approx(np.percentile(gate.real_scores[:5], 10))


def test_right_colour_passes_and_wrong_identity_does_not() -> None:
    gate = gate_of()
    images, pids = plain([(190, 15, 10), (190, 15, 10), (0, 235, 0)]), np.array([1, 4, 9])
    verdict = gate.judge(images, pids)
    assert verdict.accepted.tolist() == [True, False, True]
    assert verdict.nearest_pid.tolist() == [1, 1, 9]


def test_the_right_identity_from_too_far_does_not_pass() -> None:
    verdict = gate_of().judge(plain([(200, 120, 90)]), np.array([1]))
    assert verdict.nearest_pid.tolist() == [1]
    assert verdict.accepted.tolist() == [False]


def test_a_near_copy_of_a_real_image_does_not_pass() -> None:
    copy = plain([(201, 20, 0)])
    verdict = gate_of().judge(copy, np.array([1]))
    assert verdict.distance[0] == pytest.approx(np.sqrt(1 / 3) / 255)
    assert verdict.accepted.tolist() == [False]
    assert gate_of(min_distance=0).judge(copy, np.array([1])).accepted.tolist() == [True]


def test_distances_among_real_images_leave_the_image_itself_out() -> None:
    gate = gate_of()
    assert gate.real_distance[3] == pytest.approx(np.sqrt(800 / 3) / 255)
    assert np.isnan(gate.real_distance[5])


def test_the_percentile_decides_what_real_images_would_pass() -> None:
    assert gate_of(percentile=0).real_accepted == 1
    assert gate_of(percentile=100).real_accepted < 0.5


def test_a_module_is_judged_in_eval_mode_and_left_as_it_was() -> None:
    class Encoder(torch.nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            assert not self.training
            return mean_colour(images)

    encoder = Encoder().train()
    QualityGate(encoder, TRAIN, percentile=10, min_distance=0, device=CPU)
    assert encoder.training


def test_identities_of_one_image_each_cannot_be_judged() -> None:
    with pytest.raises(DataError, match="no training identity has two images"):
        gate_of(split([(200, 0, 0), (0, 0, 200)], [1, 2]))


def test_an_encoder_that_returns_nan_is_refused() -> None:
    with pytest.raises(PluginError, match="NaN"):
        QualityGate(
            lambda images: mean_colour(images) * float("nan"),
            TRAIN,
            percentile=10,
            min_distance=0,
            device=CPU,
        )
