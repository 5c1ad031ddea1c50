"""GOAT: guided online adversarial training, away from other images of the same person.

Bouniot, Audigier, Loesch, "Vulnerability of Person Re-Identification Models to Metric Adversarial
Attacks" (CVPR Workshops 2020). Every batch is attacked anew, and learned without clean images:

    min over theta of L(x'),   x' = argmax over the ball of J, by PGD from a random start
    J(x') = sum over p in P of ||f(x') - f(p)||^2  [ - ||f(x') - f(n)||^2 ]

P are random training images of the same identity, never the image itself; n, if pulled, is far.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from pydantic import Field
from torch import Tensor

from benchmark.core.defense import Defense, TrainingStep
from benchmark.core.plugin import Card, PluginConfig

PUSH, PUSH_PULL = "metric-ifgsm", "metric-pgd"
"""Attacks of the registry with the two objectives; both start at random here."""


class GOAT(Defense):
    """Guided online adversarial training: PGD away from random images of the same identity."""

    card = Card(
        title="Guided online adversarial training",
        paper="Bouniot, Audigier, Loesch, CVPR Workshops 2020",
        references=("bouniot2020",),
        claims="An encoder trained against attacks with guides of the same person resists metric "
        "attacks.",
        notes="Published: 4 random guides of the same identity, random start, adversarial images "
        "alone. Mended bugs of the released code: its radius of 5/255 was in normalised space "
        "(1.1/255 in pixels); it crafted in train mode, on batch statistics that it updated; the "
        "pull guide could have the image's identity; a push guide could be the image itself. "
        "Chosen: unit embeddings, guides without augmentation, radius and steps of the recipe "
        "(5/255 and 7 in the paper), the recipe's losses and schedule; the pull guide is the mean "
        "of the guides of the farthest identity (the farthest single image in the paper).",
    )
    trained_against = (PUSH,)

    class Config(PluginConfig):
        """Options."""

        guides: int = Field(default=4, ge=1)
        """Push guides of each image; published."""
        pull: bool = False
        """Pull to the farthest other identity of the batch, too; published as a variant."""

    config: Config

    def __init__(self, config: PluginConfig) -> None:
        super().__init__(config)
        if self.config.pull:
            self.trained_against = (PUSH_PULL,)

    def training_step(self, step: TrainingStep) -> Tensor:
        """Return the retrieval loss of the adversarial images alone."""
        count = self.config.guides
        companions = step.companions(count)
        anywhere = torch.full_like(companions.camids, -1)  # guides of the same camera count
        companions = replace(companions, camids=anywhere)
        (name,) = self.trained_against
        # Of push and pull, the registry's attack weighs the mean of the guides; the paper, the sum.
        options = {"pull": 1 / count} if self.config.pull else {}
        adversarial = step.attack(name, step.images, guides=companions, start=1.0, **options)
        return step.retrieval_loss(adversarial)
