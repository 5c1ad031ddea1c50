"""Embeddings of a whole image set, in eval mode and float32."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from benchmark.core.device import DevicePolicy
from benchmark.core.encoder import embed, evaluating
from benchmark.core.image_set import ImageSet
from benchmark.core.progress import SILENT_BAR, Bar


@torch.no_grad()
def embed_images(
    encoder: nn.Module,
    images: ImageSet,
    *,
    policy: DevicePolicy,
    batch: int,
    owner: str,
    bar: Bar = SILENT_BAR,
) -> Tensor:
    """Return (N, D) float32 embeddings on the CPU.

    Args:
        encoder: Maps images to embeddings.
        images: What to embed.
        policy: Where to run.
        batch: Images at a time.
        owner: Name of the defense, for error messages.
        bar: Advanced by the number of finished images.

    Raises:
        PluginError: The encoder raises, or returns a wrong shape, NaN or infinities.
    """
    with evaluating(encoder):
        embeddings = torch.empty(0)
        for start in range(0, len(images), batch):
            pixels = images.tensor(slice(start, start + batch)).to(policy.device)
            found = embed(encoder, pixels, owner)
            # Kept batch by batch, results would lie between freed batches of pixels, and malloc
            # would find no room to use again: it grew by the size of all images.
            if start == 0:
                embeddings = torch.empty(len(images), found.shape[1])
            embeddings[start : start + len(found)] = found
            bar.advance(len(pixels))
    return embeddings
