"""Metric adversarial training: every batch is attacked by metric PGD and learned with its labels.

    min over theta of L(x) + L(x'),   x' = argmax over the ball of the metric objective

Clean and adversarial images go forward in one batch, so they share batch statistics.
"""

from __future__ import annotations

import torch
from torch import Tensor

from benchmark.core.defense import Defense, TrainingStep
from benchmark.core.plugin import Card


class MetricAT(Defense):
    """Metric adversarial training on clean and metric-PGD images."""

    card = Card(
        title="Metric adversarial training",
        paper="Baseline of Zhou et al., AAAI 2026 (arXiv 2511.09933)",
        claims="The robust baseline that DDID improves.",
        notes="Clean and adversarial images weigh the same and share one forward pass: chosen.",
    )
    trained_against = ("metric-pgd",)

    def training_step(self, step: TrainingStep) -> Tensor:
        """Return the mean retrieval loss of clean and adversarial images."""
        adversarial = step.attack("metric-pgd", step.images)
        count = len(step.images)
        output = step.forward(torch.cat([step.images, adversarial]))
        clean_loss = step.output_loss(output.rows(slice(None, count)), step.labels)
        adversarial_loss = step.output_loss(output.rows(slice(count, None)), step.labels)
        return 0.5 * (clean_loss + adversarial_loss)
