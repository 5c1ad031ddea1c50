"""Cells: the pieces of work of a run, each a pure function of its fingerprint.

A kind of cell is a file of this folder: what it is, what its fingerprint covers, how it is
computed, and what it costs.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from benchmark.core.fingerprint import fingerprint
from benchmark.core.plugin import Plugin
from benchmark.core.seeding import derive_seed, seed_everything
from benchmark.data.layout import Split

if TYPE_CHECKING:
    from benchmark.runner.cell_context import CellContext
    from benchmark.runner.estimate import Estimator
    from benchmark.runner.store import StoredCell

Write = Callable[[Path], dict[str, Any]]
"""Writes the files of a finished cell into a folder and returns its figures."""

SMALL_CELL_BYTES = 100_000
"""Size of a cell without embeddings, or with a universal perturbation."""


@dataclass(frozen=True, kw_only=True)
class Cell(ABC):
    """One piece of work.

    Attributes:
        defense: Registry name of the defense.
        seed: Seed of its training.
        dataset: Data set that the work reads.
        content: Everything that shapes the result; never when, where or how fast.
        parents: Cells that must be finished first.
        plugins: Classes of the plugins that take part, the likeliest to fail first.
        fingerprint: Hash of the content.
    """

    kind: ClassVar[str]
    """What is done."""
    log_level: ClassVar[int] = logging.DEBUG
    """How loudly its start is told; the user sees a progress bar of most."""
    reads: ClassVar[tuple[Split, ...]] = ("query", "gallery")
    """Splits of the data set whose images it reads."""

    defense: str
    seed: int
    dataset: str
    content: dict[str, object]
    parents: tuple[Cell, ...] = ()
    plugins: tuple[type[Plugin], ...] = ()
    fingerprint: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "fingerprint", fingerprint(self.content))

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
    def attack_seed(self) -> int:
        """Seed of what is random beside a training; 0 for work that depends on none."""
        seed = self.content.get("attack_seed", 0)
        assert isinstance(seed, int)
        return seed

    @property
    def title(self) -> str:
        """What the cell does, without the defense."""
        return f"{self.kind} {self.dataset}"

    @property
    def label(self) -> str:
        """What the user sees of the cell."""
        return f"{self.defense} · seed {self.seed} · {self.title}"

    @property
    def random_seed(self) -> int:
        """Seed of the random generators of the process while it is computed."""
        return derive_seed(self.attack_seed, self.label)

    def compute(self, context: CellContext, title: str = "") -> StoredCell:
        """Compute and publish the cell; what it needs must be finished.

        Args:
            context: What it works with.
            title: What progress is reported under.

        Raises:
            BenchmarkError: The data, a plugin or the machine stands in the way.
        """
        seed_everything(self.random_seed)
        stored = context.store.publish(self, self._compute(context, title))
        context.store.forget_work(self)
        return stored

    @abstractmethod
    def _compute(self, context: CellContext, title: str) -> Write:
        """Do the work; return what writes the result."""

    @abstractmethod
    def passes(self, costs: Estimator) -> float:
        """Return about how many images go forward and backward."""

    def bytes(self, costs: Estimator) -> int:
        """Return about how many bytes the finished cell takes."""
        return SMALL_CELL_BYTES

    @property
    def _number(self) -> str:
        return f" #{self.attack_seed}" if self.attack_seed else ""


def splits_read(cells: Iterable[Cell]) -> dict[str, tuple[Split, ...]]:
    """Return the splits that cells read, by data set."""
    read: dict[str, dict[Split, None]] = {}
    for cell in cells:
        for split in cell.reads:
            read.setdefault(cell.dataset, {})[split] = None
    return {name: tuple(splits) for name, splits in read.items()}
