from __future__ import annotations

import copy
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from torch import Tensor

from benchmark.core.defense import TrainingStep
from benchmark.core.errors import UsageError
from benchmark.training.carried import Carried
from benchmark.training.config import InnerConfig, TrainingConfig
from defenses.free_at import FreeAT
from tests.tiny_scene import TRAINING, fit, make_defense

SMALL = TRAINING.model_copy(update={"inner": InnerConfig(eps_255=4.0, steps=2)})


class Watched(FreeAT):
    """Follows the perturbation by hand, on a copy of the model."""

    name = "watched"

    def __init__(self, **options: Any) -> None:
        super().__init__(self.Config(**options))
        self.radius = 0.0
        self.expected = torch.zeros(1)
        self.clear = torch.ones(1, dtype=torch.bool)
        self.batches: list[Tensor] = []
        self.largest = 0.0

    def training_step(self, step: TrainingStep) -> Tensor:
        model = copy.deepcopy(step.model)
        tensors = cast(Carried, step.modules["perturbation"]).tensors
        delta = tensors.get("delta", torch.zeros_like(step.images))
        self.batches.append(step.images)
        # Kept from step to step and from batch to batch, as the last backward pass left it.
        assert bool(self.batches[:-1]) == ("delta" in tensors)
        difference = (delta - self.expected).abs()
        assert float(difference[self.clear.expand_as(difference)].max()) < 1e-6
        self.largest = max(self.largest, float(delta.abs().max()) * 255)
        loss = super().training_step(step)
        assert torch.equal(tensors.get("delta", delta), delta)  # moved by the backward pass

        images = torch.stack([(x + d).clamp(0, 1) for x, d in zip(step.images, delta, strict=True)])
        leaf = images.to(memory_format=torch.channels_last).requires_grad_(True)
        expected_loss = step.output_loss(model(leaf), step.labels)
        torch.testing.assert_close(loss, expected_loss)
        expected_loss.backward()
        assert leaf.grad is not None
        self.clear = leaf.grad.abs() > 1e-7  # rounding decides the sign of what is zero
        assert float(self.clear.float().mean()) > 0.8
        alpha = self.config.alpha_255 or self.radius
        moved = delta + alpha / 255 * torch.sign(leaf.grad)
        self.expected = torch.minimum(
            torch.maximum(moved, torch.tensor(-self.radius / 255)), torch.tensor(self.radius / 255)
        )
        return loss


@pytest.mark.parametrize(
    ("options", "radius"),
    [({}, 4.0), ({"alpha_255": 1.5, "equal_passes": False}, 4.0), ({"eps_255": 6.0}, 6.0)],
)
def test_the_perturbation_moves_as_published(
    options: dict[str, Any], radius: float, tmp_path: Path
) -> None:
    defense = Watched(**options)
    defense.radius = radius
    trained = fit(defense, tmp_path, training=SMALL)
    passes = 4 if defense.config.equal_passes else 1  # of metric-at a step, with two inner steps
    assert trained.epochs == passes * SMALL.epochs
    assert trained.passes == {
        "inner_forward": 0,
        "inner_backward": 0,
        "outer": trained.epochs * 3 * 8,
    }
    assert defense.largest == pytest.approx(radius, abs=1e-4)


@pytest.mark.parametrize("replays", [1, 2, 3])
def test_a_batch_is_replayed(replays: int, tmp_path: Path) -> None:
    defense = Watched(replays=replays, equal_passes=False)
    defense.radius = 4.0
    fit(defense, tmp_path, training=SMALL)
    first_epoch = defense.batches[:3]
    same = [torch.equal(a, b) for a, b in pairwise(first_epoch)]
    assert same == [replays > 1, replays > 2]
    assert not torch.equal(defense.batches[2], defense.batches[3])  # another epoch


def test_a_batch_of_another_size_is_no_obstacle_between_trainings(tmp_path: Path) -> None:
    wide = TrainingConfig(**{**TRAINING.model_dump(), "images": 3, "epochs": 1})
    defense = make_defense("free-at", equal_passes=False)
    fit(defense, tmp_path / "a")
    fit(defense, tmp_path / "b", training=wide)  # the perturbation belongs to the training


def test_options() -> None:
    defense = make_defense("free-at")
    assert defense.trained_against == ()
    assert defense.replays() == 4
    assert defense.epochs(18, 3) == 90
    assert make_defense("free-at", equal_passes=False).epochs(18, 3) == 18
    for wrong in ({"replays": 0}, {"eps_255": 0}, {"alpha_255": 0}):
        with pytest.raises(UsageError):
            make_defense("free-at", **wrong)
