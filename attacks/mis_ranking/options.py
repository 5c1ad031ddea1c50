"""Options of deep mis-ranking."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from attacks.trained_first import TrainedConfig


class MisRankingConfig(TrainedConfig):
    """Options of deep mis-ranking."""

    epoch_steps: int = Field(default=20, ge=1)
    """Batches of an epoch at least: a small training set is gone through more often. Chosen."""
    width: int = Field(default=8, ge=1)
    """Channels of the generator's first convolution; published: 32."""
    discriminator_width: int = Field(default=8, ge=1)
    """Channels of the discriminator's first convolution; published: 64."""
    learning_rate: float = Field(default=2e-3, gt=0)
    """Step size of Adam, for both networks; published: 2e-4, over 40 to 50 epochs."""
    lambda_rank: float = Field(default=10.0, gt=0)
    """Weight of the mis-ranking losses."""
    lambda_visual: float = Field(default=0.1, ge=0)
    """Weight of 1 - MS-SSIM."""
    visual: bool = True
    """Whether images must look natural, too: to a discriminator and by MS-SSIM."""
    margin: float = Field(default=0.3, ge=0)
    """Margin of the mis-ranking triplet, in units of its distances."""
    unit: bool = True
    """Whether the triplet compares unit embeddings, as the ranking does; published: raw ones,
    whose distances shrink with their length, too, which no ranking sees."""
    smoothing: float = Field(default=0.1, ge=0, lt=1)
    """Label smoothing of the loss toward the least likely identity."""
    scale: float = Field(default=16.0, gt=0)
    """Factor from a cosine to a training identity's centroid to its logit."""
    mask_ratio: float | None = Field(default=None, gt=0, le=1)
    """Share of the pixels that may change; None: all, without a mask."""

    @model_validator(mode="after")
    def _mask_is_judged(self) -> Self:
        if self.mask_ratio is not None and not self.visual:
            raise ValueError("mask_ratio needs visual=true: it looks with the discriminator")
        return self
