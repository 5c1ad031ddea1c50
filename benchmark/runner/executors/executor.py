"""The executor: what is ready goes to a pool, each unit at most once, whatever happens between."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Generator
from dataclasses import dataclass

from benchmark.core.errors import BenchmarkError, PluginError
from benchmark.core.progress import SilentProgress
from benchmark.runner.cell_context import CellContext
from benchmark.runner.cells.cell import Cell
from benchmark.runner.error_translation import plugin_problem
from benchmark.runner.estimate import Estimator, Workload
from benchmark.runner.executors.grid_progress import GridProgress
from benchmark.runner.executors.pool import Finished, Pool
from benchmark.runner.executors.schedule import Schedule, longest_first, shares, units_of
from benchmark.runner.executors.unit import Key, Unit
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


class Executor:
    """Computes the cells of a plan with a pool; it alone writes the journal.

    Args:
        pool: What computes.
        context: Names the parts of cells, and holds the store that results are kept in.
        journal: Where events go.
        estimator: Says how much work a cell is, for the order and for later estimates.
        fresh: Compute finished cells again.
        grid: Shows how much of a plan is done; None: nothing does.

    Attributes:
        failures: Cells that a plugin failed so far.
    """

    def __init__(
        self,
        pool: Pool,
        context: CellContext,
        journal: Journal,
        estimator: Estimator,
        *,
        fresh: bool = False,
        grid: GridProgress | None = None,
    ) -> None:
        self._pool, self._context, self._store = pool, context, context.store
        self._journal, self._estimator, self._fresh = journal, estimator, fresh
        self._grid = grid or GridProgress(SilentProgress())
        self._done: set[str] = set()
        self._missing: set[str] = set()
        self._parts: dict[str, tuple[str, ...]] = {}
        self._work: dict[str, Workload] = {}
        self._spent: dict[str, list[float]] = defaultdict(list)
        self._running: dict[Key, Unit] = {}
        self._predicted: dict[Key, float] = {}
        self._started: set[str] = set()
        self.failures: list[Failure] = []

    def run(self, plan: Plan) -> Generator[Trial, None, None]:
        """Compute what is not finished; yield each trial as soon as all of its cells are.

        A plugin that fails voids its cell and what needs it; everything else goes on.

        Raises:
            BenchmarkError: The data or the machine stands in the way of all cells.
        """
        schedule, waiting = self._schedule(plan), list(plan.trials)
        with self._grid.over(self._predicted, self._pool.capacity):
            while True:
                while len(self._running) < self._pool.capacity and (unit := schedule.take()):
                    self._start(unit)
                for trial in [one for one in waiting if self._is_done(one)]:
                    waiting.remove(trial)
                    yield trial
                if not self._running:
                    return
                self._take_in(self._wait(), schedule)

    def _wait(self) -> Finished:
        try:
            finished = self._pool.wait()
        except KeyboardInterrupt:
            for cell in {key[0]: unit.cell for key, unit in self._running.items()}.values():
                self._journal.write("interrupted", cell.fingerprint, label=cell.label)
            raise
        del self._running[finished.unit.key]
        return finished

    def _take_in(self, finished: Finished, schedule: Schedule) -> None:
        if finished.error is None:
            schedule.finish(finished.unit)
            self._grid.finish(finished.unit.key)
            self._note(finished)
        else:
            schedule.drop(finished.unit.cell)
            self._fail(finished.unit.cell, finished.error)

    def _is_done(self, trial: Trial) -> bool:
        return self._done.issuperset(cell.fingerprint for cell in trial.cells)

    def _schedule(self, plan: Plan) -> Schedule:
        """Return what is to be computed; note what is finished, and what cannot be computed."""
        units: list[Unit] = []
        kept: list[Key] = []
        self._predicted = {}
        for number, cell in enumerate(plan.cells, 1):
            title = f"[{number}/{len(plan.cells)}] {cell.label}"
            if cell.fingerprint in self._done | self._missing:
                continue
            if self._missing.intersection(cell.needs):
                self._missing.add(cell.fingerprint)
            elif not self._is_reused(cell, title) and self._is_told(cell):
                own = units_of(cell, self._parts[cell.fingerprint], title)
                seconds = shares(own, self._seconds(cell))
                found = {
                    one.key for one in own if one.part and self._store.find_part(cell, one.part)
                }
                kept += found
                units += [one for one in own if one.key not in found]
                self._predicted |= {key: s for key, s in seconds.items() if key not in found}
        if self._pool.capacity > 1:
            units = longest_first(units, self._predicted)
        return Schedule(units, {*((one, None) for one in self._done), *kept})

    def _is_reused(self, cell: Cell, title: str) -> bool:
        if self._fresh:
            self._store.forget_work(cell)
            return False
        if self._store.find(cell.fingerprint) is None:
            return False
        logger.info("%s: finished earlier", title)
        self._journal.write("reused", cell.fingerprint, label=cell.label)
        self._store.forget_work(cell)
        self._done.add(cell.fingerprint)
        return True

    def _is_told(self, cell: Cell) -> bool:
        """Ask plugins for the parts and the cost of a cell; tell whether they answered."""
        try:
            self._parts[cell.fingerprint] = cell.parts(self._context)
            self._work[cell.fingerprint] = self._estimator.workload(cell)
        except (Exception, SystemExit) as error:
            logger.debug("%s: its parts and its cost are not told", cell.label, exc_info=error)
            self._fail(cell, plugin_problem(error, *cell.plugins) or error)
            return False
        return True

    def _seconds(self, cell: Cell) -> float:
        work = self._work[cell.fingerprint]
        try:
            return self._estimator.seconds_of(work)
        except (Exception, SystemExit) as error:  # a network may not run without numbers
            logger.debug("%s: its time is not predicted", cell.label, exc_info=error)
            return work.passes

    def _start(self, unit: Unit) -> None:
        cell = unit.cell
        logger.log(cell.log_level, "%s", unit.title)
        if cell.fingerprint not in self._started:
            self._started.add(cell.fingerprint)
            self._journal.write("started", cell.fingerprint, label=cell.label)
        self._running[unit.key] = unit
        self._grid.work_on(unit.key)
        self._pool.submit(unit)

    def _note(self, finished: Finished) -> None:
        """Note that a unit is finished, and its cell, if it was the last one."""
        cell = finished.unit.cell
        told = {"label": cell.label, "worker": finished.worker}
        self._spent[cell.fingerprint].append(finished.seconds)
        if (part := finished.unit.part) is not None:
            seconds = round(finished.seconds, 3)
            self._journal.write("part", cell.fingerprint, **told, part=part, seconds=seconds)
            return
        self._done.add(cell.fingerprint)
        spent, parts = self._spent.pop(cell.fingerprint), len(self._parts[cell.fingerprint])
        kept = 1 - (len(spent) - 1) / parts if parts else 0.0
        work = self._work[cell.fingerprint]
        self._journal.write(
            "finished",
            cell.fingerprint,
            **told,
            seconds=round(sum(spent), 3),
            work=work.key,
            passes=work.passes * (1 - kept * cell.share_of_parts),
        )

    def _fail(self, cell: Cell, error: BaseException) -> None:
        """Note that a cell failed.

        Raises:
            BaseException: The error, unless it is that of a plugin, which is about its rows alone.
        """
        if all(fingerprint != cell.fingerprint for fingerprint, _ in self._running):
            self._store.tidy_work(cell)
        try:
            self._journal.write("failed", cell.fingerprint, label=cell.label, error=str(error))
        except OSError:
            logger.warning("the journal could not be written")
        if not isinstance(error, PluginError):
            raise error
        if cell.fingerprint not in self._missing:
            self.failures.append(Failure(cell, error))
            self._missing.add(cell.fingerprint)
