"""Which units can be computed, and which of them first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from heapq import heappop, heappush

from benchmark.runner.cells.cell import Cell
from benchmark.runner.executors.unit import Key, Unit


class Schedule:
    """The units of cells that are to be computed.

    Args:
        units: In the order in which they are taken as far as their needs allow.
        done: What is finished already.
    """

    def __init__(self, units: Iterable[Unit], done: Iterable[Key]) -> None:
        self._waiting = {unit.key: unit for unit in units}
        self._done = set(done)

    def take(self) -> Unit | None:
        """Return the first unit of which all needs are finished, and forget it; None: none is."""
        for key, unit in self._waiting.items():
            if self._done.issuperset(unit.needs):
                return self._waiting.pop(key)
        return None

    def finish(self, unit: Unit) -> None:
        """Note that a unit is finished."""
        self._done.add(unit.key)

    def drop(self, cell: Cell) -> None:
        """Forget the units of a cell that failed, and of all that need it."""
        lost = {cell.fingerprint}
        for unit in self._waiting.values():  # each after those that it needs
            if lost.intersection(unit.cell.needs):
                lost.add(unit.cell.fingerprint)
        self._waiting = {key: one for key, one in self._waiting.items() if key[0] not in lost}


def units_of(cell: Cell, parts: Sequence[str], title: str = "") -> list[Unit]:
    """Return the units of a cell: its parts, and last the cell itself."""
    own = [
        Unit(cell, part, f"{title} · {part}", frozenset((n, None) for n in cell.part_needs(part)))
        for part in parts
    ]
    needs = frozenset({*((need, None) for need in cell.needs), *(unit.key for unit in own)})
    return [*own, Unit(cell, None, title, needs)]


def shares(units: Sequence[Unit], seconds: float) -> dict[Key, float]:
    """Return the seconds of each unit of a cell, which ends with the cell itself."""
    *parts, whole = units
    share = whole.cell.share_of_parts if parts else 0.0
    of_part = {unit.key: seconds * share / len(parts) for unit in parts}
    return {**of_part, whole.key: seconds * (1 - share)}


def longest_first(units: Iterable[Unit], seconds: Mapping[Key, float]) -> list[Unit]:
    """Return units by the time that they and what waits for them take, the longest first.

    Args:
        units: Each after those that it needs.
        seconds: Predicted seconds of each.
    """
    ordered = list(units)
    behind: dict[Key, float] = {}
    ways: dict[Key, float] = {}
    for unit in reversed(ordered):
        ways[unit.key] = seconds[unit.key] + behind.get(unit.key, 0.0)
        for need in unit.needs:
            behind[need] = max(behind.get(need, 0.0), ways[unit.key])
    return sorted(ordered, key=lambda unit: -ways[unit.key])


def wall_seconds(
    units: Sequence[Unit], seconds: Mapping[Key, float], done: Iterable[Key], workers: int
) -> float:
    """Return the predicted time until so many workers are through with all units.

    Args:
        units: Each after those that it needs.
        seconds: Predicted seconds of each.
        done: What is finished already.
        workers: How many there are.
    """
    schedule = Schedule(longest_first(units, seconds), done)
    running: list[tuple[float, int, Unit]] = []
    now, begun = 0.0, 0
    while True:
        while len(running) < workers and (unit := schedule.take()):
            begun += 1
            heappush(running, (now + seconds[unit.key], begun, unit))
        if not running:
            return now
        now, _, unit = heappop(running)
        schedule.finish(unit)
