"""Colour table: recolour a query by a smooth function of its colours alone.

Functional attacks of Laidlaw and Feizi (NeurIPS 2019), in the form of Yang et al. (TPAMI 2022):
a table T gives a new colour to each node v of a lattice over RGB, colours between nodes are
interpolated trilinearly,

    c(x) = sum over 8 corners v of w_v(x) T(v),   |T(v) - v| <= eps,   0 <= T(v) <= 1

and T climbs the objective of metric I-FGSM. The weights w_v(x) are not negative, sum to 1 and
reproduce the colour itself, sum_v w_v(x) v = x; hence |c(x) - x| = |sum_v w_v(x) (T(v) - v)| <=
eps, and c(x) is in [0, 1].
"""

from __future__ import annotations

from dataclasses import dataclass
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
        notes="Without the additive part of the published forms, one table for each image; not "
        "comparable to attacks that change each pixel on its own.",
    )

    class Config(IteratedConfig):
        """Options."""

        steps: Steps | None = 32
        nodes: int = Field(default=25, ge=2)
        """Nodes of the table along each colour."""

    config: Config

    def perturb(self, encoder: nn.Module, batch: AttackBatch) -> Tensor:
        """Climb on the nodes and return the recoloured images."""
        if self.eps_255 == 0:
            return batch.images
        pixels = Trilinear(batch.images, self.config.nodes)
        seen = _Recoloured(encoder, pixels)
        origin, bounds = pixels.identity(self.eps)
        table = self.ascend(seen, origin, bounds, batch)
        return self.project(pixels.recoloured(table), batch.images)  # against rounding alone


class _Recoloured(nn.Module):
    """Embeds tables instead of images."""

    def __init__(self, encoder: nn.Module, pixels: Trilinear) -> None:
        super().__init__()
        self.encoder, self.pixels = encoder, pixels

    def forward(self, tables: Tensor) -> Tensor:
        embeddings: Tensor = self.encoder(self.pixels.recoloured(tables))
        return embeddings
