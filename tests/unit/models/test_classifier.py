"""The classifier that a training keeps."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from benchmark.core.defense import TrainingStep
from benchmark.core.errors import DataError
from benchmark.core.plugin import PluginConfig
from benchmark.models.classifier import (
    CLASSIFIER_FILE,
    IdentityClassifier,
    load_classifier,
    save_classifier,
)
from benchmark.training.selection import HeldOutSelection, Score
from benchmark.training.step import Step
from defenses.none import NoDefense
from tests.tiny_scene import TRAINING, fit


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    saved = IdentityClassifier(torch.rand(3, 5), torch.tensor([2, 7, 9]))
    save_classifier(tmp_path, saved)
    loaded = load_classifier(tmp_path)
    assert loaded is not None
    assert torch.equal(loaded.weight, saved.weight)
    assert loaded.identities.tolist() == [2, 7, 9]


def test_a_folder_without_one_has_none_and_a_damaged_one_is_an_error(tmp_path: Path) -> None:
    assert load_classifier(tmp_path) is None
    (tmp_path / CLASSIFIER_FILE).write_bytes(b"nothing")
    with pytest.raises(DataError, match=CLASSIFIER_FILE):
        load_classifier(tmp_path)


def test_a_training_returns_the_classifier_of_its_best_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first checkpoint is the best here; the second epoch must not show."""
    scores = iter([Score(2, 2), Score(1, 1)])
    monkeypatch.setattr(HeldOutSelection, "score", lambda *_: next(scores))
    after_first: list[Tensor] = []

    class Watched(NoDefense):
        name = "watched-classifier"

        def training_step(self, step: TrainingStep) -> Tensor:
            assert isinstance(step, Step)
            if step.epoch == 1:
                after_first.append(step.model.classifier.weight.detach().clone())
            return super().training_step(step)

    two = TRAINING.model_copy(update={"epochs": 2, "validate_every": 1})
    trained = fit(Watched(PluginConfig()), tmp_path, training=two)
    assert trained.classifier is not None
    assert torch.equal(trained.classifier.weight, after_first[0])
    assert len(trained.classifier.identities) == len(trained.classifier.weight) == 6
