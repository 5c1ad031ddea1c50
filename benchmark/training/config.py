"""The training recipe: the same for every defense of a run, so that they are compared fairly."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Literal, Self

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from benchmark.core.budget import Eps255
from benchmark.core.plugin import PluginConfig

TRAINING_VERSION = 1
"""Raised when a change of the loop changes its results; part of every training's fingerprint."""


Precision = Literal["float32", "bfloat16"]

LATER_OPTIONS = ("precision", "deterministic", "compile", "accumulate", "checkpointing", "ranks")
"""Options of `TrainingConfig` that fingerprints hold only where they are set."""


def _without_defaults(
    config: PluginConfig, content: dict[str, Any], names: Collection[str]
) -> dict[str, Any]:
    """Return what a configuration is dumped to without some options at their defaults."""
    fields = type(config).model_fields
    return {
        key: value
        for key, value in content.items()
        if key not in names or getattr(config, key) != fields[key].default
    }


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
    precision: Precision = "float32"
    """Of the model while it is attacked and while it embeds the clean images that guide."""

    @model_serializer(mode="wrap")
    def _dump(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what came later and is not set: fingerprints from before it stay."""
        return _without_defaults(self, dump(self), ("attack", "precision"))


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
    precision: Precision | Literal["auto"] = "auto"
    """Of the model in the update; auto: bfloat16 on a GPU that computes in it, else float32."""
    deterministic: bool = True
    """Kernels of a GPU that repeat themselves bit for bit; off: the fastest that cuDNN finds."""
    compile: bool = False
    """Compile the model with torch.compile; where that fails it trains on as it is."""
    accumulate: int = Field(default=1, ge=1)
    """Parts of a batch, split by identities, whose gradients are added before the weights move."""
    checkpointing: bool = False
    """Compute activations of the update anew when it goes backward, to save memory."""
    ranks: int = Field(default=1, ge=1)
    """Processes, each with a GPU of its own, that share the passes of every batch."""

    @model_validator(mode="after")
    def _parts_hold_pairs_of_identities(self) -> Self:
        parts = self.accumulate
        if parts > 1 and (self.identities % parts or self.identities // parts < 2):
            raise ValueError(
                f"accumulate={parts} does not split identities={self.identities} into parts of "
                "two identities or more"
            )
        return self

    @model_validator(mode="after")
    def _batch_can_be_shared(self) -> Self:
        if self.identities % self.ranks:
            raise ValueError(
                f"ranks={self.ranks} cannot share a batch of identities={self.identities} evenly: "
                "let the first divide the second"
            )
        if self.ranks > 1 and self.compile:
            raise ValueError("ranks with compile is not implemented: switch off one of the two")
        return self

    @model_serializer(mode="wrap")
    def _dump(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what came later and is not set: fingerprints from before it stay."""
        return _without_defaults(self, dump(self), LATER_OPTIONS)

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
