"""Gradients of a surrogate that hold for other encoders, too.

Every attack here pushes a query away from its own clean embedding f(x),

    J(x') = 1 - cos(f(D(x')), f(x))

where D resizes and pads at random (Xie et al., CVPR 2019) or changes nothing, and follows either
the gradient or its convolution with a Gaussian, which stands for the mean gradient over shifts of
the image (Dong et al., CVPR 2019).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from benchmark.core.attack_batch import AttackBatch
from benchmark.core.iterated_attack import IteratedAttack, IteratedConfig, Steps
from benchmark.core.plugin import PluginConfig
from benchmark.core.surrogate import Surrogate, SurrogateData
from benchmark.core.threat import Intent, ThreatModel

Share = Annotated[float, Field(gt=0, le=1)]


class TransferConfig(IteratedConfig):
    """Options of a transfer attack."""

    steps: Steps | None = 50
    start: Share = 1.0
    """Random start as a share of the budget; the gradient vanishes at the clean image."""
    best_iterate: Literal[False] = False
    """The last iterate is returned: the best on a surrogate is not the best on the target."""
    unit: Literal[True] = True
    """Cosines are of unit embeddings."""


class OneSurrogate(PluginConfig):
    """Which encoder the attacker trains, for attacks that need one."""

    surrogate: str = "none"
    """Defense that it is trained with, by registry name."""
    surrogate_data: SurrogateData = "same"
    """Trained on the target's training set, or on the other data set of the run."""


class TransferAttack(IteratedAttack):
    """Base of transfer attacks; the encoder that it gets is its surrogates as one."""

    threat: ClassVar[ThreatModel] = ThreatModel(knowledge="transfer")
    intents: ClassVar[frozenset[Intent]] = frozenset({"dodge"})

    Config = TransferConfig
    config: TransferConfig

    @classmethod
    def surrogates(cls, config: PluginConfig) -> tuple[Surrogate, ...]:
        """Return the surrogate that the options name."""
        assert isinstance(config, OneSurrogate)
        return (Surrogate(config.surrogate, config.surrogate_data),)

    def objective(self, vectors: Tensor, state: object) -> Tensor:
        """Return one minus the cosine with the clean vector; (B,)."""
        assert isinstance(state, Tensor)
        return 1 - (vectors * state).sum(1)


class DiverseInputs(TransferAttack):
    """Differentiates at a random resizing and padding of each image, new at each step."""

    class Config(TransferConfig):
        """Options."""

        diversity: Share = 0.5
        """Probability that an image is transformed at a step."""
        smallest: Share = 0.9
        """Smallest side after resizing, as a share of the original."""

    config: Config

    def at_step(self, step: int, state: object, encoder: nn.Module, batch: AttackBatch) -> object:
        """Return the clean vectors and this step's transformation."""
        assert isinstance(state, Tensor)
        draws = self.draws(batch, step, 4)
        chosen = torch.nonzero(draws[:, 0] < self.config.diversity)[:, 0]
        draws = draws[chosen]
        scale = 1 - (1 - self.config.smallest) * draws[:, 1]
        height, width = batch.images.shape[2:]
        rows = resize_and_pad(scale, draws[:, 2], height).to(state.dtype)
        columns = resize_and_pad(scale, draws[:, 3], width).to(state.dtype)
        return _Diverse(state, chosen, rows, columns)

    def value(
        self, encoder: nn.Module, images: Tensor, state: object, batch: AttackBatch
    ) -> Tensor:
        """Return (B,) values at the transformed images."""
        assert isinstance(state, _Diverse)
        return super().value(encoder, state.transformed(images), state.clean, batch)


@dataclass(frozen=True)
class _Diverse:
    """The transformation of the images of a batch at one step.

    Attributes:
        clean: (B, D) clean vectors.
        chosen: (C,) which images are transformed.
        rows: (C, H, H) matrices that resize and pad their columns of pixels.
        columns: (C, W, W) the same of their rows of pixels.
    """

    clean: Tensor
    chosen: Tensor
    rows: Tensor
    columns: Tensor

    def transformed(self, images: Tensor) -> Tensor:
        moved = self.rows[:, None] @ images.index_select(0, self.chosen)
        moved = moved @ self.columns[:, None].mT
        return images.index_copy(0, self.chosen, moved)


class SmoothGradients(TransferAttack):
    """Follows the gradient convolved with a Gaussian."""

    class Config(TransferConfig):
        """Options."""

        sigma: float = Field(default=3.0, gt=0)
        """Standard deviation of the Gaussian in pixels of an image 128 wide; scaled to others."""
        radius: int = Field(default=7, ge=1)
        """Pixels on each side of its centre in an image 128 wide; scaled to others, at least 1."""

    config: Config

    def smooth(self, gradient: Tensor) -> Tensor:
        """Return the gradient after convolution; zero outside the image."""
        scale = gradient.shape[3] / 128
        radius = max(1, round(self.config.radius * scale))
        kernel = gaussian(self.config.sigma * scale, radius).to(gradient)
        height, width = gradient.shape[2:]
        return convolution(kernel, height) @ (gradient @ convolution(kernel, width))


def resize_and_pad(scale: Tensor, place: Tensor, size: int) -> Tensor:
    """Return (B, size, size) matrices that resize a side bilinearly and pad it with zeros.

    Args:
        scale: (B,) of the resized side, at most 1; 1 gives the identity.
        place: (B,) where it lies between both ends, in [0, 1).
        size: Pixels of the side.
    """
    length = (scale * size).round().clamp_min(1)[:, None]
    first = (place[:, None] * (size - length + 1)).floor()
    pixels = torch.arange(size, device=scale.device)
    source = ((pixels - first + 0.5) * (size / length) - 0.5).clamp(0, size - 1)
    inside = (pixels >= first) & (pixels < first + length)
    below = source.floor()
    share = source - below
    matrices = scale.new_zeros(len(scale), size, size)
    column = below.long()[:, :, None]
    matrices.scatter_(2, column, ((1 - share) * inside)[:, :, None])
    column = (column + 1).clamp_max_(size - 1)  # beyond the last pixel lies a share of 0
    return matrices.scatter_add_(2, column, (share * inside)[:, :, None])


def convolution(kernel: Tensor, size: int) -> Tensor:
    """Return the symmetric (size, size) matrix that convolves a side, zero outside.

    On images, two products are several times faster than a convolution of single channels.

    Args:
        kernel: (2 radius + 1,) symmetric.
        size: Pixels of the side.
    """
    radius = len(kernel) // 2
    pixels = torch.arange(size, device=kernel.device)
    offset = (pixels[:, None] - pixels).abs()
    return torch.where(offset <= radius, kernel[(radius + offset).clamp_max(2 * radius)], 0)


def gaussian(sigma: float, radius: int) -> Tensor:
    """Return (2 radius + 1,) float64 weights of a Gaussian that sum to 1."""
    offsets = torch.arange(-radius, radius + 1, dtype=torch.float64)
    weights = torch.exp(-offsets.square() / (2 * sigma**2))
    return weights / weights.sum()
