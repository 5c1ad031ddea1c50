"""The local executor: cells one after the other, each at most once, whatever happens in between."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass

from benchmark.core.errors import BenchmarkError, PluginError
from benchmark.core.plugin import Plugin
from benchmark.runner.cells import AttackCell, Cell, CleanCell, TrainCell
from benchmark.runner.compute import Workshop
from benchmark.runner.faults import machine_problem, plugin_problem
from benchmark.runner.journal import Journal
from benchmark.runner.plan import Plan

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Failure:
    """A cell that a plugin failed.

    Attributes:
        cell: The cell.
        error: What happened.
    """

    cell: Cell
    error: BenchmarkError


class LocalExecutor:
    """Computes the cells of a plan in this process.

    Args:
        workshop: Computes one cell.
        journal: Where events go.
        fresh: Compute finished cells again.
    """

    def __init__(self, workshop: Workshop, journal: Journal, *, fresh: bool = False) -> None:
        self._workshop, self._journal, self._fresh = workshop, journal, fresh

    def run(self, plan: Plan) -> list[Failure]:
        """Compute what is not finished; go on with the other defenses if a plugin fails.

        Returns:
            The cells that failed; those that needed them were left out.

        Raises:
            BenchmarkError: The data or the machine stands in the way of all cells.
        """
        failures: list[Failure] = []
        missing: set[str] = set()
        for number, cell in enumerate(plan.cells, 1):
            if missing.intersection(cell.needs):
                missing.add(cell.fingerprint)
                continue
            logger.info("[%d/%d] %s", number, len(plan.cells), cell.label)
            if not self._fresh and self._workshop.store.find(cell.fingerprint):
                self._journal.write("reused", cell.fingerprint, label=cell.label)
                self._workshop.store.forget_work(cell)
                continue
            try:
                self._compute(cell)
            except PluginError as error:
                logger.error("%s failed: %s", cell.label, error.what)
                failures.append(Failure(cell, error))
                missing.add(cell.fingerprint)
        return failures

    def _compute(self, cell: Cell) -> None:
        store, journal = self._workshop.store, self._journal
        if self._fresh:
            store.forget_work(cell)
        journal.write("started", cell.fingerprint, label=cell.label)
        start = time.perf_counter()
        try:
            self._workshop.compute(cell)
        except KeyboardInterrupt:
            journal.write("interrupted", cell.fingerprint, label=cell.label)
            raise
        except Exception as error:
            told = machine_problem(error, store.folder) or plugin_problem(error, *_plugins(cell))
            logger.debug("%s", cell.label, exc_info=error)
            _try_to_write(journal, cell, told or error)
            if told is None or told is error:
                raise
            raise told from error
        seconds = round(time.perf_counter() - start, 3)
        journal.write("finished", cell.fingerprint, label=cell.label, seconds=seconds)


def _plugins(cell: Cell) -> list[type[Plugin]]:
    """Return the classes of the plugins that take part in a cell, the likeliest to fail first."""
    if isinstance(cell, AttackCell):
        return [cell.attack.plugin, type(cell.clean.train.plugin)]
    if isinstance(cell, CleanCell):
        return [type(cell.train.plugin)]
    if isinstance(cell, TrainCell):
        return [type(cell.plugin)]
    return []


def _try_to_write(journal: Journal, cell: Cell, error: Exception) -> None:
    try:
        journal.write("failed", cell.fingerprint, label=cell.label, error=str(error))
    except OSError:
        logger.warning("the journal could not be written")
