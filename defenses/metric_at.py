"""Metric adversarial training: every batch is attacked by metric PGD and learned with its labels.

    min over theta of L(x) + L(x'),   x' = argmax over the ball of the metric objective

Clean and adversarial images go forward in one batch, so they share batch statistics.
"""

from __future__ import annotations

from torch import Tensor

from benchmark.core.defense import TrainingStep
from benchmark.core.plugin import Card
from defenses.paired import PairedTraining


class MetricAT(PairedTraining):
    """Metric adversarial training on clean and metric-PGD images."""

    card = Card(
        title="Metric adversarial training",
        paper="Baseline of Zhou et al., AAAI 2026 (arXiv 2511.09933)",
        references=("zhou2026",),
        claims="The robust baseline that DDID improves.",
        notes="Clean and adversarial images weigh the same and share one forward pass: chosen.",
    )
    trained_against = ("metric-pgd",)

    def training_step(self, step: TrainingStep) -> Tensor:
        """Return the mean retrieval loss of clean and adversarial images."""
        return self.mean_loss(step, step.attack("metric-pgd", step.images))
