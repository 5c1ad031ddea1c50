"""Dynamic-budget adversarial training: images with a wide margin are attacked harder.

    eps_i = eps_low + (eps_high - eps_low) clip((d_an - d_ap + m) / 2m, 0, 1)
    min over theta of (L(x) + L(x')) / 2,   x'_i = argmax over the ball of radius eps_i of J_i
    J_i(x') = ||f(x') - mean over p in P(i) of f(p)||^2 - ||f(x') - c_far||^2

d_ap and d_an are the batch-hard distances of an image on clean unit embeddings f: one that is
ranked wrongly by m gets the small radius, one that is right by m the large one. J is the objective
of `metric-pgd`: P(i) are the images of the same identity under other cameras, c_far is the farthest
centroid of another identity. Steps keep the recipe's ratio of step to radius.

This project's own stand-in for defenses with a dynamic budget. It is not DAS (Wei et al., 2024),
whose details were not at hand, and no result of it may be named so.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from benchmark.core.defense import Output, TrainingStep
from benchmark.core.guides import Guides, mean_positive
from benchmark.core.plugin import Card, PluginConfig
from benchmark.training.mining import batch_hard
from defenses.paired import PairedTraining


class DynamicBudgetAT(PairedTraining):
    """Metric adversarial training with a radius for each image, by its margin."""

    card = Card(
        title="Dynamic-budget adversarial training",
        paper="This project's own; not DAS (Wei et al., 2024)",
        notes="Everything is chosen: radii from a quarter of the recipe's to all of it (2 to "
        "8/255), the margin 0.3, the objective of metric-pgd, clean and adversarial images at the "
        "same weight. Its ascent is its own, for radii that differ by image: nothing stands in for "
        "it under protocol unseen.",
    )
    also_seen = ("metric-pgd",)

    class Config(PluginConfig):
        """Options."""

        low: float = Field(default=0.25, gt=0, le=1)
        """Smallest radius as a share of the recipe's; chosen."""
        margin: float = Field(default=0.3, gt=0)
        """Margin of distances at which the radius is largest, and missing, smallest; chosen."""

    config: Config

    def training_step(self, step: TrainingStep) -> Tensor:
        """Return the mean retrieval loss of clean and adversarial images."""
        guides = step.guides(step.images)
        hardest = batch_hard(guides.vectors(unit=True), step.labels)
        gap = hardest.negative_distances - hardest.positive_distances
        share = budget_share(gap, self.config.margin, self.config.low)
        adversarial = step.ascend(
            push_and_pull(guides),
            step.images,
            eps_255=share * step.eps_255,
            alpha_255=share * step.alpha_255,
        )
        return self.mean_loss(step, adversarial)


def budget_share(gap: Tensor, margin: float, low: float) -> Tensor:
    """Return (B,) radii as shares of the largest: `low` at a gap of -margin, 1 at margin.

    Args:
        gap: (B,) distance of the hardest negative minus that of the hardest positive.
        margin: m of the module's equation.
        low: Smallest share.
    """
    return low + (1 - low) * ((gap + margin) / (2 * margin)).clamp(0, 1)


def push_and_pull(guides: Guides) -> Callable[[Output], Tensor]:
    """Return the objective of `metric-pgd` for a batch that guides itself.

    Args:
        guides: Clean embeddings of the batch, in its order.
    """
    clean = guides.vectors(unit=True)
    rows = torch.arange(len(clean), device=clean.device)
    mask = guides.positive_mask(guides.pids, guides.camids, rows)
    positive = mean_positive(guides, mask, clean, unit=True)
    negative, _ = guides.farthest_negative(clean, guides.pids, unit=True)

    def objective(output: Output) -> Tensor:
        unit = F.normalize(output.embeddings)
        return (unit - positive).square().sum(1) - (unit - negative).square().sum(1)

    return objective
