"""The discriminator: does a pair of images hold two real ones? Judged at three scales.

Least squares as in LSGAN (Mao et al., ICCV 2017): real pairs are to give 1, others 0.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from attacks.mis_ranking.spectral import spectral

SCALES = 3
"""Levels of the image pyramid, each half the size of the one before."""


class Discriminator(nn.Module):
    """One branch of five convolutions for each scale of a pair.

    Args:
        width: Channels of the first convolution.
        normed: Whether all convolutions but the last of a branch are spectrally normalised.
    """

    def __init__(self, width: int, normed: bool = True) -> None:
        super().__init__()
        self.branches = nn.ModuleList(_Branch(width, normed) for _ in range(SCALES))

    def forward(self, pairs: Tensor) -> tuple[list[Tensor], list[list[Tensor]]]:
        """Judge (B, 6, H, W) pairs in [0, 1].

        Returns:
            A map of judgements for each scale, and for each scale the maps within, after a stride
            of 2, 4, 8 and 8.
        """
        judgements, features = [], []
        scaled = 2 * pairs - 1
        for branch in self.branches:
            judged, within = branch(scaled)
            judgements.append(judged)
            features.append(within)
            scaled = F.avg_pool2d(scaled, 3, 2, 1, count_include_pad=False)
        return judgements, features


class _Branch(nn.Module):
    def __init__(self, width: int, normed: bool) -> None:
        super().__init__()
        channels = (6, width, 2 * width, 4 * width, 8 * width)
        self.layers = nn.ModuleList(
            nn.Sequential(
                spectral(nn.Conv2d(channels[i], channels[i + 1], 4, 2 if i < 3 else 1), normed),
                nn.BatchNorm2d(channels[i + 1]) if i else nn.Identity(),
                nn.LeakyReLU(0.2, inplace=True),
            )
            for i in range(4)
        )
        self.judge = nn.Conv2d(channels[4], 1, 4)

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        within = []
        for layer in self.layers:
            x = layer(_padded(x))
            within.append(x)
        return self.judge(_padded(x)), within


def _padded(x: Tensor) -> Tensor:
    """Pad so that a convolution of width 4 and stride s returns ceil(side / s)."""
    return F.pad(x, (1, 2, 1, 2))


def least_squares(judgements: Sequence[Tensor], wanted: float) -> Tensor:
    """Return the mean squared difference from what is wanted, averaged over the scales."""
    return torch.stack([(judged - wanted).square().mean() for judged in judgements]).mean()
