"""SMA: the self metric attack needs neither labels nor guides.

Bouniot, Audigier, Loesch, "Vulnerability of Person Re-Identification Models to Metric Adversarial
Attacks" (CVPRW 2020):

    J(x') = ||E(x') - E(x)||^2

The gradient vanishes at x' = x, so a random start is mandatory.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field
from torch import Tensor

from benchmark.core.iterated_attack import IteratedAttack, IteratedConfig, Steps
from benchmark.core.plugin import Card
from benchmark.core.threat import Intent


class SMA(IteratedAttack):
    """SMA: push a query away from its own clean embedding, from a random start."""

    card: ClassVar[Card] = Card(
        title="Self metric attack",
        paper="Bouniot et al., CVPRW 2020",
        references=("bouniot2020",),
        notes="On unit embeddings, the metric that ranks; the paper's raw form is unit=false.",
    )
    intents: ClassVar[frozenset[Intent]] = frozenset({"dodge"})

    class Config(IteratedConfig):
        """Options."""

        steps: Steps | None = 16
        start: float = Field(default=1.0, gt=0, le=1)

    def objective(self, vectors: Tensor, state: object) -> Tensor:
        """Return the squared distance to the clean vector; (B,)."""
        assert isinstance(state, Tensor)
        return (vectors - state).square().sum(1)
