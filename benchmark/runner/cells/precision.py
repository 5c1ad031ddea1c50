"""Compare an attack on an encoder that is crafted in TF32 with float32, and choose."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import ClassVar, Self

from benchmark.checks.precision_agreement import (
    AGREEMENT_VERSION,
    Agreement,
    agreement_on_queries,
)
from benchmark.checks.probe import QUERIES, probed_rows
from benchmark.config.schema import RunConfig
from benchmark.core.crafting_precision import CraftingPrecision
from benchmark.runner.cell_context import CellContext
from benchmark.runner.cells.attack_on_target import AttackOnTarget
from benchmark.runner.cells.canary_precision import CanaryPrecisionCell
from benchmark.runner.cells.clean import CleanCell
from benchmark.runner.cells.prepare import PrepareCell
from benchmark.runner.cells.work import Write
from benchmark.runner.choice import ChosenAttack
from benchmark.runner.estimate import Estimator
from benchmark.runner.store import CellStore

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class PrecisionCell(AttackOnTarget):
    """Compare an attack on an encoder that is crafted in TF32 with float32, and choose.

    Attributes:
        canary: The same comparison on the canary.
    """

    kind: ClassVar[str] = "precision"

    canary: CanaryPrecisionCell

    @classmethod
    def build(
        cls,
        clean: CleanCell,
        attack: ChosenAttack,
        eps_255: float,
        config: RunConfig,
        *,
        surrogates: tuple[CleanCell, ...] = (),
        prepared: PrepareCell | None = None,
    ) -> Self:
        """Build the cell; the first attack seed is compared, and decides for all."""
        canary = CanaryPrecisionCell.build(attack)
        return cls.on(
            clean,
            attack,
            eps_255,
            config.attack_seed[0],
            config,
            surrogates=surrogates,
            prepared=prepared,
            content={"agreement": AGREEMENT_VERSION, "canary": canary.fingerprint},
            beside=(canary,),
            canary=canary,
        )

    @property
    def title(self) -> str:
        """What the cell does, without the defense."""
        return f"precision of {self.attack.name} {self.eps_255:g}/255 {self.dataset}"

    def _compute(self, context: CellContext, title: str) -> Write:
        scenario, whole = context.config.scenario, self.clean.evaluator(context)
        rows = probed_rows(whole.query, whole.clean.ranking)
        attack, few = self.ready_attack(context), whole.subset(rows)
        with context.progress.task(title, 2 * few.images_under(scenario)) as bar:
            here = agreement_on_queries(
                few,
                attack,
                self.attack_seed,
                bar,
                surrogates=[one.surrogate(context).subset(rows) for one in self.surrogates],
                scenario=scenario,
            )
        canary = Agreement(**context.store.get(self.canary.fingerprint).outcome)
        wrong = canary.complaint("the canary") or here.complaint(f"{len(rows)} queries")
        if wrong is not None:
            logger.warning("%s: it crafts in float32: %s", self.label, wrong)
        return lambda _: {
            "precision": "tf32" if wrong is None else "float32",
            "canary": canary.as_json(),
            "encoder": here.as_json(),
            "reason": wrong,
        }

    def chosen(self, store: CellStore) -> CraftingPrecision:
        """Return the precision in which the attack crafts; the cell must be finished."""
        agrees = store.get(self.fingerprint).outcome["precision"] == "tf32"
        return "tf32" if agrees else "float32"

    def passes(self, costs: Estimator) -> float:
        """Return what the attack expects of the probed queries, twice."""
        return self.passes_of(2 * min(QUERIES, costs.images(self.dataset, "query")), costs)
