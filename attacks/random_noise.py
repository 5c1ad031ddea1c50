"""Random noise: the control that every real attack must beat."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from benchmark.core.attack import Attack
from benchmark.core.attack_batch import AttackBatch
from benchmark.core.plugin import Card, PluginConfig
from benchmark.core.seeding import uniform_noise
from benchmark.core.threat import ThreatModel


class RandomNoise(Attack):
    """Uniform or sign noise of the full budget; no gradient, no query."""

    card: ClassVar[Card] = Card(title="Random noise", notes="A control, not an attack.")
    threat: ClassVar[ThreatModel] = ThreatModel(knowledge="none")

    class Config(PluginConfig):
        """Options."""

        sign: bool = False
        """Noise of -eps or +eps in each value instead of uniform in between."""

    config: Config

    def perturb(self, encoder: nn.Module, batch: AttackBatch) -> Tensor:
        """Return the images with noise; see `Attack.perturb`."""
        noise = uniform_noise(batch.seeds, tuple(batch.images.shape[1:])).to(batch.images.device)
        if self.config.sign:
            noise = noise.sign()
        return self.project(batch.images + self.radius * noise, batch.images)
