"""Cells: the pieces of work of a run, each a pure function of its fingerprint.

A kind of cell is a file of this folder: what it is, what its fingerprint covers, how it is
computed, and what it costs.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

from benchmark.core.seeding import derive_seed, seed_everything
from benchmark.runner.cell_context import CellContext
from benchmark.runner.cells.work import Work, Write
from benchmark.runner.estimate import Estimator
from benchmark.runner.store import StoredCell

SMALL_CELL_BYTES = 100_000
"""Size of a cell without embeddings, or with a universal perturbation."""


@dataclass(frozen=True, kw_only=True)
class Cell(Work, ABC):
    """One piece of work of a run, and how it is done.

    Attributes:
        parents: Cells that must be finished first.
    """

    parents: tuple[Cell, ...] = ()

    @property
    def needs(self) -> tuple[str, ...]:
        """Fingerprints of the cells that must be finished first."""
        return tuple(parent.fingerprint for parent in self.parents)

    def ancestors(self) -> Iterator[Cell]:
        """Yield all cells that must be finished first, each after those that it needs itself."""
        for parent in self.parents:
            yield from parent.ancestors()
            yield parent

    @property
    def random_seed(self) -> int:
        """Seed of the random generators of the process while it is computed."""
        return derive_seed(self.attack_seed, self.label)

    def parts(self, context: CellContext) -> tuple[str, ...]:
        """Return the names of its parts, which are computed and kept one by one.

        Nothing: it is computed in one piece.
        """
        return ()

    @property
    def share_of_parts(self) -> float:
        """About how much of its work its parts are, 0 to 1; the rest is to put them together."""
        return 1.0

    def part_needs(self, part: str) -> tuple[str, ...]:
        """Return the fingerprints of the cells that must be finished before a part."""
        return self.needs

    def part_seed(self, part: str) -> int:
        """Return the seed of the random generators of the process while a part is computed."""
        return derive_seed(self.random_seed, part)

    def compute_part(self, context: CellContext, part: str, title: str = "") -> None:
        """Compute and keep a part, unless it is kept; what it needs must be finished.

        The arguments and errors are those of `compute`.
        """
        if context.store.find_part(self, part) is None:
            seed_everything(self.part_seed(part))
            context.store.publish_part(self, part, self._compute_part(context, part, title))

    def compute(self, context: CellContext, title: str = "") -> StoredCell:
        """Compute what parts are missing, then the cell, and publish it; its needs are finished.

        Args:
            context: What it works with.
            title: What progress is reported under.

        Raises:
            BenchmarkError: The data, a plugin or the machine stands in the way.
        """
        for part in self.parts(context):
            self.compute_part(context, part, title)
        seed_everything(self.random_seed)
        stored = context.store.publish(self, self._compute(context, title))
        context.store.forget_work(self)
        return stored

    @abstractmethod
    def _compute(self, context: CellContext, title: str) -> Write:
        """Do the work, or put its parts together; return what writes the result."""

    def _compute_part(self, context: CellContext, part: str, title: str) -> Write:
        """Do the work of a part; return what writes its result."""
        raise NotImplementedError(f"a cell of the kind {self.kind} has no parts")

    @abstractmethod
    def passes(self, costs: Estimator) -> float:
        """Return about how many images go forward and backward."""

    def bytes(self, costs: Estimator) -> int:
        """Return about how many bytes the finished cell takes."""
        return SMALL_CELL_BYTES

    @property
    def _number(self) -> str:
        return f" #{self.attack_seed}" if self.attack_seed else ""
