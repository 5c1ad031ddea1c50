"""What an experiment computed of a training and wants to find again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from numpy.typing import NDArray

from benchmark.core.seeding import derive_seed
from benchmark.runner.cells.cell import Cell, Write
from benchmark.runner.cells.train import TrainCell
from benchmark.runner.protocol import PROTOCOL_VERSION
from benchmark.runner.store import save_arrays

if TYPE_CHECKING:
    from benchmark.runner.context import CellContext
    from benchmark.runner.estimate import Estimator


@dataclass(frozen=True, kw_only=True)
class ExperimentCell(Cell):
    """What an experiment computed of a training and wants to find again.

    Attributes:
        train: The training.
        find: Computes the figures, as JSON values, and the arrays.
    """

    kind: ClassVar[str] = "experiment"

    train: TrainCell
    find: Callable[[], tuple[dict[str, Any], Mapping[str, NDArray[Any]]]]

    @classmethod
    def build(
        cls,
        experiment: str,
        what: str,
        version: int,
        train: TrainCell,
        inputs: Mapping[str, object],
        find: Callable[[], tuple[dict[str, Any], Mapping[str, NDArray[Any]]]],
    ) -> Self:
        """Build the cell.

        Args:
            experiment: Name of the experiment.
            what: Short name of what is computed, such as ``head``.
            version: To be raised when a change of the code changes results.
            train: The training that it is about.
            inputs: All else that shapes the result, as JSON values.
            find: Computes it.
        """
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
            train=train,
            find=find,
        )

    @property
    def parents(self) -> tuple[Cell, ...]:
        """The training."""
        return (self.train,)

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
