"""JPEG with a gradient, for the backward pass of attacks on what compresses images.

The steps of baseline JPEG (ITU-T T.81) with 4:2:0 chroma are linear but for the rounding of the
quantised coefficients. That is exact on the forward pass; on the backward pass its derivative is

    d round(c) / dc := 1 - cos(2 pi c) / 2

half of it the identity's, half that of the smooth staircase c - sin(2 pi c) / (2 pi): coefficients
that are about to be rounded to another level count most. Chosen on held-out identities: of the
identity on the whole of JPEG, the identity on the rounding, the cubic of Shin and Song (NIPS
workshop 2017) and this one, metric PGD with 10 steps left 15.0, 8.2, 7.1 and 6.4 % mAP.
"""

from __future__ import annotations

import io
import math

import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

_BLOCK = 8
_UNIT = 16
"""A block of chroma covers so many pixels."""
_TO_YCC = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))
"""Luma and chroma of red, green and blue (JFIF)."""


class DifferentiableJpeg(nn.Module):
    """JPEG compression and decompression, differentiable in the images.

    Args:
        quality: Of the compression, 1 to 95.
    """

    def __init__(self, quality: int) -> None:
        super().__init__()
        steps, transform = quantisation_steps(quality), torch.tensor(_TO_YCC)
        self.register_buffer("luma_steps", steps[0])
        self.register_buffer("chroma_steps", steps[1])
        self.register_buffer("cosines", dct_matrix())
        self.register_buffer("to_ycc", transform)
        self.register_buffer("to_rgb", torch.linalg.inv(transform))

    luma_steps: Tensor
    chroma_steps: Tensor
    cosines: Tensor
    to_ycc: Tensor
    to_rgb: Tensor

    def forward(self, images: Tensor) -> Tensor:
        """Return (B, 3, H, W) images in [0, 1] about as JPEG gives them back."""
        height, width = images.shape[2:]
        padded = F.pad(images, (0, -width % _UNIT, 0, -height % _UNIT), mode="replicate")
        ycc = torch.einsum("ij,bjhw->bihw", self.to_ycc, 255 * padded)
        luma = self._coded(ycc[:, :1] - 128, self.luma_steps) + 128
        chroma = self._coded(F.avg_pool2d(ycc[:, 1:], 2), self.chroma_steps)
        # The triangle filter of common decoders.
        chroma = F.interpolate(chroma, scale_factor=2, mode="bilinear", align_corners=False)
        rgb = torch.einsum("ij,bjhw->bihw", self.to_rgb, torch.cat([luma, chroma], dim=1))
        return (rgb[:, :, :height, :width] / 255).clamp(0, 1)

    def _coded(self, planes: Tensor, steps: Tensor) -> Tensor:
        """Quantise the coefficients of each block of (B, C, H, W) planes."""
        count, channels, height, width = planes.shape
        grid = (count, channels, height // _BLOCK, _BLOCK, width // _BLOCK, _BLOCK)
        blocks = planes.reshape(grid).transpose(3, 4)
        coefficients = self.cosines @ blocks @ self.cosines.mT
        quantised = steps * relaxed_round(coefficients / steps)
        decoded = self.cosines.mT @ quantised @ self.cosines
        return decoded.transpose(3, 4).reshape(planes.shape)


def relaxed_round(values: Tensor) -> Tensor:
    """Round; the derivative is 1 - cos(2 pi values) / 2."""
    smooth = values - (2 * math.pi * values).sin() / (4 * math.pi)
    return smooth + (values.round() - smooth).detach()


def dct_matrix() -> Tensor:
    """Return the orthonormal (8, 8) DCT-II matrix; a row is a frequency."""
    frequency, place = torch.arange(float(_BLOCK))[:, None], torch.arange(float(_BLOCK))
    cosines = 0.5 * (frequency * (2 * place + 1) * math.pi / (2 * _BLOCK)).cos()
    cosines[0] /= math.sqrt(2)
    return cosines


def quantisation_steps(quality: int) -> Tensor:
    """Return the (2, 8, 8) steps for luma and chroma, as the encoder at hand takes them."""
    stream = io.BytesIO()
    Image.new("RGB", (_UNIT, _UNIT)).save(stream, "JPEG", quality=quality, subsampling="4:2:0")
    tables = Image.open(stream).quantization  # type: ignore[attr-defined]
    return torch.tensor([tables[0], tables[1]], dtype=torch.float32).reshape(2, _BLOCK, _BLOCK)
