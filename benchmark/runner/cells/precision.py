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
from benchmark.runner.cells.attack_passes import attack_passes
from benchmark.runner.cells.canary_precision import CanaryPrecisionCell
from benchmark.runner.cells.cell import Cell
from benchmark.runner.cells.clean import CleanCell
from benchmark.runner.cells.content import attack_content, draws_content
from benchmark.runner.cells.prepare import PrepareCell
from benchmark.runner.cells.work import Write
from benchmark.runner.choice import ChosenAttack
from benchmark.runner.estimate import Estimator
from benchmark.runner.protocol import PROTOCOL_VERSION
from benchmark.runner.store import CellStore

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class PrecisionCell(Cell):
    """Compare an attack on an encoder that is crafted in TF32 with float32, and choose.

    Attributes:
        clean: The clean ranking of the target.
        surrogates: Clean rankings of what the attacker sees instead of the target.
        prepared: The preparation of the attack, if it needs one.
        canary: The same comparison on the canary.
        attack: The attack.
        eps_255: Its budget in 1/255 units.
    """

    kind: ClassVar[str] = "precision"

    clean: CleanCell
    surrogates: tuple[CleanCell, ...]
    prepared: PrepareCell | None
    canary: CanaryPrecisionCell
    attack: ChosenAttack
    eps_255: float

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
        content: dict[str, object] = {
            "kind": cls.kind,
            "version": PROTOCOL_VERSION,
            "agreement": AGREEMENT_VERSION,
            "clean": clean.fingerprint,
            "canary": canary.fingerprint,
            "attack": attack_content(attack),
            "eps_255": eps_255,
            "attack_seed": config.attack_seed[0],
            **draws_content(clean.train.plugin, config.evaluation),
        }
        if surrogates:
            content["surrogates"] = [cell.fingerprint for cell in surrogates]
        if prepared is not None:
            content["prepared"] = prepared.fingerprint
        if not config.scenario.is_default:
            content["scenario"] = config.scenario.model_dump(mode="json")
        trained = () if prepared is None else (prepared,)
        return cls(
            defense=clean.defense,
            seed=clean.seed,
            dataset=clean.dataset,
            content=content,
            parents=(clean.train, clean, *surrogates, *trained, canary),
            plugins=(attack.plugin, *clean.plugins),
            clean=clean,
            surrogates=surrogates,
            prepared=prepared,
            canary=canary,
            attack=attack,
            eps_255=eps_255,
        )

    @property
    def title(self) -> str:
        """What the cell does, without the defense."""
        return f"precision of {self.attack.name} {self.eps_255:g}/255 {self.dataset}"

    def _compute(self, context: CellContext, title: str) -> Write:
        scenario, whole = context.config.scenario, self.clean.evaluator(context)
        rows = probed_rows(whole.query, whole.clean.ranking)
        attack = self.attack.at(self.eps_255, self.defense)
        if self.prepared is not None:
            attack.prepared = self.prepared.load(context)
        few = whole.subset(rows)
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
        images = 2 * min(QUERIES, costs.images(self.dataset, "query"))
        return attack_passes(self.attack, self.eps_255, self.clean.train.plugin, images, costs)
