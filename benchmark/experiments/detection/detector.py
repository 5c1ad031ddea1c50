"""The classifier of a detector: from the context of a query to a score of suspicion."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.core.seeding import derive_seed

SPREAD_FLOOR = 1e-6
"""Least standard deviation that a feature is divided by; constant features stay near 0."""


@dataclass(frozen=True)
class Detector:
    """A two-layer perceptron on standardised features.

    Attributes:
        mean: (F,) of the features that it was fitted on.
        spread: (F,) their standard deviations.
        network: From (B, F) to (B, 1).
    """

    mean: Tensor
    spread: Tensor
    network: nn.Module

    def logits(self, features: Tensor) -> Tensor:
        """Return (B,) log odds that (B, F) features are of attacked images, by its own lights."""
        out: Tensor = self.network((features - self.mean) / self.spread)
        return out.squeeze(1)


def fit_detector(
    benign: Tensor,
    attacked: Tensor,
    *,
    hidden: int,
    steps: int,
    learning_rate: float,
    weight_decay: float,
    seed: int,
) -> Detector:
    """Fit a detector on all images at once; both kinds weigh the same, however many there are.

    Args:
        benign: (N, F) contexts.
        attacked: (P, F) contexts.
        hidden: Hidden units.
        steps: Steps of AdamW; there is no selection among them.
        learning_rate: Of AdamW.
        weight_decay: Of AdamW.
        seed: Of the initial weights.
    """
    features = torch.cat([benign, attacked]).detach()
    labels = torch.cat([benign.new_zeros(len(benign)), benign.new_ones(len(attacked))])
    weights = torch.where(labels > 0, 0.5 / len(attacked), 0.5 / len(benign))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "detector"))
        network = nn.Sequential(
            nn.Linear(features.shape[1], hidden), nn.ReLU(), nn.Linear(hidden, 1)
        ).to(features.device)
    spread = features.std(0, correction=0).clamp_min(SPREAD_FLOOR)
    detector = Detector(features.mean(0), spread, network)
    optimizer = torch.optim.AdamW(network.parameters(), lr=learning_rate, weight_decay=weight_decay)
    with torch.enable_grad():
        for _ in range(steps):
            logits = detector.logits(features)
            loss = F.binary_cross_entropy_with_logits(logits, labels, weights, reduction="sum")
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    network.eval().requires_grad_(False)
    return detector
