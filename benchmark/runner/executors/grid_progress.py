"""One display for all workers: the bars of the units in work, and one over all of them.

How much of a unit is done is told by the time that it takes, over the time that was predicted and
corrected by what finished units took: a unit may draw several bars, and none of them is its whole.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from benchmark.core.progress import SILENT_BAR, Bar, Progress
from benchmark.runner.executors.unit import Key, Unit

_STEPS = 1000
_MOST_OF_A_UNIT = 0.99
"""Share of a unit that counts before it is finished."""


class GridProgress:
    """Shows bars, and how much of all predicted work is done; from that follows the time to go.

    Args:
        progress: Draws.
        clock: Tells seconds.
    """

    def __init__(self, progress: Progress, clock: Callable[[], float] = time.monotonic) -> None:
        self._progress, self._clock = progress, clock
        self._seconds: Mapping[Key, float] = {}
        self._begun: dict[Key, float] = {}
        self._taken: dict[Key, float] = {}
        self._bar, self._shown = SILENT_BAR, 0

    @contextmanager
    def over(self, seconds: Mapping[Key, float], workers: int) -> Iterator[None]:
        """Show the bar over all units while the body runs.

        Args:
            seconds: Predicted seconds of each unit that is to be computed.
            workers: How many compute, for the title.
        """
        self._seconds, self._begun, self._taken, self._shown = seconds, {}, {}, 0
        cells = len({fingerprint for fingerprint, _ in seconds})
        if cells < 2:
            yield
            return
        by = f" by {workers} workers" if workers > 1 else ""
        with self._progress.task(f"all {cells} cells{by}, in thousandths", _STEPS) as self._bar:
            try:
                yield
            finally:
                self._bar = SILENT_BAR

    def of(self, unit: Unit) -> Progress:
        """Return what a unit reports to."""
        return _UnitProgress(self, self._progress, unit.key)

    def work_on(self, key: Key) -> None:
        """Note that a unit is in work."""
        self._begun.setdefault(key, self._clock())
        self._draw()

    def finish(self, key: Key) -> None:
        """Note that a unit is finished."""
        now = self._clock()
        self._taken[key] = now - self._begun.pop(key, now)
        self._draw()

    def _draw(self) -> None:
        known = {key: self._seconds[key] for key in self._taken if key in self._seconds}
        done = sum(known.values())
        slowdown = sum(self._taken[key] for key in known) / done if done else 1.0
        now = self._clock()
        for key, start in self._begun.items():
            predicted = self._seconds.get(key, 0.0)
            done += min(_MOST_OF_A_UNIT * predicted, (now - start) / (slowdown or 1.0))
        steps = int(_STEPS * done / (sum(self._seconds.values()) or 1)) - self._shown
        self._shown += max(steps, 0)  # it does not go back where a prediction was too short
        whole = sum(part is None for _, part in self._taken)
        self._bar.advance(max(steps, 0), f"{whole} cells done")


@dataclass(frozen=True)
class _UnitProgress:
    """Tells the bar over all units what the bars of one unit are told."""

    grid: GridProgress
    progress: Progress
    key: Key

    @contextmanager
    def task(self, title: str, total: int) -> Iterator[Bar]:
        with self.progress.task(title, total) as bar:
            yield _UnitBar(self.grid, bar, self.key)


@dataclass
class _UnitBar:
    grid: GridProgress
    bar: Bar
    key: Key

    def advance(self, steps: int = 1, note: str = "") -> None:
        self.bar.advance(steps, note)
        self.grid.work_on(self.key)
