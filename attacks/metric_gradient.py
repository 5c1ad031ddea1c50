"""Metric FGSM, I-FGSM and MI-FGSM: push a query away from its true matches.

Bai et al., "Adversarial Metric Attack and Defense for Person Re-identification" (TPAMI 2020,
arXiv 1901.10650), mirrored to the query side as in Bouniot et al. (CVPRW 2020):

    J(x') = mean over p in P(x) of d^2(f(x'), f(p))

P(x) are the gallery images of the same identity that ranking counts: other cameras only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from benchmark.core.attack_batch import AttackBatch
from benchmark.core.guides import mean_positive
from benchmark.core.iterated_attack import IteratedAttack, IteratedConfig, Momentum, Steps
from benchmark.core.plugin import Card

_PAPER = "Bai et al., Adversarial Metric Attack and Defense for Person Re-ID, TPAMI 2020"


@dataclass(frozen=True)
class _Push:
    mean_positive: Tensor
    """(B, D) mean of the guides; the gradient of the mean distance needs no more than that."""


class MetricIFGSM(IteratedAttack):
    """Metric I-FGSM: sign steps away from the gallery images of the same identity."""

    card: ClassVar[Card] = Card(
        title="Metric I-FGSM",
        paper=_PAPER,
        references=("bai2020",),
        notes="Multi-guide form on the query side; 16 steps of 1/255 at 8/255.",
    )

    def default_steps(self) -> int:
        """Return 16, the number used in the evaluation of DDID."""
        return 16

    def begin(self, batch: AttackBatch) -> _Push:
        """Return the mean positive guide of each image; its own embedding if it has none."""
        unit, guides = self.config.unit, batch.gallery_guides
        mask = guides.positive_mask(batch.pids, batch.camids, batch.gallery_rows)
        return _Push(mean_positive(guides, mask, self.vectors(batch.clean), unit))

    def objective(self, vectors: Tensor, state: object) -> Tensor:
        """Return the squared distance to the guides, up to a constant; (B,)."""
        assert isinstance(state, _Push)
        return (vectors - state.mean_positive).square().sum(1)


class MetricFGSM(MetricIFGSM):
    """Metric FGSM: one sign step of the whole budget away from the true matches."""

    card: ClassVar[Card] = Card(title="Metric FGSM", paper=_PAPER, references=("bai2020",))
    step_share: ClassVar[float] = 1.0
    """A single step reaches the border of the ball."""

    class Config(IteratedConfig):
        """Options."""

        steps: Steps | None = 1
        best_iterate: bool = False

    @classmethod
    def inner_options(cls, steps: int, alpha_255: float) -> dict[str, object]:
        """Return nothing: it is a single step inside a training, too."""
        return {}


class MetricMIFGSM(MetricIFGSM):
    """Metric MI-FGSM: I-FGSM with momentum 1 on gradients divided by their mean magnitude."""

    card: ClassVar[Card] = Card(
        title="Metric MI-FGSM", paper=_PAPER, references=("bai2020", "dong2018")
    )

    class Config(IteratedConfig):
        """Options."""

        steps: Steps | None = 16
        momentum: Momentum = 1.0
