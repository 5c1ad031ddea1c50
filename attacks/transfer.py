"""Transfer attacks: craft on encoders that the attacker trained, without seeing the target."""

from __future__ import annotations

from typing import ClassVar

from attacks.surrogate_gradient import DiverseInputs, SmoothGradients
from benchmark.core.iterated_attack import Momentum
from benchmark.core.plugin import Card, PluginConfig
from benchmark.core.surrogate import Surrogate, SurrogateData

_CHOSEN = (
    "50 steps of eps/8 away from the clean embedding, random start. Chosen: sizes in whole pixels, "
    "kernels scaled with the width of the image (published: 15 pixels at 128)."
)


class SurrogateOptions(PluginConfig):
    """Which encoder the attacker trains."""

    surrogate: str = "none"
    """Defense that it is trained with, by registry name."""
    surrogate_data: SurrogateData = "same"
    """Whether it is trained on the target's training set or on the other data set of the run."""

    def surrogates(self) -> tuple[Surrogate, ...]:
        """Return the one surrogate."""
        return (Surrogate(self.surrogate, self.surrogate_data),)


def _one(config: PluginConfig) -> tuple[Surrogate, ...]:
    assert isinstance(config, SurrogateOptions)
    return (Surrogate(config.surrogate, config.surrogate_data),)


class DI(DiverseInputs):
    """DI: transfer by gradients at randomly resized and padded images."""

    card: ClassVar[Card] = Card(
        title="Diverse inputs",
        paper="Xie et al., CVPR 2019, arXiv 1803.06978",
        notes=_CHOSEN,
    )

    class Config(DiverseInputs.Config, SurrogateOptions):
        """Options."""

    @classmethod
    def surrogates(cls, config: PluginConfig) -> tuple[Surrogate, ...]:
        """Return the one surrogate that the options name."""
        return _one(config)
