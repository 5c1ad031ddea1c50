"""A unit: what one worker computes at once."""

from __future__ import annotations

import logging
import os
from contextlib import chdir
from dataclasses import dataclass, field

from benchmark.runner.cell_context import CellContext
from benchmark.runner.cells.cell import Cell
from benchmark.runner.error_translation import machine_problem, plugin_problem

logger = logging.getLogger(__name__)

Key = tuple[str, str | None]
"""Fingerprint of a cell, and a part of it; None: the cell itself."""


@dataclass(frozen=True)
class Unit:
    """A cell, or a part of one.

    Attributes:
        cell: The cell.
        part: Its part; None: the cell in one piece, or its parts put together.
        title: What progress is reported under.
        needs: What must be finished first.
    """

    cell: Cell
    part: str | None = None
    title: str = field(default="", compare=False)
    needs: frozenset[Key] = field(default=frozenset(), compare=False)

    @property
    def key(self) -> Key:
        """What names it among the units of a run."""
        return self.cell.fingerprint, self.part

    @property
    def label(self) -> str:
        """What the user sees of it."""
        return self.cell.label if self.part is None else f"{self.cell.label} · {self.part}"


def compute_unit(unit: Unit, context: CellContext) -> None:
    """Compute a unit into the store of a context; what it needs must be finished.

    Raises:
        BenchmarkError: The data, a plugin or the machine stands in the way.
        Exception: A fault of the benchmark.
    """
    try:
        with chdir(os.curdir):  # back again, wherever a plugin goes
            if unit.part is None:
                unit.cell.compute(context, unit.title)
            else:
                unit.cell.compute_part(context, unit.part, unit.title)
    except (Exception, SystemExit) as error:  # a plugin may call sys.exit
        folder = context.store.folder
        told = machine_problem(error, folder) or plugin_problem(error, *unit.cell.plugins)
        logger.debug("%s failed", unit.label, exc_info=error)
        if told is None or told is error:
            raise
        raise told from error
