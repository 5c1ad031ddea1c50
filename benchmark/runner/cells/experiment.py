"""What an experiment computed of a training and wants to find again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

from numpy.typing import NDArray

from benchmark.core.seeding import derive_seed
from benchmark.runner.cell_context import CellContext
from benchmark.runner.cells.cell import Cell
from benchmark.runner.cells.train import TrainCell
from benchmark.runner.cells.work import Write
from benchmark.runner.estimate import Estimator
from benchmark.runner.protocol import PROTOCOL_VERSION
from benchmark.runner.store import save_arrays

Find = Callable[[], tuple[dict[str, Any], Mapping[str, NDArray[Any]]]]
"""Computes figures, as JSON values, and arrays by name."""


@dataclass(frozen=True, kw_only=True)
class ExperimentCell(Cell):
    """What an experiment computed of a training and wants to find again.

    Attributes:
        find: Computes what is kept.
    """

    kind: ClassVar[str] = "experiment"

    find: Find

    @classmethod
    def build(
        cls,
        experiment: str,
        what: str,
        version: int,
        train: TrainCell,
        inputs: Mapping[str, object],
        find: Find,
    ) -> Self:
        """Build the cell; `inputs` is all else that shapes the result, as JSON values."""
        content: dict[str, object] = {
            "kind": cls.kind,
            "experiment": experiment,
            "what": what,
            "version": version,
            "protocol": PROTOCOL_VERSION,
            "train": train.fingerprint,
            "inputs": dict(inputs),
        }
        return cls(
            defense=train.defense,
            seed=train.seed,
            dataset=train.dataset,
            content=content,
            parents=(train,),
            find=find,
        )

    @property
    def random_seed(self) -> int:
        """Its own: the same experiment computes several things of a training."""
        return derive_seed(self.fingerprint)

    def _compute(self, context: CellContext, title: str) -> Write:
        figures, arrays = self.find()

        def write(folder: Path) -> dict[str, Any]:
            if arrays:
                save_arrays(folder, **arrays)
            return figures

        return write

    def passes(self, costs: Estimator) -> float:
        """Return 0: what an experiment does beside its cells is not foretold."""
        return 0
