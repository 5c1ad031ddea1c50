"""What the broken defenses share: the plain training, and a mask around the trained encoder."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import ClassVar

from torch import Tensor, nn

from benchmark.core.defense import Adaptive, Defense, FitTask, TrainingStep
from benchmark.core.plugin import PluginConfig

NOTES = "Deliberately broken; a test subject, not a defense."


class Mask(nn.Module):
    """An encoder with something in front of it or behind it that hides its gradient.

    Args:
        plain: The encoder that is masked.
    """

    def __init__(self, plain: nn.Module) -> None:
        super().__init__()
        self.plain = plain

    @abstractmethod
    def forward(self, images: Tensor) -> Tensor:
        """Return (B, D) embeddings of (B, 3, H, W) images."""


class MaskedDefense(Defense):
    """Base of the broken defenses; an author writes `masked`."""

    admission: ClassVar[Adaptive]
    """What an honest author would declare."""

    class Config(PluginConfig):
        """Options."""

        declared: bool = True
        """Declare what the mask does to gradients, so that attacks on it are adaptive."""

    config: Config

    def __init__(self, config: PluginConfig) -> None:
        super().__init__(config)
        if self.config.declared:
            self.adaptive = self.admission

    @abstractmethod
    def masked(self, plain: nn.Module) -> Mask:
        """Return the mask around an encoder."""

    def training_step(self, step: TrainingStep) -> Tensor:
        """Return the retrieval loss of the clean images; the mask has no part in it."""
        return step.retrieval_loss(step.images)

    def fit(self, task: FitTask) -> nn.Module:
        """Train the plain encoder, then mask it."""
        return self.masked(task.train_encoder(self))

    def build_encoder(self, factory: Callable[[], nn.Module]) -> nn.Module:
        """Return an untrained encoder behind the mask."""
        return self.masked(factory())

    def surrogate(self, encoder: nn.Module) -> nn.Module | None:
        """Return the encoder without its mask."""
        assert isinstance(encoder, Mask)
        return encoder.plain
