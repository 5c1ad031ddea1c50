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
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from attacks.metric_gradient import MetricIFGSM
from attacks.recolour import Recolour
from benchmark.core.attack_batch import AttackBatch
from benchmark.core.iterated_attack import IteratedConfig, Steps
from benchmark.core.plugin import Card
from benchmark.core.seeding import uniform_noise
from benchmark.core.threat import ThreatModel


class ColorLUT(MetricIFGSM):
    """Colour table: away from the true matches by one recolouring of the whole query."""

    threat: ClassVar[ThreatModel] = ThreatModel(norm="color-lut")
    card: ClassVar[Card] = Card(
        title="Colour look-up table",
        paper="Laidlaw & Feizi, NeurIPS 2019, arXiv 1906.00001; table of Yang et al., TPAMI 2022",
        references=("laidlaw2019", "yang2022"),
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
    step_share: ClassVar[float] = 1 / 4

    def start_noise(self, batch: AttackBatch) -> Tensor:
        """Return the noise at the touched nodes, drawn for all, so that no node's depends on K."""
        nodes = self.config.nodes
        noise = uniform_noise(batch.seeds, (3, nodes**3)).to(batch.images)
        red, green, blue = (batch.images[..., 0] * (nodes - 1)).round().long().unbind(1)
        number = (red * nodes + green) * nodes + blue
        return noise.gather(2, number[:, None].expand(-1, 3, -1))[..., None]

    def perturb(self, encoder: nn.Module, batch: AttackBatch) -> Tensor:
        """Attack the touched nodes as if they were an image, and recolour the images by them."""
        if self.eps_255 == 0:
            return batch.images
        recolour = Recolour(batch.images, self.config.nodes)
        tables = replace(batch, images=recolour.identity())
        found = super().perturb(nn.Sequential(recolour, encoder), tables)
        with torch.no_grad():
            return self.project(recolour(found), batch.images)  # against float rounding alone
