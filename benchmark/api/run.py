"""Train defenses, attack them and rank them, from Python."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from benchmark.core.errors import BenchmarkError
from results.board import Board
from results.schema import Record


@dataclass(frozen=True)
class Run:
    """What a run made.

    Attributes:
        output: The output folder.
        records: One record for each defense and training seed.
        boards: The boards of all records in the output folder, the one of this run first.
        failures: What a plugin failed, by the name of the cell; its records are missing.
    """

    output: Path
    records: list[Record]
    boards: list[Board]
    failures: dict[str, BenchmarkError] = field(default_factory=dict)
