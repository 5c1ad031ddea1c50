"""Numbers over seeds: means with their spread, and paired gains with their interval."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.experiments.findings import MISSING, Table, spread
from results.board.columns import TableCell
from results.statistics.bootstrap import cluster_bootstrap_ci, mean_std

AP = NDArray[np.float64]


@dataclass(frozen=True)
class OverSeeds:
    """A figure over seeds.

    Attributes:
        by_seed: Its value at each seed.
    """

    by_seed: Mapping[int, float]

    @property
    def mean(self) -> float:
        """Mean over seeds."""
        return mean_std(list(self.by_seed.values()))[0]

    @property
    def sd(self) -> float | None:
        """Sample standard deviation; None at a single seed."""
        return mean_std(list(self.by_seed.values()))[1]

    def cell(self, digits: int = 1) -> TableCell:
        """Return the cell of a table: ``20.3 ± 0.9``."""
        return spread(self.mean, self.sd, digits)

    def as_json(self) -> dict[str, Any]:
        """Return the values at each seed with mean and standard deviation."""
        by_seed = {str(seed): value for seed, value in self.by_seed.items()}
        return {"mean": self.mean, "sd": self.sd, "by_seed": by_seed}


Summaries = dict[str, dict[str, OverSeeds]]
"""Figures over seeds, by row and name."""


def over_seeds(figures: Mapping[str, Mapping[int, Mapping[str, float]]]) -> Summaries:
    """Return figures by row and name, over seeds; those that some seed of a row lacks are left out.

    Args:
        figures: By row, seed and name.
    """
    return {
        label: {
            name: OverSeeds({seed: one[name] for seed, one in by_seed.items()})
            for name in next(iter(by_seed.values()))
            if all(name in one for one in by_seed.values())
        }
        for label, by_seed in figures.items()
    }


def as_json(row: Mapping[str, OverSeeds]) -> dict[str, Any]:
    """Return the figures of a row as plain values."""
    return {name: one.as_json() for name, one in row.items()}


def summary_table(
    title: str,
    columns: Mapping[str, str],
    summaries: Mapping[str, Mapping[str, OverSeeds]],
    note: str,
    digits: int = 1,
) -> Table:
    """Return a table of figures over seeds, a row for each defense.

    Args:
        title: What it shows.
        columns: Headings of the figures, by name.
        summaries: Figures by row and name.
        note: What a reader must know.
        digits: Digits after the point.
    """
    rows = [
        (label, [row[name].cell(digits) if name in row else TableCell(MISSING) for name in columns])
        for label, row in summaries.items()
    ]
    return Table(title, "Defense", list(columns.values()), rows, note)


@dataclass(frozen=True)
class PairedGain:
    """What one row has more than another in mAP, in percent points, on the same queries.

    Attributes:
        by_seed: At each seed that both have.
        ci95: Interval of the mean over these seeds when query identities are drawn anew; the
            spread between trainings is not in it.
    """

    by_seed: Mapping[int, float]
    ci95: tuple[float, float]

    @property
    def mean(self) -> float:
        """Mean over seeds."""
        return float(np.mean(list(self.by_seed.values())))

    def cell(self) -> TableCell:
        """Return the cell of a table: ``+0.59 [-0.38, +1.67]``."""
        return TableCell(f"{self.mean:+.2f} [{self.ci95[0]:+.2f}, {self.ci95[1]:+.2f}]")

    def as_json(self) -> dict[str, Any]:
        """Return mean, interval and the value at each seed."""
        by_seed = {str(seed): value for seed, value in self.by_seed.items()}
        return {"mean": self.mean, "ci95": list(self.ci95), "by_seed": by_seed}


def paired_gain(
    ours: Mapping[int, AP], theirs: Mapping[int, AP], pids: NDArray[np.int64]
) -> PairedGain | None:
    """Compare the AP of each query of two rows, at the seeds that both have.

    Args:
        ours: By seed: (Q,) AP in [0, 1]; NaN where a query does not count.
        theirs: The same of what is compared with.
        pids: (Q,) identities of the queries.

    Returns:
        None if they have no seed in common.
    """
    seeds = sorted(ours.keys() & theirs.keys())
    if not seeds:
        return None
    differences = [ours[seed] - theirs[seed] for seed in seeds]
    by_seed = {s: 100 * float(np.nanmean(d)) for s, d in zip(seeds, differences, strict=True)}
    # The bootstrap is of shares in [0, 1]; a difference of two lies in [-1, 1].
    low, high = cluster_bootstrap_ci((np.mean(differences, axis=0) + 1) / 2, pids)
    return PairedGain(by_seed, (2 * low - 100, 2 * high - 100))
