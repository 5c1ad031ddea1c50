"""The generator: from an image to a change of each pixel, as a share of the budget."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from attacks.mis_ranking.spectral import spectral

STRIDE = 4
"""Total stride; sides are padded to a multiple of it."""

SMALLEST = 8
"""Sides are padded to this at least, so that the outer reflections fit in."""

BLOCKS = 6
"""Residual blocks."""


class Generator(nn.Module):
    """Encoder of two strided convolutions, six residual blocks, decoder; output in (-1, 1).

    Args:
        width: Channels of the first convolution.
        normed: Whether all convolutions but the last are spectrally normalised.
    """

    def __init__(self, width: int, normed: bool = True) -> None:
        super().__init__()
        w = width
        self.layers = nn.Sequential(
            nn.ReflectionPad2d(3),
            spectral(nn.Conv2d(3, w, 7), normed),
            nn.BatchNorm2d(w),
            nn.ReLU(inplace=True),
            spectral(nn.Conv2d(w, 2 * w, 3, 2, 1), normed),
            nn.BatchNorm2d(2 * w),
            nn.ReLU(inplace=True),
            spectral(nn.Conv2d(2 * w, 4 * w, 3, 2, 1), normed),
            nn.BatchNorm2d(4 * w),
            nn.ReLU(inplace=True),
            *(_Residual(4 * w, normed) for _ in range(BLOCKS)),
            spectral(nn.ConvTranspose2d(4 * w, 2 * w, 3, 2, 1, output_padding=1), normed),
            nn.BatchNorm2d(2 * w),
            nn.ReLU(inplace=True),
            spectral(nn.ConvTranspose2d(2 * w, w, 3, 2, 1, output_padding=1), normed),
            nn.BatchNorm2d(w),
            nn.ReLU(inplace=True),
            nn.ReflectionPad2d(3),
            nn.Conv2d(w, 3, 7),
            nn.Tanh(),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Return (B, 3, H, W) in (-1, 1) for images in [0, 1] of any size."""
        height, width = images.shape[2:]
        padding = (0, _missing(width), 0, _missing(height))
        padded = F.pad(2 * images - 1, padding, mode="replicate")
        made: Tensor = self.layers(padded)
        return made[:, :, :height, :width]


class _Residual(nn.Module):
    def __init__(self, channels: int, normed: bool) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.ReflectionPad2d(1),
            spectral(nn.Conv2d(channels, channels, 3), normed),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
            nn.ReflectionPad2d(1),
            spectral(nn.Conv2d(channels, channels, 3), normed),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        change: Tensor = self.layers(x)
        return x + change


def _missing(side: int) -> int:
    return max(SMALLEST, -(-side // STRIDE) * STRIDE) - side
