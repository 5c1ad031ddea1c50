"""The mask: which pixels may change, if not all may.

A head on the features of the discriminator gives every pixel a logit. Gumbel noise makes the
choice of the k largest a random draw while it is learned; forward it is hard, backward soft.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class MaskHead(nn.Module):
    """A feature pyramid from the discriminator's maps at 1/32, 1/16, 1/8 and 1/4 to logits.

    Args:
        width: Channels of the discriminator's first convolution.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        channels = (4 * width, 4 * width, 4 * width, 2 * width)
        self.laterals = nn.ModuleList(nn.Conv2d(c, width, 1) for c in channels)
        self.smoothers = nn.ModuleList(nn.Conv2d(width, width, 3, 1, 1) for _ in channels)
        self.enlarge = nn.Sequential(
            nn.ConvTranspose2d(width, width, 4, 2, 1),
            nn.ReLU(inplace=True),
            nn.ConvTranspose2d(width, width, 4, 2, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, 1, 1),
        )

    def forward(self, features: list[list[Tensor]], size: tuple[int, int]) -> Tensor:
        """Return (B, H, W) logits for an image of `size`, (H, W)."""
        maps = (features[2][2], features[1][2], features[0][2], features[0][1])
        merged: Tensor | None = None
        for lateral, smoother, level in zip(self.laterals, self.smoothers, maps, strict=True):
            here = lateral(level)
            if merged is not None:
                here = here + _resized(merged, tuple(here.shape[2:]))
            merged = smoother(here)
        assert merged is not None
        return _resized(self.enlarge(merged), size)[:, 0]


def top_mask(logits: Tensor, ratio: float, noise: Tensor | None) -> Tensor:
    """Return a (B, 1, H, W) mask of the pixels with the largest logits.

    Args:
        logits: (B, H, W).
        ratio: Share of the pixels to keep; at least one is kept.
        noise: (B, H, W) Gumbel noise to add, None for the most likely choice.
    """
    flat = (logits if noise is None else logits + noise).flatten(1)
    soft = flat.softmax(1)
    kept = flat.topk(max(1, round(ratio * flat.shape[1])), dim=1).indices
    hard = torch.zeros_like(soft).scatter_(1, kept, 1.0)
    return (hard + soft - soft.detach()).reshape(logits.shape)[:, None]


def gumbel_noise(shape: tuple[int, ...], seed: int) -> Tensor:
    """Return Gumbel(0, 1) noise, drawn on the CPU."""
    generator = torch.Generator().manual_seed(seed)
    uniform = torch.rand(shape, generator=generator).clamp_(1e-6, 1 - 1e-6)
    return -torch.log(-torch.log(uniform))


def _resized(maps: Tensor, size: tuple[int, ...]) -> Tensor:
    return F.interpolate(maps, size=size, mode="bilinear", align_corners=False)
