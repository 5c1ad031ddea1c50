"""Pairs of rows: by how much one defense is ahead of another, and how far to trust it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from results.board.boards import Board, Row
from results.board.record_metrics import result_of
from results.errors import RecordError
from results.records.query_outcomes import Measured, of_records, worst_ap
from results.statistics.bootstrap import cluster_bootstrap_ci
from results.statistics.paired_tests import Pair, adjusted_p, attack_pair, worst_pair
from results.statistics.significance import identity_sums, sign_flip_p
from results.statistics.spread import (
    ENOUGH_SEEDS,
    VarianceSplit,
    crossed_bootstrap_ci,
    variance_split,
)

WORST, CLEAN = "worst case", "clean"
"""Names of the contrasts that are of no single attack."""

Interval = tuple[float, float]


@dataclass(frozen=True)
class Contrast:
    """Two rows under one attack, clean or in the worst case; mAP in percent.

    Attributes:
        name: What both rows meet.
        ours: mAP of the first row, over the training seeds that both have.
        theirs: mAP of the second row.
        by_seed: What the first has more, by training seed.
        given: 95% interval of the difference for these trainings: identities are drawn anew.
        crossed: The same when trainings are drawn anew, too; None with too few of them.
        p: Of the paired permutation test, not adjusted.
        effect: Mean over its deviation of the differences of identities, Cohen's d of pairs; None
            if all are the same.
        flips: Queries that only the first, and only the second row gets right at rank 1.
    """

    name: str
    ours: float
    theirs: float
    by_seed: dict[int, float]
    given: Interval
    crossed: Interval | None
    p: float
    effect: float | None
    flips: tuple[float, float]

    @property
    def difference(self) -> float:
        """What the first row has more."""
        return self.ours - self.theirs


@dataclass(frozen=True)
class Comparison:
    """Two rows of a board.

    Attributes:
        board: The board, with its groups.
        first: The one row.
        second: The other row.
        contrasts: The worst case, the clean queries, and each attack that both met.
        adjusted_p: Of the worst case, by Holm over all pairs of the board.
        queries: Queries that are answered.
        identities: Their identities.
        spreads: Where the uncertainty of the worst case of each row comes from, over all seeds
            that it has.
    """

    board: Board
    first: Row
    second: Row
    contrasts: tuple[Contrast, ...]
    adjusted_p: float
    queries: int
    identities: int
    spreads: tuple[VarianceSplit, VarianceSplit]

    @property
    def worst(self) -> Contrast:
        """The contrast that counts."""
        return self.contrasts[0]

    @property
    def seeds(self) -> tuple[int, ...]:
        """Training seeds that both rows have."""
        return tuple(self.worst.by_seed)


def contrast(pair: Pair, name: str) -> Contrast:
    """Return what a pair of rows says."""
    differences = pair.differences
    mean, both = differences.mean(0), (pair.ours, pair.theirs)
    ours, theirs = (100 * float(np.mean([np.nanmean(o.ap) for o in part])) for part in both)
    by_seed = [100 * float(np.nanmean(one)) for one in differences]
    # The bootstrap is of shares in [0, 1]; a difference of two lies in [-1, 1].
    low, high = cluster_bootstrap_ci((mean + 1) / 2, pair.pids)
    crossed = None
    if len(pair.seeds) >= ENOUGH_SEEDS:
        low_crossed, high_crossed = crossed_bootstrap_ci(differences, pair.pids)
        crossed = (100 * low_crossed, 100 * high_crossed)
    return Contrast(
        name=name,
        ours=ours,
        theirs=theirs,
        by_seed=dict(zip(pair.seeds, by_seed, strict=True)),
        given=(2 * low - 100, 2 * high - 100),
        crossed=crossed,
        p=float(sign_flip_p(identity_sums(mean, pair.pids))[0]),
        effect=_effect(mean, pair.pids),
        flips=pair.flips,
    )


def compare(board: Board, first: Row, second: Row, measured: Measured) -> Comparison:
    """Compare two rows of a board at the training seeds that both have.

    Raises:
        RecordError: They share no seed, or the board has no worst case over own identities.
    """
    if board.targeted:
        raise RecordError(
            "per-query files hold ranks of the own identity, not of targets",
            "compare rows of a board whose attacks dodge",
        )
    pair = worst_pair(first.records, second.records, measured)
    rows = [row.records for row in board.rows]
    places = sorted((board.rows.index(first), board.rows.index(second)))
    adjusted = adjusted_p(rows, measured)[places[0], places[1]]
    attacked = (
        contrast(attack_pair(first.records, second.records, measured, key), label)
        for label, key in _common_attacks(board, first, second)
    )
    return Comparison(
        board=board,
        first=first,
        second=second,
        contrasts=(contrast(pair, WORST), *attacked),
        adjusted_p=adjusted,
        queries=len(pair.pids),
        identities=len(np.unique(pair.pids)),
        spreads=(spread_of(first, measured), spread_of(second, measured)),
    )


def spread_of(row: Row, measured: Measured) -> VarianceSplit:
    """Return where the uncertainty of the worst case of a row comes from."""
    found = of_records(row.records, measured).values()
    ap = np.stack([worst_ap(record, measured[record.id]) for record in found])
    return variance_split(ap, measured[next(iter(found)).id].pids)


def _common_attacks(board: Board, first: Row, second: Row) -> Iterator[tuple[str, str]]:
    """Yield label and key of what both rows met with every seed, the clean queries first."""
    yield CLEAN, "clean"
    records = (*first.records, *second.records)
    for attack, label in (*board.attacks.items(), *board.apart.items()):
        found = [result_of(record, attack) for record in records]
        if found[0] is not None and None not in found:
            yield label, found[0].key


def _effect(differences: NDArray[np.float64], pids: NDArray[np.int64]) -> float | None:
    sizes = identity_sums(~np.isnan(differences), pids)
    means = (identity_sums(differences, pids) / np.maximum(sizes, 1))[sizes > 0]
    deviation = float(means.std(ddof=1)) if len(means) > 1 else 0.0
    return float(means.mean()) / deviation if deviation > 0 else None
