"""Metric TRADES: a clean metric, and embeddings that do not move within the ball.

    min over theta of L(x) + beta mean ||f(x) - f(x')||^2,
    x' = argmax over the ball of ||f(x') - f(x)||^2

This project's own combination, after TRADES (Zhang et al., ICML 2019): the divergence of identity
predictions, which evaluation drops, gives way to the squared distance of the unit embeddings f that
are ranked. The inner attack is then the self metric attack (SMA), which needs neither labels nor
guides. L is the retrieval loss.
"""

from __future__ import annotations

from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from benchmark.core.defense import TrainingStep
from benchmark.core.plugin import Card, PluginConfig
from defenses.paired import PairedTraining


class MetricTRADES(PairedTraining):
    """Retrieval loss on clean images + how far their unit embeddings move under SMA."""

    card = Card(
        title="Metric TRADES",
        paper="This project's own, after Zhang et al., ICML 2019",
        references=("zhang2019",),
        notes="Not published: TRADES with the squared distance of unit embeddings in place of KL, "
        "and SMA as its inner attack. Beta is chosen by the worst case on held-out identities: "
        "0.5, 1 and 2 leave 12, 13 and 14 in it, 59, 49 and 41 mAP clean (one training each on "
        "119 identities, docs/tuning.md). TRADES published 6, for KL.",
    )
    trained_against = ("sma",)

    class Config(PluginConfig):
        """Options."""

        beta: float = Field(default=2.0, ge=0)
        """Weight of the squared distance; chosen."""

    config: Config

    def training_step(self, step: TrainingStep) -> Tensor:
        """Return the retrieval loss of clean images + beta times the squared distance."""
        clean, attacked = self.forward_pair(step, step.attack("sma", step.images))
        first, second = (F.normalize(each.embeddings.float()) for each in (clean, attacked))
        moved = (first - second).square().sum(1).mean()
        return step.output_loss(clean, step.labels) + self.config.beta * moved
