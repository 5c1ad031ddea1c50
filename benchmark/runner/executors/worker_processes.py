"""Worker processes on this machine: a pool that computes several units at once."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from multiprocessing.connection import wait
from pathlib import Path

from benchmark.core.errors import EnvironmentProblem
from benchmark.runner.executors.grid_progress import GridProgress
from benchmark.runner.executors.messages import Setting
from benchmark.runner.executors.pool import Finished
from benchmark.runner.executors.unit import Key, Unit
from benchmark.runner.executors.worker import WorkerTask
from benchmark.runner.executors.worker_handle import WorkerHandle

logger = logging.getLogger(__name__)

MEND = "if memory ran short, use fewer --workers or a smaller evaluation.batch"

_TO_DIE_SECONDS = 2.0
"""A worker that hung up is given them, so that it can be told how it ended."""


class WorkerProcesses:
    """Computes units in processes of its own, which die with this one.

    Args:
        task: What workers must be told.
        folder: The folder of the cells.
        grid: Draws what they report.
        environments: Variables of the environment of each worker, beside those of this process.
    """

    def __init__(
        self,
        task: WorkerTask,
        folder: Path,
        grid: GridProgress,
        environments: Sequence[dict[str, str]],
    ) -> None:
        self.capacity = len(environments)
        self._setting, self._grid = Setting(task, folder), grid
        self._environments = {str(n): one for n, one in enumerate(environments, 1)}
        self._workers: dict[str, WorkerHandle] = {}
        self._lost_once: set[Key] = set()

    def submit(self, unit: Unit) -> None:
        """Give a unit to an idle worker, rather to one that has its encoder, or to a new one."""
        idle = [one for one in self._workers.values() if one.unit is None]
        own = [one for one in idle if one.encoder == (unit.cell.defense, unit.cell.seed)]
        worker = (own or idle or [self._start()])[0]
        try:
            worker.begin(unit)
        except OSError:
            told = self._remove(worker, _TO_DIE_SECONDS)
            logger.warning(
                "worker %s %s while it was idle; a new one is started", worker.name, told
            )
            self._start().begin(unit)

    def wait(self) -> Finished:
        """Return the next unit that ended, or whose worker died for the second time."""
        while True:
            busy = {one.connection: one for one in self._workers.values() if one.unit is not None}
            for ready in wait(list(busy)):
                worker = busy[ready]  # type: ignore[index]
                try:
                    finished = worker.hear()
                except (EOFError, OSError):
                    finished = self._lost(worker)
                if finished is not None:
                    return finished

    def close(self) -> None:
        """Kill all workers."""
        for worker in list(self._workers.values()):
            self._remove(worker)

    def _start(self) -> WorkerHandle:
        name = next(one for one in self._environments if one not in self._workers)
        environment = self._environments[name]
        self._workers[name] = WorkerHandle(name, self._setting, environment, self._grid)
        return self._workers[name]

    def _remove(self, worker: WorkerHandle, patience_seconds: float = 0) -> str:
        del self._workers[worker.name]
        return worker.end(patience_seconds)

    def _lost(self, worker: WorkerHandle) -> Finished | None:
        """Try the unit of a dead worker once more."""
        unit = worker.unit
        assert unit is not None
        how = self._remove(worker, _TO_DIE_SECONDS)
        told = f"worker {worker.name} {how} at {unit.label}"
        if unit.key in self._lost_once:
            return Finished(
                unit,
                0.0,
                worker.name,
                EnvironmentProblem(
                    f"{told}, and one before it", f"{MEND}; what is finished is kept"
                ),
            )
        self._lost_once.add(unit.key)
        logger.warning("%s; it is tried once more. %s", told, MEND)
        self.submit(unit)
        return None
