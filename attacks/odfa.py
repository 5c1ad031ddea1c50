"""ODFA: drive the feature to the opposite of its clean direction.

Zheng et al., "U-turn: Crafting Adversarial Queries with Opposite-Direction Features" (IJCV 2022,
arXiv 1809.02681). On unit features the gradient is exactly zero at the clean image and the optimum
is that of SMA; the raw form, which is distinct, is the default:

    J(x') = -||E(x') + E(x)||^2
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import model_validator
from torch import Tensor

from benchmark.core.iterated_attack import IteratedAttack, IteratedConfig, Steps
from benchmark.core.plugin import Card
from benchmark.core.threat import Intent


class ODFA(IteratedAttack):
    """ODFA: minimise the distance to the negated clean embedding."""

    card: ClassVar[Card] = Card(
        title="Opposite-direction feature attack",
        paper="Zheng et al., IJCV 2022",
        references=("zheng2022",),
        notes="Raw embeddings; 16 steps instead of the paper's rule (10 at 8/255): chosen.",
    )
    intents: ClassVar[frozenset[Intent]] = frozenset({"dodge"})

    class Config(IteratedConfig):
        """Options."""

        steps: Steps | None = 16
        unit: bool = False

        @model_validator(mode="after")
        def _needs_a_start(self) -> ODFA.Config:
            if self.unit and not self.start:
                raise ValueError("on unit embeddings the gradient is zero without a random start")
            return self

    def objective(self, vectors: Tensor, state: object) -> Tensor:
        """Return minus the squared norm of the sum with the clean vector; (B,)."""
        assert isinstance(state, Tensor)
        return -(vectors + state).square().sum(1)
