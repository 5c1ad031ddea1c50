"""Compare an attack that is crafted in TF32 with float32, on the canary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from benchmark.checks.canary import canary_content
from benchmark.checks.precision_agreement import AGREEMENT_VERSION, agreement_on_canary
from benchmark.data.layout import Split
from benchmark.runner.cell_context import CellContext
from benchmark.runner.cells.canary import CANARY_PASSES
from benchmark.runner.cells.cell import Cell
from benchmark.runner.cells.content import attack_content
from benchmark.runner.cells.work import Write
from benchmark.runner.choice import ChosenAttack
from benchmark.runner.estimate import Estimator
from benchmark.runner.protocol import PROTOCOL_VERSION


@dataclass(frozen=True, kw_only=True)
class CanaryPrecisionCell(Cell):
    """Compare an attack that is crafted in TF32 with float32, on the canary.

    Attributes:
        attack: The attack.
    """

    kind: ClassVar[str] = "canary-precision"
    reads: ClassVar[tuple[Split, ...]] = ()

    attack: ChosenAttack

    @classmethod
    def build(cls, attack: ChosenAttack) -> Self:
        """Build the cell; it is the same for all defenses."""
        content: dict[str, object] = {
            "kind": cls.kind,
            "version": PROTOCOL_VERSION,
            "agreement": AGREEMENT_VERSION,
            "attack": attack_content(attack),
            "canary": canary_content(),
        }
        return cls(
            defense="canary",
            seed=0,
            dataset="canary",
            content=content,
            plugins=(attack.plugin,),
            attack=attack,
        )

    @property
    def title(self) -> str:
        """The attack that is tried."""
        return f"precision of {self.attack.name}"

    @property
    def label(self) -> str:
        """What the user sees of the cell."""
        return f"canary · {self.title}"

    def _compute(self, context: CellContext, title: str) -> Write:
        agreement = agreement_on_canary(
            self.attack.plugin,
            self.attack.config,
            policy=context.policy,
            work_dir=context.work_dir(self),
            progress=context.progress,
            title=title,
        )
        return lambda _: agreement.as_json()

    def passes(self, costs: Estimator) -> float:
        """Return twice what the canary costs."""
        return 2 * CANARY_PASSES
