"""The one attack, at one budget, of experiments that look at its images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from benchmark.core.errors import UsageError
from benchmark.experiments.context import ExperimentContext
from benchmark.runner.cells.content import attack_content
from benchmark.runner.choice import ChosenAttack


@dataclass(frozen=True)
class SingleAttack:
    """An attack with its budget.

    Attributes:
        attack: The attack.
        eps_255: Radius in 1/255 units.
    """

    attack: ChosenAttack
    eps_255: float

    @classmethod
    def of(cls, context: ExperimentContext) -> SingleAttack:
        """Return the only attack that was chosen.

        Raises:
            UsageError: There are more, or several budgets.
        """
        if len(context.attacks) != 1 or len(context.config.eps) != 1:
            raise UsageError(
                "this experiment looks at one attack", "give a single --attack and --eps"
            )
        return cls(context.attacks[0], context.config.eps[0])

    @property
    def key(self) -> str:
        """Its name in records, such as ``fna@8``."""
        return f"{self.attack.name}@{self.eps_255:g}"

    def inputs(self, context: ExperimentContext) -> dict[str, Any]:
        """Return what shapes its images on the test split, for `ExperimentContext.kept`."""
        config = context.config
        return {
            "attack": attack_content(self.attack),
            "eps_255": self.eps_255,
            "attack_seed": config.attack_seed[0],
            "eot_samples": config.evaluation.eot_samples,
            "dataset": [config.dataset, context.datasets.dataset(config.dataset).manifest_sha256()],
        }
