"""Losses, targets and schedule beside torch, loops and closed forms."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from benchmark.core.defense import Output
from benchmark.training.config import TrainingConfig
from benchmark.training.losses import (
    batch_hard_triplet_loss,
    identity_loss,
    retrieval_loss,
    smoothed_targets,
)
from benchmark.training.schedule import learning_rate

seeds = st.integers(0, 10_000)


def brute_force_triplet(features: torch.Tensor, labels: list[int], margin: float) -> float:
    unit = (features / features.norm(dim=1, keepdim=True)).double()
    losses = []
    for i, label in enumerate(labels):
        distance = [float((unit[i] - other).norm()) for other in unit]
        same = [d for d, other in zip(distance, labels, strict=True) if other == label]
        others = [d for d, other in zip(distance, labels, strict=True) if other != label]
        losses.append(max(0.0, max(same) - min(others) + margin) if others else 0.0)
    return sum(losses) / len(losses)


@settings(max_examples=60)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=10), seeds, st.floats(0, 1))
def test_batch_hard_triplet_equals_brute_force(labels: list[int], seed: int, margin: float) -> None:
    features = torch.randn(len(labels), 4, generator=torch.Generator().manual_seed(seed))
    found = batch_hard_triplet_loss(features, torch.tensor(labels), margin)
    assert float(found) == pytest.approx(brute_force_triplet(features, labels, margin), abs=1e-3)


def test_triplet_gradient_is_finite_on_equal_features() -> None:
    features = torch.ones(4, 3, requires_grad=True)
    batch_hard_triplet_loss(features, torch.tensor([0, 0, 1, 1]), 0.3).backward()  # type: ignore[no-untyped-call]
    assert features.grad is not None
    assert bool(torch.isfinite(features.grad).all())


@given(seeds, st.integers(2, 9), st.floats(0, 1))
def test_smoothed_targets(seed: int, classes: int, kept: float) -> None:
    labels = torch.randint(0, classes, (5,), generator=torch.Generator().manual_seed(seed))
    targets = smoothed_targets(labels, classes, kept)
    torch.testing.assert_close(targets.sum(1), torch.ones(5))
    torch.testing.assert_close(targets.gather(1, labels[:, None]), torch.full((5, 1), kept))
    others = targets.scatter(1, labels[:, None], (1 - kept) / (classes - 1))
    torch.testing.assert_close(others, torch.full_like(others, (1 - kept) / (classes - 1)))


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_identity_loss_equals_torch(smoothing: float) -> None:
    logits = torch.randn(6, 5, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([0, 1, 2, 3, 4, 0])
    kept = 1 - smoothing * (1 - 1 / 5)
    found = identity_loss(logits, smoothed_targets(labels, 5, kept))
    torch.testing.assert_close(found, F.cross_entropy(logits, labels, label_smoothing=smoothing))


def test_retrieval_loss_is_the_sum() -> None:
    generator = torch.Generator().manual_seed(0)
    features, embeddings = (torch.randn(4, 3, generator=generator) for _ in range(2))
    logits = torch.randn(4, 2, generator=generator)
    labels = torch.tensor([0, 0, 1, 1])
    targets = smoothed_targets(labels, 2, 1.0)
    found = retrieval_loss(Output(features, embeddings, logits), labels, targets, 0.3)
    triplet = brute_force_triplet(features, labels.tolist(), 0.3)
    expected = float(F.cross_entropy(logits, labels)) + triplet
    assert float(found) == pytest.approx(expected, abs=1e-4)


def test_schedule_warms_up_and_falls_to_the_end() -> None:
    config = TrainingConfig(learning_rate=1.0, final_learning_rate=0.1, warmup=0.2)
    assert learning_rate(config, 0.0) == pytest.approx(0.01)
    assert learning_rate(config, 0.1) == pytest.approx(0.5)
    assert learning_rate(config, 0.2) == pytest.approx(1.0)
    middle = 0.1 + 0.45 * (1 + math.cos(math.pi / 2))
    assert learning_rate(config, 0.6) == pytest.approx(middle)
    assert learning_rate(config, 1.0) == pytest.approx(0.1)
    falling = [learning_rate(config, 0.2 + 0.8 * i / 50) for i in range(51)]
    assert falling == sorted(falling, reverse=True)


def test_schedule_without_warm_up_starts_at_the_peak() -> None:
    config = TrainingConfig(learning_rate=1.0, warmup=0.0)
    assert learning_rate(config, 0.0) == pytest.approx(1.0)
