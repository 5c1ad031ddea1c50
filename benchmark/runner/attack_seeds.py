"""Attacks that are measured with several attack seeds: which cells belong together, and their mean.

An attack without anything random has a single cell, which stands for all attack seeds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmark.runner.cells.attack import AttackCell

LARGEST = frozenset({"max_distance_255"})
"""Figures of which repeats report the largest, not the mean."""


@dataclass(frozen=True)
class SeededAttack:
    """The cells of one attack at one budget on one data set.

    Attributes:
        cells: One for each attack seed, in ascending order.
    """

    cells: tuple[AttackCell, ...]

    @property
    def example(self) -> AttackCell:
        """Any cell: they differ in the attack seed alone."""
        return self.cells[0]

    @property
    def key(self) -> str:
        """Name of the attack's result within its record: ``sma@8``."""
        return f"{self.example.attack.name}@{self.example.eps_255:g}"

    @property
    def seeds(self) -> tuple[int, ...]:
        """Attack seeds that it was measured with."""
        return tuple(cell.attack_seed for cell in self.cells)

    @property
    def by_key(self) -> dict[str, AttackCell]:
        """Cells by their name in the per-query file: ``sma@8#1`` where there are several."""
        if len(self.cells) == 1:
            return {self.key: self.example}
        return {f"{self.key}#{cell.attack_seed}": cell for cell in self.cells}

    def at(self, attack_seed: int) -> AttackCell:
        """Return the cell of an attack seed, or the one that stands for all of them."""
        found = (cell for cell in self.cells if cell.attack_seed == attack_seed)
        return self.example if len(self.cells) == 1 else next(found)


def seeded_attacks(cells: Iterable[AttackCell]) -> list[SeededAttack]:
    """Gather the cells that differ in the attack seed alone, in order of appearance."""
    groups: dict[tuple[str, float], list[AttackCell]] = {}
    for cell in cells:
        groups.setdefault((cell.attack.name, cell.eps_255), []).append(cell)
    return [
        SeededAttack(tuple(sorted(g, key=lambda one: one.attack_seed))) for g in groups.values()
    ]


def mean_outcome(outcomes: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the figures of an attack averaged over its attack seeds; costs are of one repeat.

    Counts stay whole numbers. A trace ends with the shortest; a curve keeps the points that all
    repeats have; of the distance from the clean images the largest is kept; hashes have no mean,
    nor has what only some repeats tell.
    """
    if len(outcomes) == 1:
        return outcomes[0]
    told = [key for key in outcomes[0] if all(key in outcome for outcome in outcomes)]
    return {key: _mean(key, [outcome[key] for outcome in outcomes]) for key in told}


def smallest_batch(outcomes: Iterable[Mapping[str, Any]]) -> int | None:
    """Return the smallest batch to which memory cut one of several attack seeds, if any."""
    return min((one["halved_batch"] for one in outcomes if "halved_batch" in one), default=None)


def _mean(key: str, values: Sequence[Any]) -> Any:
    first = values[0]
    if isinstance(first, dict):
        return {name: _mean(name, [value[name] for value in values]) for name in first}
    if key == "curve":
        return _mean_curve(values)
    if isinstance(first, list):
        return [sum(column) / len(column) for column in zip(*values, strict=False)]
    if first is None or isinstance(first, str):
        return None
    if key in LARGEST:
        return max(values)
    mean = sum(values) / len(values)
    return round(mean) if isinstance(first, int) else mean


def _mean_curve(curves: Sequence[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    by_spent = [{point["queries"]: point["map"] for point in curve} for curve in curves]
    common = sorted(set(by_spent[0]).intersection(*by_spent[1:]))
    return [{"queries": n, "map": sum(one[n] for one in by_spent) / len(curves)} for n in common]
