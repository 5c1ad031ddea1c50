"""The one attack, at one budget, of experiments on its images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from benchmark.core.errors import UsageError
from benchmark.experiments.context import ExperimentContext
from benchmark.experiments.experiment import Experiment
from benchmark.runner.choice import ChosenAttack


class SingleAttackExperiment(Experiment):
    """Base of experiments on the images of one attack, at one budget."""

    defaults = {
        "defense": ["none", "metric-at", "ddid"],
        "attack": ["fna"],
        "eps": [8.0],
        "test_dataset": ["none"],
    }
    settings = ("evaluation.checks=false",)


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
        if len(context.attacks) != 1:
            raise UsageError("this experiment is under one attack", "give a single --attack")
        return cls(context.attacks[0], context.eps_255)

    @property
    def key(self) -> str:
        """Its name in records, such as ``fna@8``."""
        return f"{self.attack.name}@{self.eps_255:g}"

    def inputs(self, context: ExperimentContext) -> dict[str, Any]:
        """Return what shapes its images on the test split, for `ExperimentContext.kept`."""
        name = context.config.dataset
        dataset = [name, context.datasets.dataset(name).manifest_sha256()]
        return {**context.attack_inputs(self.attack), "dataset": dataset}
