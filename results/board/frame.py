"""What the rows of a board measured under attacks: one frame of row × seed × attack × metric."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from results.board.record_metrics import ReadResult, target_of
from results.records.retrieval import AttackId, AttackResult
from results.records.schema import Record

if TYPE_CHECKING:
    import pandas as pd

    from results.board.boards import Row

METRICS: dict[str, ReadResult] = {
    "map": attrgetter("map"),
    "rank1": attrgetter("rank1"),
    "success_rate": attrgetter("success_rate"),
    "map_float": attrgetter("map_float"),
    "map_jpeg": attrgetter("map_jpeg"),
    "target_map": target_of,
    "target_rank1": partial(target_of, metric="rank1"),
    "target_rank10": partial(target_of, metric="rank10"),
    "seconds": attrgetter("seconds"),
    "prepare_seconds": attrgetter("prepare_seconds"),
    "forwards": attrgetter("forwards"),
    "backwards": attrgetter("backwards"),
    "answers": attrgetter("queries"),
    "max_distance_255": attrgetter("max_distance_255"),
}
"""What is read of an attack's result, by name; percentages are 0-100."""

SHARE = "share_of_worst"
"""Percentage of the queries at which no other attack is worse: of a result within its record."""

Mean = tuple[float | None, float | None]
"""Mean over the seeds of a row and its sample deviation; None where a seed lacks the number, and
the deviation of a single seed."""


class ResultFrame:
    """Numbers of some rows under some attacks, read from the records once.

    Args:
        rows: Rows of a board; their labels are distinct.
        attacks: Attacks of the board.
    """

    def __init__(self, rows: Sequence[Row], attacks: Sequence[AttackId]) -> None:
        self._rows = {row.label: number for number, row in enumerate(rows)}
        self._seeds = [row.seeds for row in rows]
        self._attacks = {attack: number for number, attack in enumerate(attacks)}
        self._metrics = {name: number for number, name in enumerate((*METRICS, SHARE))}
        self._results = [_results(row.records) for row in rows]
        self._values = [self._read(row.records, number) for number, row in enumerate(rows)]
        self._means = [_listed(one.mean(-1)) for one in self._values]
        self._stds = [
            _listed(one.std(-1, ddof=1) if one.shape[-1] > 1 else np.full(one.shape[:-1], np.nan))
            for one in self._values
        ]

    def results(self, row: Row, attack: AttackId) -> list[AttackResult]:
        """Return what the records of a row hold of an attack, in the order of their seeds."""
        return list(self._results[self._rows[row.label]].get(attack, {}).values())

    def mean_std(self, row: Row, attack: AttackId, metric: str) -> Mean:
        """Return a metric of a row under an attack."""
        number = self._rows[row.label]
        attacked, measured = self._attacks[attack], self._metrics[metric]
        return self._means[number][attacked][measured], self._stds[number][attacked][measured]

    def means(self, row: Row, attack: AttackId) -> dict[str, float | None]:
        """Return every metric of a row under an attack, by its name."""
        found = self._means[self._rows[row.label]][self._attacks[attack]]
        return dict(zip(self._metrics, found, strict=True))

    def values(self, attack: AttackId, metric: str) -> list[float]:
        """Return a metric under an attack for each record that has it, in the order of the rows."""
        place = self._attacks[attack], self._metrics[metric]
        found = np.concatenate([one[place] for one in self._values])
        return [float(value) for value in found[~np.isnan(found)]]

    def tidy(self) -> pd.DataFrame:
        """Return all as columns ``row``, ``seed``, ``attack``, ``eps``, ``metric`` and ``value``.

        A line for each number that a record holds.
        """
        import pandas as pd  # slow to import, and not needed to write the files of a board

        names = list(self._metrics)
        parts = []
        for row, number in self._rows.items():
            values = self._values[number]
            attack, metric, seed = (~np.isnan(values)).nonzero()
            attacks = [list(self._attacks)[one] for one in attack]
            parts.append(
                pd.DataFrame(
                    {
                        "row": row,
                        "seed": np.asarray(self._seeds[number])[seed],
                        "attack": [one.name for one in attacks],
                        "eps": [one.eps for one in attacks],
                        "metric": [names[one] for one in metric],
                        "value": values[attack, metric, seed],
                    }
                )
            )
        return pd.concat(parts, ignore_index=True)

    def _read(self, records: Sequence[Record], number: int) -> NDArray[np.float64]:
        """Return (attacks, metrics, seeds) numbers of a row, NaN for what is not there."""
        values = np.full((len(self._attacks), len(self._metrics), len(records)), np.nan)
        reads = list(METRICS.values())
        for attack, found in self._results[number].items():
            lines = [
                [*[read(result) for read in reads], _share(records[seed], result)]
                for seed, result in found.items()
            ]
            values[self._attacks[attack]][:, list(found)] = np.array(lines, np.float64).T
        return values


def _results(records: Sequence[Record]) -> dict[AttackId, dict[int, AttackResult]]:
    found: dict[AttackId, dict[int, AttackResult]] = {}
    for seed, record in enumerate(records):
        for result in record.attacks:
            found.setdefault(AttackId.of(result), {})[seed] = result
    return found


def _share(record: Record, result: AttackResult) -> float | None:
    worst = record.worst_case
    share = None if worst is None else (worst.attack_share or {}).get(result.key)
    return None if share is None else 100 * share


def _listed(values: NDArray[np.float64]) -> list[list[float | None]]:
    """Return numbers as lists, with None for what is missing."""
    found = values.astype(object)
    found[np.isnan(values)] = None
    listed: list[list[float | None]] = found.tolist()
    return listed
