"""TRADES: accuracy on clean images, and predictions that do not move within the ball.

Zhang et al., "Theoretically Principled Trade-off between Robustness and Accuracy" (ICML 2019):

    min over theta of L(x) + beta KL(p(x) || p(x')),
    x' = argmax over the ball of KL(p(x) || p(x')),   x'_0 = x + 0.001 N(0, 1)

p is the softmax over training identities. On ReID, L is the retrieval loss of clean images, with
its triplet loss. Both terms train the encoder through both images.
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from benchmark.core.defense import Output, TrainingStep
from benchmark.core.plugin import Card, PluginConfig
from benchmark.core.seeding import derive_seed
from defenses.paired import PairedTraining


class TRADES(PairedTraining):
    """Retrieval loss on clean images + divergence of identity predictions in the ball."""

    card = Card(
        title="TRADES",
        paper="Zhang et al., ICML 2019, arXiv 1901.08573",
        references=("zhang2019",),
        claims="A bound of the robust error by the clean error and a term that trades them off.",
        notes="Published: beta 6, the start, KL inside and outside. Chosen for ReID: labels are "
        "smoothed and the triplet loss is added on clean images; clean and adversarial images "
        "share one forward pass; radius and steps are those of the recipe.",
    )

    class Config(PluginConfig):
        """Options."""

        beta: float = Field(default=6.0, ge=0)
        """Weight of the divergence; published."""
        start: float = Field(default=0.001, gt=0)
        """Standard deviation of the start, in pixel units; published. At x itself KL is flat."""

    config: Config

    def training_step(self, step: TrainingStep) -> Tensor:
        """Return the retrieval loss of clean images + beta times the divergence."""
        target = step.outputs(step.images).logits
        generator = torch.Generator().manual_seed(derive_seed(step.seed, "trades"))
        noise = self.config.start * torch.randn(step.images.shape, generator=generator)

        def moved(output: Output) -> Tensor:
            return divergence(target, output.logits)

        adversarial = step.ascend(moved, step.images, noise=noise.to(step.images.device))
        clean, attacked = self.forward_pair(step, adversarial)
        penalty = divergence(clean.logits, attacked.logits).mean()
        return step.output_loss(clean, step.labels) + self.config.beta * penalty


def divergence(first: Tensor, second: Tensor) -> Tensor:
    """Return (B,) divergences KL(p || q) of the softmax p and q of (B, C) logits."""
    log_p, log_q = F.log_softmax(first.float(), 1), F.log_softmax(second.float(), 1)
    return (log_p.exp() * (log_p - log_q)).sum(1)
