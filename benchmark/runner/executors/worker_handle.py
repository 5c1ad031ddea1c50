"""A worker process, seen from its driver."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from contextlib import AbstractContextManager
from multiprocessing.connection import Pipe

from benchmark.core.progress import Bar
from benchmark.runner.executors.grid_progress import GridProgress
from benchmark.runner.executors.messages import Advanced, Closed, Compute, Ended, Opened, Setting
from benchmark.runner.executors.pool import Finished
from benchmark.runner.executors.unit import Unit

_PROGRAM = (
    "import sys; sys.path[:] = {path!r}; "
    "from benchmark.runner.executors.worker_process import main; main({descriptor}, {driver})"
)
"""Not by `multiprocessing`, which runs the user's script again in each of its processes."""


class WorkerHandle:
    """Starts a process, gives it units one after the other, and shows what it tells.

    Args:
        name: Its name in the journal.
        setting: What it must be told first.
        environment: Variables of its environment, beside those of this process.
        grid: Draws its bars.

    Attributes:
        connection: Readable when it has something to tell, or is dead.
        unit: What it computes; None: it is idle.
        encoder: Defense and seed of what it computed last.
    """

    def __init__(
        self, name: str, setting: Setting, environment: dict[str, str], grid: GridProgress
    ) -> None:
        self.name, self._grid = name, grid
        self.unit: Unit | None = None
        self.encoder: tuple[str, int] | None = None
        self._bars: dict[int, tuple[AbstractContextManager[Bar], Bar]] = {}
        self.connection, theirs = Pipe()
        descriptor = theirs.fileno()
        program = _PROGRAM.format(path=sys.path, descriptor=descriptor, driver=os.getpid())
        self._process = subprocess.Popen(
            [sys.executable, "-c", program],
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            pass_fds=(descriptor,),
            start_new_session=True,  # a Ctrl-C is for the driver, which ends its workers
        )
        theirs.close()
        self.connection.send(setting)

    def begin(self, unit: Unit) -> None:
        """Give it a unit.

        Raises:
            OSError: It is dead.
        """
        self.connection.send(Compute(unit.cell.fingerprint, unit.part, unit.title))
        self.unit, self.encoder = unit, (unit.cell.defense, unit.cell.seed)

    def hear(self) -> Finished | None:
        """Take in one message; return the unit if it ended.

        Raises:
            EOFError: It is dead.
            OSError: It is dead.
        """
        message, unit = self.connection.recv(), self.unit
        assert unit is not None
        if isinstance(message, Opened):
            context = self._grid.of(unit).task(message.title, message.total)
            self._bars[message.bar] = context, context.__enter__()
        elif isinstance(message, Advanced):
            self._bars[message.bar][1].advance(message.steps, message.note)
        elif isinstance(message, Closed):
            self._leave(message.bar, failed=message.failed)
        elif isinstance(message, logging.LogRecord):
            log = logging.getLogger(message.name)
            if log.isEnabledFor(message.levelno):
                log.handle(message)
        elif isinstance(message, Ended):
            self.unit = None
            return Finished(unit, message.seconds, self.name, message.error)
        return None

    def end(self) -> str:
        """Kill it, if it lives, and say how it ended."""
        self._process.kill()
        code = self._process.wait()
        self.connection.close()
        for bar in list(self._bars):
            self._leave(bar, failed=True)
        return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"left with {code}"

    def _leave(self, bar: int, *, failed: bool) -> None:
        context, _ = self._bars.pop(bar)
        error = InterruptedError() if failed else None
        context.__exit__(type(error) if error else None, error, None)
