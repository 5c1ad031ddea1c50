"""Pairs of rows: by how much one defense is ahead of another, and how far to trust it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from results.board import Row, make_boards
from results.errors import RecordError
from results.schema import Record
from results.statistics import cluster_bootstrap_ci
from results.store import PerQuery, load_per_query, load_record


@dataclass(frozen=True)
class Gain:
    """What one row has more than another in worst-case mAP, in percent points.

    Attributes:
        label: The row.
        by_seed: Of each seed that both rows have.
        ci95: Interval of the mean over these seeds when query identities are drawn anew; the
            spread between trainings is not in it.
    """

    label: str
    by_seed: dict[int, float]
    ci95: tuple[float, float]

    @property
    def mean(self) -> float:
        """Mean over the seeds."""
        return float(np.mean(list(self.by_seed.values())))


Measured = dict[str, PerQuery]
"""Outcomes of each query, by the id of the record."""


def worst_ap(record: Record, outcomes: PerQuery) -> NDArray[np.float64]:
    """Return the lowest AP of each query over the attacks of the worst case, (Q,) in [0, 1].

    Raises:
        RecordError: The record has no worst case.
    """
    if record.worst_case is None:
        raise RecordError(f"record {record.id[:8]} has no worst case to compare")
    worst: NDArray[np.float64] = np.min([outcomes.ap[k] for k in record.worst_case.attacks], axis=0)
    return worst


def paired_gain(row: Row, baseline: Row, measured: Measured) -> Gain:
    """Compare two rows at the seeds that both have, on the same queries.

    Raises:
        RecordError: They share no seed, or were not measured on the same queries.
    """
    ours = {record.seed: record for record in row.records}
    theirs = {record.seed: record for record in baseline.records}
    seeds = sorted(ours.keys() & theirs.keys())
    if not seeds:
        raise RecordError(f"{row.label} and {baseline.label} have no seed in common")
    differences, pids = [], None
    for seed in seeds:
        here, there = measured[ours[seed].id], measured[theirs[seed].id]
        if not np.array_equal(here.queries, there.queries):
            raise RecordError(f"{row.label} and {baseline.label} answer different queries")
        differences.append(worst_ap(ours[seed], here) - worst_ap(theirs[seed], there))
        pids = here.pids
    assert pids is not None
    by_seed = {s: 100 * float(np.nanmean(d)) for s, d in zip(seeds, differences, strict=True)}
    # The bootstrap is of shares in [0, 1]; a difference of two lies in [-1, 1].
    low, high = cluster_bootstrap_ci((np.mean(differences, axis=0) + 1) / 2, pids)
    return Gain(row.label, by_seed, (2 * low - 100, 2 * high - 100))


def read_folders(folders: Sequence[Path]) -> tuple[list[Record], Measured]:
    """Return the records of some folders that have outcomes of each query, and these.

    Raises:
        RecordError: There are none, or one cannot be read.
    """
    records, measured = [], {}
    for folder in folders:
        for path in sorted(folder.glob("*.json")):
            record = load_record(path)
            if record.per_query is not None:
                records.append(record)
                measured[record.id] = load_per_query(path.with_name(record.per_query))
    if not records:
        raise RecordError(f"{', '.join(map(str, folders))}: no records with per-query files")
    return records, measured


def compare(folders: Sequence[Path], baseline: str) -> list[str]:
    """Return a line for each row of each board that has the baseline.

    Args:
        folders: Where records are.
        baseline: Label of a row, as boards print it.

    Raises:
        RecordError: No board has such a row, or what is there cannot be compared.
    """
    records, measured = read_folders(folders)
    boards = make_boards(records)
    lines = []
    for board in boards:
        reference = next((row for row in board.rows if row.label == baseline), None)
        if reference is None:
            continue
        for row in board.rows:
            if row is not reference:
                lines.append(_line(paired_gain(row, reference, measured), baseline))
    if not lines:
        known = ", ".join(row.label for board in boards for row in board.rows)
        raise RecordError(f"nothing to compare with {baseline!r}; the rows are {known}")
    return lines


def _line(gain: Gain, baseline: str) -> str:
    seeds = ", ".join(f"{seed}: {value:+.2f}" for seed, value in gain.by_seed.items())
    low, high = gain.ci95
    return (
        f"{gain.label} - {baseline}: worst mAP {gain.mean:+.2f} [{low:+.2f}, {high:+.2f}]"
        f"  (seed {seeds})"
    )


def main(arguments: list[str] | None = None) -> int:
    """Print the gain in worst-case mAP of every row over a baseline, with its 95% interval."""
    parser = argparse.ArgumentParser(prog="python -m results.compare", description=main.__doc__)
    parser.add_argument("folders", type=Path, nargs="+", help="folders of records")
    parser.add_argument("--baseline", default="metric-at", help="label of a row of the board")
    options = parser.parse_args(arguments)
    try:
        lines = compare(options.folders, options.baseline)
    except RecordError as error:
        parser.error(str(error))
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
