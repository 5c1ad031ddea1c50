"""The local executor: cells one after the other, each at most once, whatever happens in between."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import chdir
from dataclasses import dataclass

from benchmark.core.errors import BenchmarkError, PluginError
from benchmark.runner.cell_context import CellContext
from benchmark.runner.cells.cell import Cell
from benchmark.runner.error_translation import machine_problem, plugin_problem
from benchmark.runner.estimate import Workload
from benchmark.runner.journal import Journal
from benchmark.runner.plan import Plan, Trial

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
        context: What cells are computed with.
        journal: Where events go.
        workload: Says how much work a cell is, for later estimates.
        fresh: Compute finished cells again.

    Attributes:
        failures: Cells that a plugin failed so far.
    """

    def __init__(
        self,
        context: CellContext,
        journal: Journal,
        workload: Callable[[Cell], Workload],
        *,
        fresh: bool = False,
    ) -> None:
        self._context, self._journal, self._workload = context, journal, workload
        self._fresh = fresh
        self._done: set[str] = set()
        self._missing: set[str] = set()
        self.failures: list[Failure] = []

    def run(self, plan: Plan) -> Iterator[Trial]:
        """Compute what is not finished; yield each trial as soon as all of its cells are.

        A plugin that fails voids its cell and what needs it; everything else goes on.

        Raises:
            BenchmarkError: The data or the machine stands in the way of all cells.
        """
        total = len(plan.cells)
        position = {cell.fingerprint: f"{n}/{total}" for n, cell in enumerate(plan.cells, 1)}
        for trial in plan.trials:
            for cell in trial.cells:
                self._ensure(cell, position[cell.fingerprint])
            if self._done.issuperset(cell.fingerprint for cell in trial.cells):
                yield trial

    def _ensure(self, cell: Cell, position: str) -> None:
        known = self._done | self._missing
        if cell.fingerprint in known:
            return
        if self._missing.intersection(cell.needs):
            self._missing.add(cell.fingerprint)
            return
        if not self._fresh and self._context.store.find(cell.fingerprint):
            logger.info("[%s] %s: finished earlier", position, cell.label)
            self._journal.write("reused", cell.fingerprint, label=cell.label)
            self._context.store.forget_work(cell)
            self._done.add(cell.fingerprint)
            return
        title = f"[{position}] {cell.label}"
        logger.log(cell.log_level, "%s", title)
        try:
            self._compute(cell, title)
            self._done.add(cell.fingerprint)
        except PluginError as error:
            self.failures.append(Failure(cell, error))
            self._missing.add(cell.fingerprint)

    def _compute(self, cell: Cell, title: str) -> None:
        store, journal = self._context.store, self._journal
        if self._fresh:
            store.forget_work(cell)
        journal.write("started", cell.fingerprint, label=cell.label)
        try:
            work = self._workload(cell)  # it asks plugins what they expect to cost
            start = time.perf_counter()
            with chdir(os.curdir):  # back again, wherever a plugin goes
                cell.compute(self._context, title)
        except KeyboardInterrupt:
            journal.write("interrupted", cell.fingerprint, label=cell.label)
            raise
        except (Exception, SystemExit) as error:  # a plugin may call sys.exit
            told = machine_problem(error, store.folder) or plugin_problem(error, *cell.plugins)
            logger.debug("%s failed", cell.label, exc_info=error)
            store.tidy_work(cell)
            _try_to_write(journal, cell, told or error)
            if told is None or told is error:
                raise
            raise told from error
        seconds = round(time.perf_counter() - start, 3)
        journal.write(
            "finished",
            cell.fingerprint,
            label=cell.label,
            seconds=seconds,
            work=work.key,
            passes=work.passes,
        )


def _try_to_write(journal: Journal, cell: Cell, error: BaseException) -> None:
    try:
        journal.write("failed", cell.fingerprint, label=cell.label, error=str(error))
    except OSError:
        logger.warning("the journal could not be written")
