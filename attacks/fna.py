"""FNA: the furthest-negative attack pushes from the own identity and pulls to a far one.

Bouniot, Audigier, Loesch (CVPRW 2020):

    J(x') = sum over p in P(x) of ||E(x') - E(p)||^2 - ||E(x') - c_far||^2

P(x) are the query images of the same identity, the image itself included, padded with the image
itself up to the largest number of queries of an identity, so push : pull = N_max : 1 for all.
Where the queries show no other identity there is nothing to pull to.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from benchmark.core.attack_batch import AttackBatch
from benchmark.core.guides import Guides
from benchmark.core.iterated_attack import IteratedAttack, IteratedConfig, Steps
from benchmark.core.plugin import Card


@dataclass(frozen=True)
class _FarNegative:
    push_mean: Tensor
    push_count: int
    negative: Tensor
    pull: Tensor


class FNA(IteratedAttack):
    """FNA: away from all queries of the same identity, toward the furthest other identity."""

    card: ClassVar[Card] = Card(
        title="Furthest-negative attack",
        paper="Bouniot et al., CVPRW 2020",
        references=("bouniot2020",),
        notes="On unit embeddings; guides are the query set's as published.",
    )

    class Config(IteratedConfig):
        """Options."""

        steps: Steps | None = 16
        guides: Literal["query", "gallery"] = "query"
        """Whose clean embeddings guide."""

    config: Config

    def begin(self, batch: AttackBatch) -> _FarNegative:
        """Choose the guides of each image and pad the push to one length."""
        unit = self.config.unit
        guides = batch.query_guides if self.config.guides == "query" else batch.gallery_guides
        clean = self.vectors(batch.clean)
        mask = guides.positive_mask(batch.pids)
        longest = _largest_identity(guides)
        weights = mask.to(clean.dtype)
        padding = longest - weights.sum(1, keepdim=True)
        push = (weights @ guides.vectors(unit) + padding * clean) / longest
        negative, _ = guides.farthest_negative(clean, batch.pids, unit)
        pull = guides.has_other(batch.pids).to(clean.dtype)
        return _FarNegative(push, longest, negative, pull)

    def objective(self, vectors: Tensor, state: object) -> Tensor:
        """Return push minus pull, up to a constant; (B,)."""
        assert isinstance(state, _FarNegative)
        push = (vectors - state.push_mean).square().sum(1)
        return state.push_count * push - state.pull * (vectors - state.negative).square().sum(1)


def _largest_identity(guides: Guides) -> int:
    _, counts = torch.unique(guides.pids[guides.people], return_counts=True)
    return max(counts.tolist(), default=1)
