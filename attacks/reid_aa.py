"""ReID-AA: a parameter-free ensemble of complementary attacks, the worst of them for each image.

AutoAttack's idea (Croce & Hein, ICML 2020) for retrieval: what counts is not a wrong class but the
average precision (AP) of the query against the known gallery, measured on the image rounded to
8 bits. Each next member runs only on queries that are not broken yet. A query is broken when its
AP is within a tenth of the lowest possible one, all matches in the last places, so that leaving
it alone can cost the attacker no more than that.
"""

from __future__ import annotations

from typing import ClassVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmark.core.attack import Attack
from benchmark.core.attack_batch import AttackBatch
from benchmark.core.legal_images import round_to_8_bits
from benchmark.core.plugin import Card, Plugin
from benchmark.core.registry import ATTACKS
from benchmark.core.threat import Intent
from benchmark.metrics.ranking import rank_queries

MEMBERS: tuple[tuple[str, dict[str, object]], ...] = (
    ("soft-ap", {"steps": 20}),
    ("apgd-snn", {"steps": 16}),
    ("soft-ap", {"steps": 16, "temperature": 0.015}),
    ("metric-ifgsm", {"steps": 12}),
    ("apgd-fna", {"steps": 12}),
)
"""Names and options, the strongest first."""

BROKEN = 1.1
"""An image is broken when its AP is at most this multiple of the lowest possible one."""


class ReIDAutoAttack(Attack):
    """ReID-AA: a fixed ensemble; for each query the member that leaves the lowest AP counts."""

    card: ClassVar[Card] = Card(
        title="ReID-AutoAttack",
        paper="After Croce & Hein, AutoAttack, ICML 2020",
        references=("croce2020",),
        notes="Members, steps and order chosen by measurement: docs/attacks.md.",
    )
    intents: ClassVar[frozenset[Intent]] = frozenset({"dodge", "impersonate", "rank-down"})

    @classmethod
    def parts(cls) -> tuple[type[Plugin], ...]:
        """Return its members."""
        return tuple(ATTACKS.get(name) for name in dict.fromkeys(name for name, _ in MEMBERS))

    def expected_passes(self) -> float:
        """Return what all members take together, as if no query broke early."""
        return sum(self._member(name, options).expected_passes() for name, options in MEMBERS)

    def perturb(self, encoder: nn.Module, batch: AttackBatch) -> Tensor:
        """Run the members in turn and keep the worst image of each query."""
        if self.eps_255 == 0:
            return batch.images
        images, goal = batch.images.clone(), self._goal(encoder, batch, batch.images)
        floor = _lowest_ap(batch)
        for name, options in MEMBERS:
            open_ = torch.from_numpy((goal > BROKEN * floor) if batch.direction > 0 else goal > -1)
            if not bool(open_.any()):
                break
            part = batch.rows(open_.to(images.device))
            found = self._member(name, options).perturb(encoder, part)
            reached = self._goal(encoder, part, found)
            rows = torch.nonzero(open_).flatten().numpy()
            better = reached <= goal[rows]
            goal[rows[better]] = reached[better]
            images[torch.from_numpy(rows[better]).to(images.device)] = found.detach()[
                torch.from_numpy(better).to(images.device)
            ]
        return images

    def _member(self, name: str, options: dict[str, object]) -> Attack:
        plugin = cast(type[Attack], ATTACKS.get(name))
        return plugin(plugin.parse_config(options), self.eps_255, self.owner)

    @torch.no_grad()
    def _goal(self, encoder: nn.Module, batch: AttackBatch, images: Tensor) -> NDArray[np.float64]:
        """Return (B,) what to minimise: AP, or minus AP where it is to be raised."""
        embeddings = encoder(round_to_8_bits(images, batch.images, self.eps_255))
        gallery = batch.gallery_guides
        ap = rank_queries(
            embeddings.float().cpu(),
            batch.pids.cpu(),
            batch.camids.cpu(),
            gallery.embeddings.float().cpu(),
            gallery.pids.cpu(),
            gallery.camids.cpu(),
            gallery_junk=gallery.junk.cpu(),
            gallery_distractor=gallery.distractor.cpu(),
        ).ap
        return batch.direction * np.nan_to_num(ap)


def _lowest_ap(batch: AttackBatch) -> NDArray[np.float64]:
    """Return (B,) AP with all matches in the last places; 0 for a query without a match."""
    gallery = batch.gallery_guides
    matches = gallery.positive_mask(batch.pids, batch.camids).sum(1).cpu().numpy()
    same = gallery.positive_mask(batch.pids).sum(1).cpu().numpy()
    ranked = int((~gallery.junk).sum()) - (same - matches)
    lowest = np.zeros(len(matches))
    for row, (hits, length) in enumerate(zip(matches, ranked, strict=True)):
        if hits:
            places = np.arange(1, hits + 1)
            lowest[row] = (places / (length - hits + places)).mean()
    return lowest
