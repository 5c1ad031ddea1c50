"""Bandits: gradient estimates from pairs of answers, accumulated in a coarse prior.

Ilyas, Engstrom, Madry, "Prior Convictions" (ICLR 2019), with the time and the data prior. With
l(x') = cos(f(x'), f(x)) to minimise, U the enlargement to the image and u ~ N(0, I) / sqrt(dim):

    q+- = U(p +- e u) / ||U(p +- e u)||
    g   = (l(x' + h q+) - l(x' + h q-)) / (h e) * u
    r   = (p + 1) / 2
    p  <- 2 r exp(lr g) / (r exp(lr g) + (1 - r) exp(-lr g)) - 1
    x' <- P(x' - alpha sign(U(p)))
"""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from attacks.black_box import BlackBoxAttack, BlackBoxConfig
from benchmark.core.attack_batch import AttackBatch
from benchmark.core.plugin import Card
from benchmark.core.threat import Intent, ThreatModel


class Bandits(BlackBoxAttack):
    """Bandits: estimates the gradient of the cosine to the clean image from pairs of answers."""

    threat: ClassVar[ThreatModel] = ThreatModel(knowledge="score")
    intents: ClassVar[frozenset[Intent]] = frozenset({"dodge"})
    card: ClassVar[Card] = Card(
        title="Bandits with time and data prior",
        paper="Ilyas et al., ICLR 2019, arXiv 1807.07978",
        references=("ilyas2019",),
        claims="A prior over steps and over neighbouring pixels halves the answers needed.",
        notes="Dodge only: the objective knows no identity. Published: both priors, their update, "
        "probe 0.1, exploration 1, prior rate 100, start at the clean image. Chosen: the cosine "
        "to the clean embedding as the loss; a step of 0.1 eps, the strongest of three on the "
        "canary (published: 0.01); 500 answers; a prior in squares of 4 pixels (published: of 6, "
        "for 299 x 299); probes are clipped to the pixel box.",
    )

    class Config(BlackBoxConfig):
        """Options."""

        queries: int = Field(default=500, ge=2)
        """Answers that each image is given, two for each step."""
        coarseness: int = Field(default=4, ge=1)
        """Pixels of the image for one of the prior, along each side."""
        exploration: float = Field(default=1.0, gt=0)
        """Norm of the noise that a pair of answers explores the prior by."""
        probe: float = Field(default=0.1, gt=0)
        """Euclidean length of a probe in pixel units."""
        prior_rate: float = Field(default=100.0, gt=0)
        """Learning rate of the prior."""
        step_share: float = Field(default=0.1, gt=0)
        """Step of the image as a share of the budget."""

    config: Config

    def search(self, oracle: nn.Module, batch: AttackBatch) -> Tensor:
        """Return the images after one step for every two answers."""
        clean, config = batch.images, self.config
        count, _, height, width = clean.shape
        rows = torch.arange(count, device=clean.device).repeat(2)
        own = F.normalize(batch.clean)
        sides = [max(1, round(side / config.coarseness)) for side in (height, width)]
        prior = clean.new_zeros(count, 3, *sides)
        generators = [torch.Generator().manual_seed(seed) for seed in batch.seeds]
        images = clean
        self.keep(images, 0, 2)
        for step in range(config.queries // 2):
            noise = torch.stack([torch.randn(3, *sides, generator=one) for one in generators])
            noise = noise.to(clean) / (3 * sides[0] * sides[1]) ** 0.5
            trials = [prior + sign * config.exploration * noise for sign in (1, -1)]
            probes = [
                (images + config.probe * unit_image(enlarged(trial, clean))).clamp_(0, 1)
                for trial in trials
            ]
            answers = F.normalize(oracle(torch.cat(probes), rows))
            plus, minus = (answers * own.repeat(2, 1)).sum(1).chunk(2)
            slope = (plus - minus) / (config.probe * config.exploration)
            prior = exponentiated(prior, slope[:, None, None, None] * noise, config.prior_rate)
            direction = enlarged(prior, clean).sign()
            images = self.project(images - config.step_share * self.radius * direction, clean)
            self.trace.append(float(-(plus + minus).mean() / 2))
            self.keep(images, 2 * step + 2, 2)
        return images


def exponentiated(prior: Tensor, gradient: Tensor, rate: float) -> Tensor:
    """Return the prior in [-1, 1] after a step of exponentiated gradients along `gradient`."""
    shift = torch.tanh(rate * gradient)  # the formula above is tanh(atanh(p) + rate g)
    return (prior + shift) / (1 + prior * shift).clamp_min(1e-12)


def enlarged(coarse: Tensor, like: Tensor) -> Tensor:
    """Return (B, 3, h, w) enlarged to the size of (B, 3, H, W) images, pixels repeated."""
    return F.interpolate(coarse, like.shape[2:], mode="nearest")


def unit_image(images: Tensor) -> Tensor:
    """Return (B, 3, H, W) scaled to a Euclidean norm of 1 for each image."""
    norms: Tensor = torch.linalg.vector_norm(images, dim=(1, 2, 3), keepdim=True)
    return images / norms.clamp_min(1e-12)
