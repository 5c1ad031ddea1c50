"""Colour table: recolour a query by a function of its colours alone.

Functional attacks of Laidlaw and Feizi (NeurIPS 2019), with the table of Yang et al. (TPAMI 2022):
a table T gives a colour to each node v of a lattice over RGB, and the eight nodes around a pixel's
colour x are interpolated trilinearly:

    c(x) = sum over v of w_v(x) T(v),   |T(v) - v| <= eps,   0 <= T(v) <= 1

The weights are not negative, sum to 1 and reproduce the colour itself, sum over v of w_v(x) v = x.
Hence |c(x) - x| = |sum over v of w_v(x) (T(v) - v)| <= eps, and c(x) is in [0, 1].
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from attacks.metric_gradient import MetricIFGSM
from benchmark.core.attack import AttackBatch
from benchmark.core.iterated_attack import IteratedConfig, Steps
from benchmark.core.plugin import Card
from benchmark.core.threat import ThreatModel


class ColorLUT(MetricIFGSM):
    """Colour table: away from the true matches by one recolouring of the whole query."""

    threat: ClassVar[ThreatModel] = ThreatModel(norm="color-lut")
    card: ClassVar[Card] = Card(
        title="Colour look-up table",
        paper="Laidlaw & Feizi, NeurIPS 2019, arXiv 1906.00001; table of Yang et al., TPAMI 2022",
        notes="One table for each image, without the additive part of the published forms; not "
        "comparable to attacks that change each pixel on its own. Chosen: the objective of metric "
        "I-FGSM and 32 sign steps of eps/4 on the nodes, at least as strong as Adam.",
    )

    class Config(IteratedConfig):
        """Options."""

        steps: Steps | None = 32
        nodes: int = Field(default=25, ge=2)
        """Nodes of the table along each colour."""

    config: Config

    def step_size(self) -> float:
        """Return a quarter of the budget."""
        return self.eps / 4

    def perturb(self, encoder: nn.Module, batch: AttackBatch) -> Tensor:
        """Attack the identity table as if it were an image, and recolour the images by it."""
        if self.eps_255 == 0:
            return batch.images
        recolour = Recolour(batch.images, self.config.nodes)
        tables = replace(batch, images=recolour.identity())
        found = super().perturb(nn.Sequential(recolour, encoder), tables)
        with torch.no_grad():
            return self.project(recolour(found), batch.images)  # against float rounding alone


class Recolour(nn.Module):
    """Maps tables (B, 3, nodes, nodes^2), by red and by green and blue, to recoloured images.

    Args:
        images: (B, 3, H, W) in [0, 1].
        nodes: Nodes along each colour.
    """

    def __init__(self, images: Tensor, nodes: int) -> None:
        super().__init__()
        self.nodes, self.shape = nodes, images.shape
        place = images.permute(0, 2, 3, 1).reshape(-1, 3) * (nodes - 1)
        below = place.floor().clamp_(0, nodes - 2)
        self.above = place - below
        own_table = torch.arange(len(images), device=images.device) * nodes**3
        strides = torch.tensor([nodes**2, nodes, 1], device=images.device)
        self.first = (below.long() * strides).sum(1) + own_table.repeat_interleave(
            len(place) // len(images)
        )

    def identity(self) -> Tensor:
        """Return the tables that change nothing."""
        levels = torch.linspace(0, 1, self.nodes, dtype=self.above.dtype, device=self.above.device)
        table = torch.stack(torch.meshgrid(levels, levels, levels, indexing="ij"))
        return table.reshape(1, 3, self.nodes, -1).repeat(self.shape[0], 1, 1, 1)

    def forward(self, tables: Tensor) -> Tensor:
        """Return (B, 3, H, W) images, differentiable in the (B, 3, nodes, nodes^2) tables."""
        colours = tables.flatten(2).transpose(1, 2).reshape(-1, 3)
        mixed = torch.zeros_like(self.above)
        for red, green, blue in product((0, 1), repeat=3):
            corner = torch.tensor([red, green, blue], device=tables.device)
            weight = torch.where(corner == 1, self.above, 1 - self.above).prod(1, keepdim=True)
            node = self.first + (red * self.nodes + green) * self.nodes + blue
            mixed = mixed + weight * colours[node]
        batch, channels, height, width = self.shape
        return mixed.reshape(batch, height, width, channels).permute(0, 3, 1, 2)
