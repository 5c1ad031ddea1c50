"""One display for all workers: the bars of the units in work, and one over all of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from benchmark.core.progress import SILENT_BAR, Bar, Progress
from benchmark.runner.executors.unit import Key, Unit

_STEPS = 1000


class GridProgress:
    """Shows bars, and how much of all predicted work is done; from that follows the time to go.

    Args:
        progress: Draws.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._seconds: Mapping[Key, float] = {}
        self._fractions: dict[Key, float] = {}
        self._bar, self._shown, self._scale = SILENT_BAR, 0, 1.0

    @contextmanager
    def over(self, seconds: Mapping[Key, float], workers: int) -> Iterator[None]:
        """Show the bar over all units while the body runs.

        Args:
            seconds: Predicted seconds of each unit that is to be computed.
            workers: How many compute, for the title.
        """
        self._seconds, self._fractions, self._shown = seconds, {}, 0
        cells = len({fingerprint for fingerprint, _ in seconds})
        if cells < 2:
            yield
            return
        self._scale = _STEPS / (sum(seconds.values()) or 1)
        by = f" by {workers} workers" if workers > 1 else ""
        with self._progress.task(f"all {cells} cells{by}, in thousandths", _STEPS) as self._bar:
            try:
                yield
            finally:
                self._bar = SILENT_BAR

    def of(self, unit: Unit) -> Progress:
        """Return what a unit reports to."""
        return _UnitProgress(self, self._progress, unit.key)

    def reach(self, key: Key, fraction: float) -> None:
        """Note how much of a unit is done."""
        self._fractions[key] = max(fraction, self._fractions.get(key, 0.0))
        done = sum(self._seconds.get(one, 0.0) * f for one, f in self._fractions.items())
        steps = int(done * self._scale) - self._shown
        self._shown += steps
        whole = sum(one == 1 and part is None for (_, part), one in self._fractions.items())
        self._bar.advance(steps, f"{whole} cells done")


@dataclass(frozen=True)
class _UnitProgress:
    """Tells the bar over all units what the bars of one unit are told."""

    grid: GridProgress
    progress: Progress
    key: Key

    @contextmanager
    def task(self, title: str, total: int) -> Iterator[Bar]:
        with self.progress.task(title, total) as bar:
            yield _UnitBar(self.grid, bar, self.key, max(total, 1))


@dataclass
class _UnitBar:
    grid: GridProgress
    bar: Bar
    key: Key
    total: int
    done: int = 0

    def advance(self, steps: int = 1, note: str = "") -> None:
        self.bar.advance(steps, note)
        self.done += steps
        self.grid.reach(self.key, min(self.done / self.total, 0.99))
