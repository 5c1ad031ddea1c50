"""Embeddings of a whole image set, in eval mode and float32."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from benchmark.core.batches import Batches, sized_to_memory
from benchmark.core.device import DevicePolicy
from benchmark.core.device_memory import memory_of
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
    adjusts: bool = False,
    bar: Bar = SILENT_BAR,
) -> Tensor:
    """Return (N, D) float32 embeddings on the CPU.

    Args:
        encoder: Maps images to embeddings.
        images: What to embed.
        policy: Where to run.
        batch: Images at a time.
        owner: Name of the defense, for error messages.
        adjusts: Whether memory may change the batch; see `Batches`.
        bar: Advanced by the number of finished images.

    Raises:
        PluginError: The encoder raises, or returns a wrong shape, NaN or infinities.
    """
    device = policy.device

    def embedded(rows: slice) -> Tensor:
        return embed(encoder, images.tensor(rows).to(device), owner)

    embeddings = torch.empty(0)

    def keep(rows: slice) -> None:
        nonlocal embeddings
        found = embedded(rows)
        # Kept batch by batch, results would lie between freed batches of pixels, and malloc
        # would find no room to use again: it grew by the size of all images.
        if rows.start == 0:
            embeddings = torch.empty(len(images), found.shape[1])
        embeddings[rows] = found
        bar.advance(len(found))

    with evaluating(encoder):
        if adjusts:
            trial, memory = (lambda count: embedded(slice(0, count))), memory_of(device)
            batch = sized_to_memory(batch, len(images), trial, memory)
        Batches(len(images), batch, adjusts=adjusts, device=device, owner=owner).run(keep)
    return embeddings
