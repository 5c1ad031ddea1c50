"""What a driver and a worker process say to each other; a worker sends log records, too."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmark.core.errors import BenchmarkError
from benchmark.runner.executors.worker import WorkerTask


@dataclass(frozen=True)
class Setting:
    """To a worker, first: what the run is, and the folder of its cells."""

    task: WorkerTask
    folder: Path


@dataclass(frozen=True)
class Compute:
    """To a worker: a unit to compute."""

    fingerprint: str
    part: str | None
    title: str


@dataclass(frozen=True)
class Opened:
    """To the driver: a bar of so many steps was opened."""

    bar: int
    title: str
    total: int


@dataclass(frozen=True)
class Advanced:
    """To the driver: a bar went on."""

    bar: int
    steps: int
    note: str


@dataclass(frozen=True)
class Closed:
    """To the driver: a bar was closed."""

    bar: int
    failed: bool


@dataclass(frozen=True)
class Ended:
    """To the driver: the unit ended."""

    seconds: float
    error: BenchmarkError | None
