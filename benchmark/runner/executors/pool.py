"""Pools: what computes units, one or several at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from benchmark.runner.executors.unit import Unit


@dataclass(frozen=True)
class Finished:
    """A unit that ended.

    Attributes:
        unit: The unit.
        seconds: How long it took.
        worker: Name of what computed it.
        error: Why it failed; None: its result is in the store.
    """

    unit: Unit
    seconds: float
    worker: str
    error: Exception | None = None


class Pool(Protocol):
    """Computes units into the store of the run."""

    capacity: int
    """Units at once."""

    def submit(self, unit: Unit) -> None:
        """Begin a unit; fewer than `capacity` are being computed."""

    def wait(self) -> Finished:
        """Return the next unit that ended; there is one being computed."""

    def close(self) -> None:
        """End all work, that of units that are being computed, too."""
