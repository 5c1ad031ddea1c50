"""One training step on tiny images that keeps what it crafted, and numpy twins of the losses."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmark.core.defense import Output
from benchmark.data.records import ImageSet
from benchmark.models.encoder import ReIDModel
from benchmark.training.config import InnerConfig
from benchmark.training.step import Passes, Step, inner_attacks
from tests.tiny_scene import CPU, TRAINING, image_set, tiny_encoder

CONFIG = TRAINING.model_copy(update={"inner": InnerConfig(steps=6, alpha_255=2)})


@dataclass(frozen=True)
class Crafted:
    """One call of `ascend`."""

    objective: Callable[[Output], Tensor]
    clean: Tensor
    options: dict[str, Any]
    images: Tensor


class WatchedStep(Step):
    """A step that remembers its ascents, attacked images and batches that went forward."""

    def __init__(self, **parts: Any) -> None:
        super().__init__(**parts)
        self.ascents: list[Crafted] = []
        self.attacked: list[Tensor] = []
        self.batches: list[Tensor] = []
        self.initial = copy.deepcopy(self.model)

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
        return super().forward(images, state)

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


def tiny_step(seed: int = 0, train: ImageSet | None = None, config: Any = CONFIG) -> WatchedStep:
    """Return a step on two images of each of four identities, from two cameras."""
    train = image_set(identities=6, size=(16, 8)) if train is None else train
    rows = np.concatenate([np.flatnonzero(train.pids == pid)[[0, -1]] for pid in (1, 2, 4, 6)])
    torch.manual_seed(seed)
    model = ReIDModel(tiny_encoder(seed), len(train.identities))
    torch.nn.init.normal_(model.classifier.weight, std=0.3)
    return WatchedStep(
        images=train.tensor(rows),
        pids=torch.from_numpy(train.pids[rows]),
        camids=torch.from_numpy(train.camids[rows]),
        identities=torch.from_numpy(train.identities),
        model=model.train(),
        modules={},
        config=config,
        policy=CPU,
        fraction=0.5,
        learning_rate=1e-3,
        seed=seed,
        inner_attack=inner_attacks(config, "tiny"),
        train=train,
        passes=Passes(),
    )


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
