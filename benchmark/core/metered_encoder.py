"""An encoder whose passes are counted."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from benchmark.core.encoder import embed


class MeteredEncoder(nn.Module):
    """Counts every image that goes forward and backward through an encoder."""

    def __init__(self, encoder: nn.Module, owner: str) -> None:
        super().__init__()
        self.encoder = encoder
        self.owner = owner
        self.forwards = 0
        self.backwards = 0

    def forward(self, images: Tensor) -> Tensor:
        """Embed (B, 3, H, W) images into (B, D); check shape and finiteness.

        An encoder that autograd cannot go through gives the gradient 0: attacks that follow it
        run, get nowhere, and are flagged for it.
        """
        self.forwards += len(images)
        embeddings = embed(self.encoder, images, self.owner)
        if torch.is_grad_enabled() and images.requires_grad and not embeddings.requires_grad:
            embeddings = embeddings + 0 * images.flatten(1).sum(1, keepdim=True)
        if embeddings.requires_grad:
            embeddings.register_hook(self._count_backward)  # type: ignore[no-untyped-call]
        return embeddings

    def _count_backward(self, gradient: Tensor) -> None:
        self.backwards += len(gradient)
