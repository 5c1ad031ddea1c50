"""JPEG as images meet it on their way: at upload, in storage, before an encoder."""

from __future__ import annotations

import io

import numpy as np
import torch
from PIL import Image
from torch import Tensor

QUALITY = 75
"""The usual default of encoders."""


def through_jpeg(images: Tensor, quality: int = QUALITY) -> Tensor:
    """Return (B, 3, H, W) images in [0, 1] after JPEG with 4:2:0 chroma, on their device."""
    pixels = (images.detach().cpu() * 255).round_().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    decoded = np.stack([_through_jpeg(one, quality) for one in pixels])
    back = torch.from_numpy(decoded).permute(0, 3, 1, 2)
    return back.to(images.device, images.dtype).div_(255)


def _through_jpeg(pixels: np.ndarray, quality: int) -> np.ndarray:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=quality, subsampling="4:2:0")
    stream.seek(0)
    return np.asarray(Image.open(stream))
