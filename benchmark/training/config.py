"""The training recipe: the same for every defense of a run, so that they are compared fairly."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Self

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from benchmark.core.budget import Eps255
from benchmark.core.plugin import PluginConfig

TRAINING_VERSION = 1
"""Raised when a change of the loop changes its results; part of every training's fingerprint."""


class InnerConfig(PluginConfig):
    """Budget of the attack inside adversarial training."""

    eps_255: Eps255 = 8.0
    """Radius of the ball."""
    alpha_255: float = Field(default=2.0, gt=0)
    """Step size."""
    steps: int = Field(default=4, ge=1)
    """Gradient steps."""
    attack: str | None = None
    """Registry name of what stands in for every inner attack; unset: what the defense asks for."""

    @model_serializer(mode="wrap")
    def _dump(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out a stand-in that is not there: fingerprints from before it stay."""
        content: dict[str, Any] = dump(self)
        if self.attack is None:
            content.pop("attack", None)
        return content


class AugmentConfig(PluginConfig):
    """Augmentation of training images."""

    flip: float = Field(default=0.5, ge=0, le=1)
    """Probability of a horizontal flip."""
    pad: int = Field(default=2, ge=0)
    """Zero padding before a random crop back to size, in pixels."""
    erase: float = Field(default=0.5, ge=0, le=1)
    """Probability of erasing a random rectangle (Zhong et al., AAAI 2020)."""


class TrainingConfig(PluginConfig):
    """Recipe of the training loop."""

    epochs: int = Field(default=12, ge=1)
    """Passes; one pass draws as many images as the training split holds."""
    identities: int = Field(default=16, ge=2)
    """Identities in a batch (P); even, so that it can be halved."""
    images: int = Field(default=4, ge=2)
    """Images of each identity in a batch (K)."""
    learning_rate: float = Field(default=2e-3, gt=0)
    """Peak step size of Adam."""
    final_learning_rate: float = Field(default=1e-5, ge=0)
    """Where the cosine ends."""
    warmup: float = Field(default=0.15, ge=0, lt=1)
    """Share of the training with a linear warm-up."""
    weight_decay: float = Field(default=5e-4, ge=0)
    """L2 penalty of Adam."""
    label_smoothing: float = Field(default=0.1, ge=0, lt=1)
    """Label smoothing of the identity loss."""
    triplet_margin: float = Field(default=0.3, ge=0)
    """Margin of the batch-hard triplet loss on unit features."""
    grad_clip: float = Field(default=10.0, gt=0)
    """Largest norm of the gradient."""
    held_out: float = Field(default=0.12, ge=0, lt=0.5)
    """Share of the training identities held out for selection."""
    validate_every: int = Field(default=2, ge=1)
    """Epochs between validations on the held-out identities."""
    augment: AugmentConfig = AugmentConfig()
    """Augmentation."""
    inner: InnerConfig = InnerConfig()
    """Inner budget of adversarial trainings."""
    ranks: int = Field(default=1, ge=1)
    """Processes, each with its GPU, that share the passes of every batch; see
    docs/several-gpus.md."""

    @model_validator(mode="after")
    def _can_be_split(self) -> Self:
        if self.identities % self.ranks:
            raise ValueError(
                f"identities={self.identities} of a batch cannot be split evenly over "
                f"ranks={self.ranks}: let ranks divide identities"
            )
        return self

    @model_serializer(mode="wrap")
    def _dump(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out a single rank: fingerprints from before there were several stay."""
        content: dict[str, Any] = dump(self)
        if self.ranks == 1:
            content.pop("ranks", None)
        return content

    def against(self, attack: str | None) -> Self:
        """Return the recipe with another stand-in for inner attacks; None: as it is."""
        if attack is None:
            return self
        return self.model_copy(update={"inner": self.inner.model_copy(update={"attack": attack})})

    def for_training_against(self, attacks: Collection[str]) -> Self:
        """Return the recipe without a stand-in that would stand in for nothing but itself.

        Args:
            attacks: What the training asks for; empty if it attacks nothing.
        """
        if attacks and set(attacks) != {self.inner.attack}:
            return self
        return self.model_copy(update={"inner": self.inner.model_copy(update={"attack": None})})
