"""A worker process, seen from its driver."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from multiprocessing.connection import Pipe

from benchmark.runner.executors.grid_progress import GridProgress
from benchmark.runner.executors.messages import Compute, Ended, Setting
from benchmark.runner.executors.pool import Finished
from benchmark.runner.executors.unit import Unit
from benchmark.runner.executors.worker_bars import WorkerBars

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
        self.name = name
        self.unit: Unit | None = None
        self.encoder: tuple[str, int] | None = None
        self._bars = WorkerBars(grid)
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
        self._bars.show(unit, message)
        if isinstance(message, Ended):
            self.unit = None
            return Finished(unit, message.seconds, self.name, message.error)
        return None

    def end(self, patience_seconds: float = 0) -> str:
        """Kill it, if it does not end by itself in so many seconds, and say how it ended."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(patience_seconds)
        self._process.kill()
        code = self._process.wait()
        self.connection.close()
        self._bars.close()
        return (
            f"was killed by {signal.Signals(-code).name}" if code < 0 else f"left with code {code}"
        )
