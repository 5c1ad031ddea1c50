from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from tests.tiny_scene import make_defense
from tests.unit.defenses.tiny_step import (
    WatchedStep,
    log_softmax,
    retrieval_loss,
    tiny_step,
    triplet_loss,
)


def mixture_weights(step: WatchedStep, mixed: torch.Tensor, gamma: float) -> np.ndarray:
    """Return how much of each clean image is in its mixture, from pixels that were not clipped."""
    change = (step.attacked[0] - step.images).double().numpy()
    moved = (mixed - step.images).double().numpy()
    weights = []
    for one, full, pixels in zip(moved, change, mixed.numpy(), strict=True):
        inside = (np.abs(full) > 4 / 255) & (pixels > 0) & (pixels < 1)
        shares = one[inside] / full[inside]
        assert np.ptp(shares) < 1e-3  # one weight for all of an image
        weights.append(1 - shares.mean() / gamma)
    return np.array(weights)


def soft_identity_loss(logits: torch.Tensor, labels: torch.Tensor, kept: np.ndarray) -> float:
    """Return the cross-entropy when `kept` of each image's mass is on its label."""
    logs, losses = log_softmax(logits), []
    for row, label, mass in zip(logs, labels.tolist(), kept, strict=True):
        others = row.sum() - row[label]
        losses.append(-mass * row[label] - (1 - mass) / (len(row) - 1) * others)
    return float(np.mean(losses))


@pytest.mark.parametrize(
    ("options", "gamma", "masses"),
    [
        ({}, 2.0, (1.0, 0.1)),  # as published
        ({"gamma": 1.5, "kept_clean": 0.9, "kept_vertex": 0.6}, 1.5, (0.9, 0.6)),
    ],
)
@pytest.mark.parametrize("with_clean", [False, True])
def test_mixtures_and_their_labels_are_those_of_the_paper(
    options: dict[str, Any], gamma: float, masses: tuple[float, float], with_clean: bool
) -> None:
    step = tiny_step()
    loss = make_defense("avmixup", with_clean=with_clean, **options).training_step(step)
    (batch,), count = step.batches, len(step.images)
    assert torch.equal(batch[:-count], step.images if with_clean else batch[:0])
    mixed = batch[-count:]
    assert float(mixed.min()) >= 0
    assert float(mixed.max()) <= 1
    omega = mixture_weights(step, mixed, gamma)
    assert 0 <= omega.min() < omega.max() <= 1
    assert len(np.unique(omega.round(4))) == count
    kept = omega * masses[0] + (1 - omega) * masses[1]
    output = step.trained_output(batch)
    attacked = output.rows(slice(-count, None))
    expected = soft_identity_loss(attacked.logits, step.labels, kept)
    expected += triplet_loss(attacked.features, step.labels)
    if with_clean:
        clean = retrieval_loss(output.rows(slice(None, count)), step.labels)
        expected = (expected + clean) / 2
    assert float(loss.detach()) == pytest.approx(expected, abs=2e-4)


def test_without_extension_and_softening_only_the_mixture_is_left() -> None:
    step = tiny_step()
    loss = make_defense("avmixup", gamma=1, kept_vertex=1).training_step(step)
    (mixed,) = step.batches
    assert float((mixed - step.images).abs().max()) <= 8 / 255 + 1e-6
    output = step.trained_output(mixed)
    hard = -log_softmax(output.logits)[np.arange(len(mixed)), step.labels.numpy()].mean()
    expected = hard + triplet_loss(output.features, step.labels)
    assert float(loss.detach()) == pytest.approx(expected, abs=1e-5)
