"""LTA: the local transformation attack is guided by views with a colourless rectangle.

Gong et al., "Person Re-identification Method Based on Color Attack and Joint Defence" (CVPR
Workshops 2022, arXiv 2111.09571), at every step with a new tau for every image:

    J(x') = ||f(x') - f(tau(x))||^2

tau replaces a random rectangle of the clean image by its luminance.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from benchmark.core.attack_batch import AttackBatch
from benchmark.core.gray_patches import LUMINANCE, rectangles
from benchmark.core.iterated_attack import IteratedAttack, IteratedConfig, Momentum, Steps
from benchmark.core.plugin import Card
from benchmark.core.threat import Intent


class LTA(IteratedAttack):
    """LTA: push a query away from views of itself that lose their colour in a rectangle."""

    card: ClassVar[Card] = Card(
        title="Local transformation attack",
        paper="Gong et al., CVPR Workshops 2022, arXiv 2111.09571",
        references=("gong2022",),
        notes="Additive within eps: no image is visibly recoloured. One more forward pass a step, "
        "for the view. Published: momentum 1 and the ranges of the rectangle. Chosen: 16 steps "
        "(published: 15), BT.601 luminance, sides over those of the image are cut. An image "
        "without colour gives it no direction.",
    )
    intents: ClassVar[frozenset[Intent]] = frozenset({"dodge"})

    class Config(IteratedConfig):
        """Options."""

        steps: Steps | None = 16
        momentum: Momentum = 1.0
        best_iterate: Literal[False] = False
        """The last iterate is returned: objectives of different steps do not compare."""

    def at_step(self, step: int, state: object, encoder: nn.Module, batch: AttackBatch) -> Tensor:
        """Return the vectors of this step's views of the clean images; (B, D)."""
        inside = rectangles(self.draws(batch, step, 4), *batch.images.shape[2:])
        with torch.no_grad():
            views = torch.where(inside, luminance(batch.images), batch.images)
            return self.vectors(encoder(views))

    def objective(self, vectors: Tensor, state: object) -> Tensor:
        """Return the squared distance to the views; (B,)."""
        assert isinstance(state, Tensor)
        return (vectors - state).square().sum(1)


def luminance(images: Tensor) -> Tensor:
    """Return (B, 1, H, W) luminance of (B, 3, H, W) images."""
    weights = images.new_tensor(LUMINANCE)[:, None, None]
    return (images * weights).sum(1, keepdim=True)
