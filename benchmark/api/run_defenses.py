"""Train defenses, attack them and rank them, from Python."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from benchmark.api.tables import figure_named, tidy_frame
from benchmark.config.load import load_run_config
from benchmark.core.errors import BenchmarkError
from benchmark.core.progress import Progress
from benchmark.core.progress_choice import make_progress
from benchmark.runner.run import run_benchmark
from results.board.boards import Board
from results.board.leaderboard_frame import leaderboard_frame
from results.records.schema import Record

logger = logging.getLogger(__name__)


@dataclass(frozen=True, repr=False)
class Run:
    """What a run made.

    Attributes:
        output: The output folder.
        records: One record for each defense and training seed of this run.
        boards: The boards of all records in the output folder.
        flags: Sanity flags of this run, a line each.
        failures: What plugins failed, by the name of the cell; its records are missing.
    """

    output: Path
    records: list[Record]
    boards: list[Board]
    flags: list[str]
    failures: dict[str, BenchmarkError] = field(default_factory=dict)

    @property
    def board(self) -> Board:
        """The board that the first record of this run stands on."""
        first = self.records[0].id
        return next(
            board
            for board in self.boards
            if any(record.id == first for row in board.rows for record in row.records)
        )

    def frame(self) -> pd.DataFrame:
        """Return a line for each number; see `benchmark.api.tables.tidy_frame`."""
        return tidy_frame(self.boards)

    def table(self) -> pd.DataFrame:
        """Return the leaderboard, a line for each row of a board."""
        return leaderboard_frame(self.boards)

    def figure(self, kind: str = "trade-off") -> Figure:
        """Return a figure: ``trade-off``, ``attacks``, ``security``, ``answers`` or ``unseen``.

        Raises:
            UsageError: There is none of this kind.
        """
        return figure_named(self.boards, kind)

    def __repr__(self) -> str:
        """Show the leaderboard."""
        return "\n".join([self.table().to_string(index=False), *self.flags])

    def _repr_html_(self) -> str:
        """Show the leaderboard in a notebook."""
        return self.table().to_html(index=False, border=0)


def run(
    defense: str | Sequence[str] = "ddid",
    preset: str | None = None,
    *,
    settings: Sequence[str] = (),
    progress: Progress | None = None,
    **options: Any,
) -> Run:
    """Train defenses, attack and rank them; the same as ``python -m benchmark run``.

    What is finished in the output folder is not computed again.

    Args:
        defense: Registry names.
        preset: Preset or YAML file; None: ``embedded``.
        settings: ``KEY=VALUE`` texts, as after ``--set``.
        progress: Where to report; None: bars in a terminal and a notebook, else plain lines.
        options: Further keys of the configuration, such as ``attack=["fna"]`` and ``eps=8``.

    Raises:
        UsageError: An unknown name or option.
        DataError: Images are missing or cannot be read.
        PluginError: A plugin failed and no record was made; with some records made, what failed is
            in `Run.failures`.
        EnvironmentProblem: The machine refuses: no space, no memory, a folder that is in use.
    """
    config = load_run_config({"defense": defense, "preset": preset, **options}, settings)
    outcome = run_benchmark(config, progress or make_progress())
    failures = {one.cell.label: one.error for one in outcome.failures}
    for label, error in failures.items():
        if not outcome.records:
            raise error
        logger.warning("%s: %s", label, error.what)
    records = [record for record, _ in outcome.records]
    return Run(config.output, records, outcome.boards, outcome.flags, failures)
