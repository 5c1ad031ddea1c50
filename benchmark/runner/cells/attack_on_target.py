"""What cells have in common that attack a target: what shapes the images, and what they cost."""

from __future__ import annotations

from abc import ABC
from dataclasses import dataclass
from typing import Any, Self

from benchmark.config.schema import RunConfig
from benchmark.core.attack import Attack
from benchmark.runner.cell_context import CellContext
from benchmark.runner.cells.cell import Cell
from benchmark.runner.cells.clean import CleanCell
from benchmark.runner.cells.content import attack_content, draws_content
from benchmark.runner.cells.prepare import PrepareCell
from benchmark.runner.choice import ChosenAttack
from benchmark.runner.estimate import Estimator
from benchmark.runner.protocol import PROTOCOL_VERSION


@dataclass(frozen=True, kw_only=True)
class AttackOnTarget(Cell, ABC):
    """Attack images of a data set before a target.

    Attributes:
        clean: The clean ranking of the target.
        surrogates: Clean rankings of what the attacker sees instead of the target.
        prepared: The preparation of the attack, if it needs one.
        attack: The attack.
        eps_255: Its budget in 1/255 units.
    """

    clean: CleanCell
    surrogates: tuple[CleanCell, ...]
    prepared: PrepareCell | None
    attack: ChosenAttack
    eps_255: float

    @classmethod
    def on(
        cls,
        clean: CleanCell,
        attack: ChosenAttack,
        eps_255: float,
        attack_seed: int,
        config: RunConfig,
        *,
        surrogates: tuple[CleanCell, ...],
        prepared: PrepareCell | None,
        content: dict[str, object],
        beside: tuple[Cell, ...],
        **fields: Any,
    ) -> Self:
        """Build the cell.

        Args:
            clean: As the attributes, and so the other unnamed ones.
            attack: The attack.
            eps_255: Its budget in 1/255 units.
            attack_seed: Seed of what it draws.
            config: The configuration.
            surrogates: What the attacker sees instead.
            prepared: The preparation.
            content: What further shapes the result.
            beside: Further cells that must be finished first.
            fields: Attributes of the kind's own.
        """
        whole: dict[str, object] = {
            "kind": cls.kind,
            "version": PROTOCOL_VERSION,
            "clean": clean.fingerprint,
            "attack": attack_content(attack),
            "eps_255": eps_255,
            "attack_seed": attack_seed,
            **draws_content(clean.train.plugin, config.evaluation),
            **content,
        }
        if surrogates:
            whole["surrogates"] = [cell.fingerprint for cell in surrogates]
        if prepared is not None:
            whole["prepared"] = prepared.fingerprint
        if not config.scenario.is_default:
            whole["scenario"] = config.scenario.model_dump(mode="json")
        trained = () if prepared is None else (prepared,)
        return cls(
            defense=clean.defense,
            seed=clean.seed,
            dataset=clean.dataset,
            content=whole,
            parents=(clean.train, clean, *surrogates, *trained, *beside),
            plugins=(attack.plugin, *clean.plugins),
            clean=clean,
            surrogates=surrogates,
            prepared=prepared,
            attack=attack,
            eps_255=eps_255,
            **fields,
        )

    def ready_attack(self, context: CellContext) -> Attack:
        """Return the attack with what it prepared."""
        attack = self.attack.at(self.eps_255, self.defense)
        if self.prepared is not None:
            attack.prepared = self.prepared.load(context)
        return attack

    def passes_of(self, images: int, costs: Estimator) -> float:
        """Return what the attack expects of so many images, by the draws of a random encoder."""
        target = self.clean.train.plugin
        draws = target.adaptive.random and self.attack.threat.knowledge == "white"
        samples = costs.config.evaluation.eot_samples if draws else 1
        passes = self.attack.at(self.eps_255).expected_passes()
        return passes * images * samples * costs.slowdown(target)
