"""Metric PGD: away from the same identity, toward the farthest other one, from a random start.

    J(x') = mean over p in P(x) of d^2(e(x'), e(p)) - weight * d^2(e(x'), c_far)

c_far is the centroid, among other identities, that is farthest from the clean embedding; it is
chosen once; where there is no other identity, nothing pulls. This is the generic inner maximiser of
metric adversarial training. Its published form (Zhou et al., AAAI 2026, arXiv 2511.09933) was not
recovered; this one is chosen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from benchmark.core.attack_batch import AttackBatch
from benchmark.core.guides import mean_positive
from benchmark.core.iterated_attack import BudgetShare, IteratedAttack, IteratedConfig, Steps
from benchmark.core.plugin import Card


@dataclass(frozen=True)
class _PushPull:
    positive: Tensor
    negative: Tensor
    pull: Tensor


class MetricPGD(IteratedAttack):
    """Metric PGD: push from the true matches, pull to the farthest identity, random start."""

    card: ClassVar[Card] = Card(
        title="Metric PGD",
        paper="Madry et al., ICLR 2018, on the metric loss of Zhou et al., AAAI 2026",
        references=("madry2018", "zhou2026"),
        notes="Push and pull weigh the same; 20 steps of eps/4: chosen.",
    )

    class Config(IteratedConfig):
        """Options."""

        steps: Steps | None = 20
        start: BudgetShare = 1.0
        pull: float = 1.0
        """Weight of the pull toward the farthest identity."""

    config: Config
    step_share: ClassVar[float] = 1 / 4

    def begin(self, batch: AttackBatch) -> _PushPull:
        """Choose the guides of each image, on clean embeddings."""
        unit, guides = self.config.unit, batch.gallery_guides
        clean = self.vectors(batch.clean)
        mask = guides.positive_mask(batch.pids, batch.camids, batch.gallery_rows)
        negative, _ = guides.farthest_negative(clean, batch.pids, unit)
        pull = guides.has_other(batch.pids).to(clean.dtype)
        return _PushPull(mean_positive(guides, mask, clean, unit), negative, pull)

    def objective(self, vectors: Tensor, state: object) -> Tensor:
        """Return push minus pull, up to a constant; (B,)."""
        assert isinstance(state, _PushPull)
        push = (vectors - state.positive).square().sum(1)
        pull = state.pull * (vectors - state.negative).square().sum(1)
        return push - self.config.pull * pull
