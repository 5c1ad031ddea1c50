"""What a worker elsewhere tells while it computes a unit, shown by the driver."""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager

from benchmark.core.progress import Bar
from benchmark.runner.executors.grid_progress import GridProgress
from benchmark.runner.executors.messages import Advanced, Closed, Opened
from benchmark.runner.executors.unit import Unit


class WorkerBars:
    """Draws the bars of one worker, and logs what it logs.

    Args:
        grid: Draws.
    """

    def __init__(self, grid: GridProgress) -> None:
        self._grid = grid
        self._bars: dict[int, tuple[AbstractContextManager[Bar], Bar]] = {}

    def show(self, unit: Unit, message: object) -> None:
        """Show a message about the unit that the worker computes."""
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

    def close(self) -> None:
        """Close the bars that are open still."""
        for bar in list(self._bars):
            self._leave(bar, failed=True)

    def _leave(self, bar: int, *, failed: bool) -> None:
        context, _ = self._bars.pop(bar)
        error = InterruptedError() if failed else None
        context.__exit__(type(error) if error else None, error, None)
