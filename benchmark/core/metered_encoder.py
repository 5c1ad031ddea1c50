"""An encoder whose passes are counted."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from benchmark.core.encoder import embed_unjudged, not_finite
from benchmark.core.late_checks import LateChecks


class MeteredEncoder(nn.Module):
    """Counts every image that goes forward and backward through an encoder.

    Args:
        encoder: Maps images to embeddings.
        owner: Name of the defense, for error messages.
        checks: Judges whether embeddings are finite; by default at once.
        copied: Whether the encoder is given copies of the images, on which it may write.
        autocast: Precision of the encoder's own operations; None: as they are.
    """

    def __init__(
        self,
        encoder: nn.Module,
        owner: str,
        checks: LateChecks | None = None,
        autocast: torch.dtype | None = None,
        copied: bool = True,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.owner = owner
        self.forwards = 0
        self.backwards = 0
        self._checks = checks or LateChecks()
        self._autocast, self._copied = autocast, copied
        self._finite: list[Tensor] = []

    def forward(self, images: Tensor) -> Tensor:
        """Embed (B, 3, H, W) images into (B, D); check shape and finiteness.

        An encoder that autograd cannot go through gives the gradient 0: attacks that follow it
        run, get nowhere, and are flagged for it.
        """
        self.forwards += len(images)
        embeddings = self._embedded(images)
        self._finite.append(torch.isfinite(embeddings.detach()).all())
        if self._checks.at_once:
            self.judge()
        if torch.is_grad_enabled() and images.requires_grad and not embeddings.requires_grad:
            embeddings = embeddings + 0 * images.flatten(1).sum(1, keepdim=True)
        if embeddings.requires_grad:
            embeddings.register_hook(self._count_backward)  # type: ignore[no-untyped-call]
        return embeddings

    def judge(self) -> None:
        """Hand in whether all embeddings since the last call were finite, as one check.

        Raises:
            PluginError: They were not, and the checks look at once.
        """
        if self._finite:
            finite, self._finite = torch.stack(self._finite), []
            self._checks.add(finite.all()[None], self._judge)

    def _embedded(self, images: Tensor) -> Tensor:
        if self._autocast is None:
            return embed_unjudged(self.encoder, images, self.owner, copied=self._copied)
        with torch.autocast(images.device.type, dtype=self._autocast):
            found = embed_unjudged(self.encoder, images, self.owner, copied=self._copied)
            return found.float()

    def _judge(self, finite: list[float]) -> None:
        if not all(finite):
            raise not_finite(self.owner)

    def _count_backward(self, gradient: Tensor) -> None:
        self.backwards += len(gradient)
