"""A training whose checks are looked at late, as on a GPU: same weights, errors and checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from benchmark.core.defense import TrainingStep
from benchmark.core.epoch_checkpoint import load_epoch
from benchmark.core.errors import PluginError
from benchmark.core.late_checks import LateChecks
from benchmark.core.plugin import PluginConfig
from benchmark.data.pixel_source import PrefetchedPixels, ResidentPixels
from benchmark.training.state import CHECKPOINT
from defenses.none import NoDefense
from tests.tiny_scene import ONE_EPOCH, TRAINING, fit, make_defense, same_weights

STEPS_AN_EPOCH = 3


@pytest.fixture
def late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LateChecks, "on", lambda device: LateChecks(5))


class Breaks(NoDefense):
    """Ruins the loss, or something else, from one step on."""

    name = "breaks"

    def __init__(self, at: int, ruin: Any) -> None:
        super().__init__(PluginConfig())
        self.at, self.ruin, self.steps = at, ruin, 0

    def training_step(self, step: TrainingStep) -> Tensor:
        self.steps += 1
        loss = step.retrieval_loss(step.images)
        result: Tensor = self.ruin(self, step, loss) if self.steps > self.at else loss
        return result


def nan_loss(defense: Breaks, step: TrainingStep, loss: Tensor) -> Tensor:
    return loss * float("nan") if defense.steps == defense.at + 1 else loss


def nan_gradient(defense: Breaks, step: TrainingStep, loss: Tensor) -> Tensor:
    bad = defense.steps == defense.at + 1
    return loss * 0 + (loss - loss.detach()).sqrt() if bad else loss


def nan_then_fault(defense: Breaks, step: TrainingStep, loss: Tensor) -> Tensor:
    if defense.steps == defense.at + 2:
        raise ZeroDivisionError("what follows from the step before")
    return nan_loss(defense, step, loss)


def nan_then_attack(defense: Breaks, step: TrainingStep, loss: Tensor) -> Tensor:
    step.attack("metric-pgd", step.images)  # the encoder returns NaN by then
    return nan_loss(defense, step, loss)


@pytest.mark.parametrize("name", ["metric-at", "free-at"])
def test_late_checks_change_no_weight(name: str, tmp_path: Path, late: None) -> None:
    found = fit(make_defense(name), tmp_path / "late", training=ONE_EPOCH)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LateChecks, "on", lambda device: LateChecks())
        at_once = fit(make_defense(name), tmp_path / "at once", training=ONE_EPOCH)
    assert same_weights(found.encoder, at_once.encoder)
    assert found.history == at_once.history


@pytest.mark.parametrize(
    ("ruin", "at"),
    [
        (nan_loss, STEPS_AN_EPOCH),
        (nan_loss, 2 * STEPS_AN_EPOCH - 1),  # the last of its epoch
        (nan_gradient, STEPS_AN_EPOCH + 1),
        (nan_then_fault, STEPS_AN_EPOCH),
        (nan_then_attack, STEPS_AN_EPOCH),
    ],
)
def test_the_culprit_is_named_and_the_checkpoint_is_from_before(
    ruin: Any, at: int, tmp_path: Path, late: None
) -> None:
    batch = at - STEPS_AN_EPOCH + 1
    with pytest.raises(PluginError, match=f"is nan in epoch 2, batch {batch}$") as caught:
        fit(Breaks(at, ruin), tmp_path)
    assert caught.value.hint == "lower training.learning_rate, or check the defense's loss"
    stored = load_epoch(tmp_path, CHECKPOINT)
    assert stored is not None
    assert stored["epoch"] == 1
    assert all(bool(torch.isfinite(value).all()) for value in stored["model"].values())


def test_illegal_images_of_an_inner_attack_are_told_late(
    tmp_path: Path, late: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("attacks.metric_pgd.MetricPGD.perturb", lambda self, e, b: b.images + 1)
    with pytest.raises(PluginError, match=r"'metric-pgd' left the ball: 255\.000/255 > 8/255"):
        fit(make_defense("metric-at"), tmp_path)


@pytest.mark.parametrize("source", [ResidentPixels, PrefetchedPixels])
def test_sources_of_pixels_change_no_weight(
    source: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = fit(make_defense("none"), tmp_path / "usual", training=ONE_EPOCH)
    monkeypatch.setattr("benchmark.training.loop.pixel_source", source)
    other = fit(make_defense("none"), tmp_path / "other", training=ONE_EPOCH)
    assert same_weights(usual.encoder, other.encoder)


def test_nothing_new_stands_in_a_fingerprint_unless_it_is_set() -> None:
    assert "precision" not in TRAINING.model_dump()
    assert "precision" not in TRAINING.model_dump()["inner"]
    changed = TRAINING.model_copy(update={"precision": "bfloat16", "accumulate": 2})
    assert changed.model_dump()["precision"] == "bfloat16"
    assert changed.model_dump()["accumulate"] == 2
