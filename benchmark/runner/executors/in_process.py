"""The pool of one: units are computed in this process, one after the other."""

from __future__ import annotations

import time

from benchmark.runner.cell_context import CellContext
from benchmark.runner.executors.grid_progress import GridProgress
from benchmark.runner.executors.pool import Finished
from benchmark.runner.executors.unit import Unit, compute_unit


class InProcessPool:
    """Computes units in this process.

    Args:
        context: What cells are computed with.
        grid: Draws the bars of units beside one over all of them; None: the context draws.
    """

    capacity = 1

    def __init__(self, context: CellContext, grid: GridProgress | None = None) -> None:
        self._context, self._grid = context, grid
        self._submitted: list[Unit] = []

    def submit(self, unit: Unit) -> None:
        """Remember a unit; `wait` computes it."""
        self._submitted.append(unit)

    def wait(self) -> Finished:
        """Compute the unit."""
        unit, error = self._submitted.pop(), None
        if self._grid is not None:
            self._context.progress = self._grid.of(unit)
        start = time.perf_counter()
        try:
            compute_unit(unit, self._context)
        except Exception as raised:
            error = raised
        return Finished(unit, time.perf_counter() - start, "1", error)

    def close(self) -> None:
        """Do nothing: nothing goes on beside this process."""
