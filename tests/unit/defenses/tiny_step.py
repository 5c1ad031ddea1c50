"""One training step on tiny images that keeps what it crafted, and numpy twins of the losses."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
import torch
from torch import Tensor

from benchmark.core.defense import Output, TrainingStep
from benchmark.core.plugin import PluginConfig
from benchmark.training import loop
from benchmark.training.config import InnerConfig, TrainingConfig
from benchmark.training.step import Step
from defenses.none import NoDefense
from tests.tiny_scene import TRAINING, fit, tiny_encoder

CONFIG = TRAINING.model_copy(update={"inner": InnerConfig(steps=6, alpha_255=2)})


@dataclass(frozen=True)
class Crafted:
    """One call of `ascend`."""

    objective: Callable[[Output], Tensor]
    clean: Tensor
    options: dict[str, Any]
    images: Tensor


class WatchedStep(Step):
    """A step that remembers its ascents, attacked images, and what went forward."""

    def __init__(self, **parts: Any) -> None:
        super().__init__(**parts)
        self.ascents: list[Crafted] = []
        self.attacked: list[Tensor] = []
        self.batches: list[Tensor] = []
        self.answers: list[Output] = []
        self.initial = self.model

    def ascend(self, objective: Any, images: Tensor, **options: Any) -> Tensor:
        found = super().ascend(objective, images, **options)
        self.ascents.append(Crafted(objective, images, options, found))
        return found

    def attack(self, name: str, images: Tensor, **options: Any) -> Tensor:
        found = super().attack(name, images, **options)
        self.attacked.append(found)
        return found

    def forward(self, images: Tensor, state: Any = None) -> Output:
        self.batches.append(images)
        self.answers.append(super().forward(images, state))
        return self.answers[-1]

    def trained_output(self, *batch: Tensor) -> Output:
        """Return what the model of the beginning gives for a batch in training mode."""
        with torch.no_grad():
            output: Output = copy.deepcopy(self.initial).train()(torch.cat(batch))
        return output

    def eval_output(self, images: Tensor) -> Output:
        """Return what the model of the beginning gives in eval mode."""
        with torch.no_grad():
            output: Output = copy.deepcopy(self.initial).eval()(images)
        return output


class Captured(BaseException):
    """Carries the first step of a training out of its loop."""

    def __init__(self, step: TrainingStep) -> None:
        super().__init__()
        self.step = step


class Capture(NoDefense):
    """Ends the training at its first step."""

    name = "capture"

    def training_step(self, step: TrainingStep) -> Tensor:
        raise Captured(step)


def tiny_step(seed: int = 0, config: TrainingConfig = CONFIG) -> WatchedStep:
    """Return the first step of a training, on a model with statistics and logits that matter."""
    with (
        TemporaryDirectory() as folder,
        patch.object(loop, "Step", WatchedStep),
        pytest.raises(Captured) as caught,
    ):
        fit(Capture(PluginConfig()), Path(folder), training=config, seed=seed)
    step = caught.value.step
    assert isinstance(step, WatchedStep)
    step.model.encoder.load_state_dict(tiny_encoder(seed).state_dict())
    torch.nn.init.normal_(step.model.classifier.weight, std=0.3)
    step.initial = copy.deepcopy(step.model)
    return step


def log_softmax(logits: Tensor) -> np.ndarray:
    """Return log-probabilities in double precision."""
    z = logits.double().numpy()
    z = z - z.max(1, keepdims=True)
    return np.asarray(z - np.log(np.exp(z).sum(1, keepdims=True)))


def unit_rows(vectors: Tensor) -> np.ndarray:
    """Return rows of length one in double precision."""
    rows = vectors.double().numpy()
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def identity_loss(logits: Tensor, labels: Tensor, smoothing: float = 0.1) -> float:
    """Return the label-smoothed cross-entropy, by the definition of Szegedy et al. (2016)."""
    logs, classes = log_softmax(logits), logits.shape[1]
    losses = [
        -(1 - smoothing) * logs[row, label] - smoothing / classes * logs[row].sum()
        for row, label in enumerate(labels.tolist())
    ]
    return float(np.mean(losses))


def triplet_loss(features: Tensor, labels: Tensor, margin: float = 0.3) -> float:
    """Return the batch-hard triplet loss on unit features, image by image."""
    unit, classes, losses = unit_rows(features), labels.tolist(), []
    for i, own in enumerate(classes):
        gaps = [float(np.linalg.norm(unit[i] - other)) for other in unit]
        farthest = max(gap for gap, label in zip(gaps, classes, strict=True) if label == own)
        nearest = min(gap for gap, label in zip(gaps, classes, strict=True) if label != own)
        losses.append(max(0.0, farthest - nearest + margin))
    return float(np.mean(losses))


def retrieval_loss(output: Output, labels: Tensor) -> float:
    """Return the recipe's loss."""
    return identity_loss(output.logits, labels) + triplet_loss(output.features, labels)
