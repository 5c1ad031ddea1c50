"""A Ray cluster as a pool: units are computed by workers on its nodes."""

from __future__ import annotations

import logging
import os
import secrets
import subprocess
import sys
from collections import defaultdict
from contextlib import suppress
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from subprocess import TimeoutExpired

from benchmark.core.errors import BenchmarkError, EnvironmentProblem
from benchmark.runner.executors.grid_progress import GridProgress
from benchmark.runner.executors.messages import Compute, Ended
from benchmark.runner.executors.packed_plugins import PackedPlugins
from benchmark.runner.executors.pool import Finished
from benchmark.runner.executors.ray_messages import GONE, RayJob, RayNews, RayOrder, RayReady
from benchmark.runner.executors.unit import Key, Unit
from benchmark.runner.executors.worker import WorkerTask
from benchmark.runner.executors.worker_bars import WorkerBars
from benchmark.runner.store import CellStore

LOG = "ray.log"
"""What Ray says, in the output folder."""

logger = logging.getLogger(__name__)

_TOKEN = ".shared-"
_PROGRAM = (
    "import sys; sys.path[:] = {path!r}; "
    "from benchmark.runner.executors.ray_broker import main; main({descriptor})"
)
_QUIET = {"RAY_USAGE_STATS_ENABLED": "0"}
"""Ray tells its makers nothing of the run, unless the user's environment says otherwise."""
_NO_START = ("Ray does not start", "mend it, or use --executor local")
_CLOSE_SECONDS = 30.0


class RayPool:
    """Computes units on the cluster at ``$RAY_ADDRESS``, on one of this machine, or on an own one.

    Args:
        task: What workers must be told.
        store: The cells of the run.
        grid: Draws what workers report.

    Attributes:
        capacity: Units at once.

    Raises:
        UsageError: There is no such cluster, or it has no room for so many workers.
        EnvironmentProblem: Ray does not start.
    """

    def __init__(self, task: WorkerTask, store: CellStore, grid: GridProgress) -> None:
        self.capacity = 0
        self._store, self._units = store, dict[Key, Unit]()
        self._bars = defaultdict[str, WorkerBars](lambda: WorkerBars(grid))
        for left in store.folder.glob(f"{_TOKEN}*"):  # by a run that was killed
            left.unlink(missing_ok=True)
        self._token = store.folder / f"{_TOKEN}{secrets.token_hex(8)}"
        self._token.touch()
        plugins = PackedPlugins.of(task.config.plugin)
        self._connection, theirs = Pipe()
        self._process = _start_broker(theirs, store.folder.parent / LOG)
        theirs.close()
        try:
            self._connection.send(RayJob(task, store.folder.resolve(), self._token.name, plugins))
            ready = self._hear()
        except BaseException:
            self.close()
            raise
        assert isinstance(ready, RayReady)
        self.capacity = ready.workers.count
        told = ", with a GPU" if ready.workers.on_gpu else ""
        logger.info(
            "workers: %d on %s, threads of each: %d%s",
            *(self.capacity, ready.place, ready.workers.threads, told),
        )

    def submit(self, unit: Unit) -> None:
        """Begin a unit."""
        cells = {cell.fingerprint for cell in unit.cell.ancestors()}
        needs = [(one, None) for one in sorted(cells) if self._store.find(one)]
        parts = [key for key in unit.needs if key[1] is not None]
        self._units[unit.key] = unit
        asked = Compute(unit.cell.fingerprint, unit.part, unit.title)
        with suppress(OSError):  # the broker is gone; `wait` tells
            self._connection.send(RayOrder(asked, (*needs, *parts)))

    def wait(self) -> Finished:
        """Return the next unit that ended, or whose workers were lost again and again.

        Raises:
            EnvironmentProblem: The cluster is gone.
        """
        while True:
            news = self._hear()
            if isinstance(news, logging.LogRecord):
                logger.handle(news)
                continue
            assert isinstance(news, RayNews)
            unit, bars = self._units[news.key], self._bars[news.worker]
            bars.show(unit, news.message)
            if isinstance(news.message, Ended):
                bars.close()
                del self._units[news.key]
                if unit.part is None and news.message.error is None:
                    self._store.forget_work(unit.cell)  # its parts, which came from workers
                return Finished(unit, news.message.seconds, news.worker, news.message.error)

    def close(self) -> None:
        """End all workers, and the cluster, if it is an own one."""
        self._connection.close()
        try:
            self._process.wait(_CLOSE_SECONDS)
        except TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for bars in self._bars.values():
            bars.close()
        self._token.unlink(missing_ok=True)

    def _hear(self) -> object:
        try:
            message = self._connection.recv()
        except (EOFError, OSError) as error:
            told, mend = GONE if self.capacity else _NO_START
            log = self._store.folder.parent / LOG
            raise EnvironmentProblem(told, f"{mend}; what Ray says is in {log}") from error
        if isinstance(message, BenchmarkError):
            raise message
        return message


def _start_broker(theirs: Connection, log: Path) -> subprocess.Popen[bytes]:
    program = _PROGRAM.format(path=sys.path, descriptor=theirs.fileno())
    with log.open("ab") as stream:
        return subprocess.Popen(
            [sys.executable, "-c", program],
            env={**_QUIET, **os.environ},
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            pass_fds=(theirs.fileno(),),
            start_new_session=True,  # a Ctrl-C is for the run, which ends its workers
        )
