"""Let an attack show its strength on the stored undefended encoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from benchmark.checks.canary import canary_content, try_on_canary
from benchmark.data.layout import Split
from benchmark.runner.cell_context import CellContext
from benchmark.runner.cells.cell import Cell
from benchmark.runner.cells.content import attack_content
from benchmark.runner.cells.work import Write
from benchmark.runner.choice import ChosenAttack
from benchmark.runner.estimate import Estimator
from benchmark.runner.protocol import PROTOCOL_VERSION

CANARY_PASSES = 300
"""Images that go forward and backward, counted for an encoder that is larger than the canary."""


@dataclass(frozen=True, kw_only=True)
class CanaryCell(Cell):
    """Let an attack show its strength on the stored undefended encoder.

    Its images are stored with the code, so that it reads no data set.

    Attributes:
        attack: The attack.
    """

    kind: ClassVar[str] = "canary"
    reads: ClassVar[tuple[Split, ...]] = ()

    attack: ChosenAttack

    @classmethod
    def build(cls, attack: ChosenAttack) -> Self:
        """Build the cell; it is the same for all defenses."""
        content: dict[str, object] = {
            "kind": cls.kind,
            "version": PROTOCOL_VERSION,
            "attack": attack_content(attack),
            "canary": canary_content(),
        }
        return cls(
            defense=cls.kind,
            seed=0,
            dataset=cls.kind,
            content=content,
            plugins=(attack.plugin,),
            attack=attack,
        )

    @property
    def title(self) -> str:
        """The attack that is tried."""
        return self.attack.name

    @property
    def label(self) -> str:
        """What the user sees of the cell."""
        return f"canary · {self.title}"

    def _compute(self, context: CellContext, title: str) -> Write:
        figures = try_on_canary(
            self.attack.plugin,
            self.attack.config,
            policy=context.policy,
            work_dir=context.work_dir(self),
            progress=context.progress,
            title=title,
        )
        return lambda _: figures

    def passes(self, costs: Estimator) -> float:
        """Return a constant: the canary is always the same."""
        return CANARY_PASSES
