"""Two rows side by side: the same queries at the training seeds that both have."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from results.errors import RecordError
from results.records.query_outcomes import (
    Measured,
    QueryOutcome,
    of_records,
    outcome_under,
    worst_ap,
    worst_outcome,
)
from results.records.schema import Record
from results.records.store import PerQuery
from results.statistics.significance import differing, holm, identity_sums, many_p, tie_groups

RowStyle = Callable[[Record, PerQuery], QueryOutcome]
"""Returns the outcome that is compared."""


@dataclass(frozen=True)
class Pair:
    """The outcomes of two rows.

    Attributes:
        seeds: Training seeds that both have, S of them.
        pids: (Q,) identities of the queries.
        ours: Of the first row, at each seed.
        theirs: Of the second row, at each seed.
    """

    seeds: tuple[int, ...]
    pids: NDArray[np.int64]
    ours: tuple[QueryOutcome, ...]
    theirs: tuple[QueryOutcome, ...]

    @property
    def differences(self) -> NDArray[np.float64]:
        """(S, Q) what the first row has more in AP, averaged over attack seeds."""
        both = zip(self.ours, self.theirs, strict=True)
        return np.stack([ours.ap.mean(0) - theirs.ap.mean(0) for ours, theirs in both])

    @property
    def flips(self) -> tuple[float, float]:
        """Queries that only the first row, and that only the second gets right at rank 1.

        Means over training and attack seeds.
        """
        both = list(zip(self.ours, self.theirs, strict=True))
        ours = [(a.first & ~b.first).sum(1).mean() for a, b in both]
        theirs = [(b.first & ~a.first).sum(1).mean() for a, b in both]
        return float(np.mean(ours)), float(np.mean(theirs))


def common_seeds(
    ours: Sequence[Record], theirs: Sequence[Record], measured: Measured
) -> tuple[int, ...]:
    """Return the training seeds at which the outcomes of both rows are at hand."""
    return tuple(sorted(of_records(ours, measured).keys() & of_records(theirs, measured).keys()))


def make_pair(
    ours: Sequence[Record], theirs: Sequence[Record], measured: Measured, look: RowStyle
) -> Pair:
    """Put two rows side by side.

    Args:
        ours: Records of the first row.
        theirs: Records of the second row.
        measured: Outcomes of their queries.
        look: What is compared.

    Raises:
        RecordError: They share no training seed, or were not measured on the same queries.
    """
    seeds = common_seeds(ours, theirs, measured)
    if not seeds:
        raise RecordError(
            "the two rows have no training seed with per-query files in common",
            "run both with the same --seed",
        )
    one, other = of_records(ours, measured), of_records(theirs, measured)
    found = [(measured[one[seed].id], measured[other[seed].id]) for seed in seeds]
    first = found[0][0]
    if any(not np.array_equal(p.queries, first.queries) for both in found for p in both):
        raise RecordError("the two rows answer different queries", "run both on the same data")
    return Pair(
        seeds,
        first.pids,
        tuple(look(one[seed], a) for seed, (a, _) in zip(seeds, found, strict=True)),
        tuple(look(other[seed], b) for seed, (_, b) in zip(seeds, found, strict=True)),
    )


def worst_pair(ours: Sequence[Record], theirs: Sequence[Record], measured: Measured) -> Pair:
    """Put the worst cases of two rows side by side; raises what `make_pair` does."""
    return make_pair(ours, theirs, measured, worst_outcome)


def attack_pair(
    ours: Sequence[Record], theirs: Sequence[Record], measured: Measured, key: str
) -> Pair:
    """Put two rows under one attack side by side; raises what `make_pair` does."""
    return make_pair(ours, theirs, measured, partial(_under, key=key))


def _under(record: Record, outcomes: PerQuery, key: str) -> QueryOutcome:
    return outcome_under(outcomes, key)


def adjusted_p(
    rows: Sequence[Sequence[Record]], measured: Measured
) -> dict[tuple[int, int], float]:
    """Return Holm's p of the worst cases of all pairs of rows that share a training seed.

    Args:
        rows: Records of each row.
        measured: Outcomes of their queries.

    Returns:
        By the places of the two rows, the earlier one first.
    """
    pairs, sums = _worst_differences(rows, measured)
    return dict(zip(pairs, holm(many_p(sums)), strict=True)) if pairs else {}


def _worst_differences(
    rows: Sequence[Sequence[Record]], measured: Measured
) -> tuple[list[tuple[int, int]], NDArray[np.float64]]:
    """Return the P pairs of rows that share a training seed, and (P, K) what the first has more.

    That is the worst-case AP summed over the queries of each identity, averaged over attack seeds
    and the training seeds that both have. The worst case of a record is computed once.
    """
    of_seed = [of_records(row, measured) for row in rows]
    sums = _worst_sums([record for one in of_seed for record in one.values()], measured)
    pairs: dict[tuple[int, ...], list[tuple[int, int]]] = {}
    for a, b in combinations(range(len(rows)), 2):
        if shared := tuple(sorted(of_seed[a].keys() & of_seed[b].keys())):
            pairs.setdefault(shared, []).append((a, b))
    parts = []
    for seeds, found in pairs.items():
        places = np.array(found)
        shared_rows, ends = np.unique(places, return_inverse=True)
        means = np.stack(
            [
                np.mean([sums[of_seed[row][seed].id] for seed in seeds], axis=0)
                for row in shared_rows.tolist()
            ]
        )
        first, second = ends.reshape(-1, 2).T
        parts.append(means[first] - means[second])
    together = [pair for found in pairs.values() for pair in found]
    return together, np.concatenate(parts) if parts else np.empty((0, 0))


def _worst_sums(records: Sequence[Record], measured: Measured) -> dict[str, NDArray[np.float64]]:
    """Return (K,) sums of the worst-case AP over the queries of each identity, by record.

    A query that does not count in one record counts in none.

    Raises:
        RecordError: The records are not of the same queries.
    """
    if not records:
        return {}
    first = measured[records[0].id]
    if any(not np.array_equal(measured[one.id].queries, first.queries) for one in records):
        raise RecordError("the rows answer different queries", "run them on the same data")
    ap = np.stack([worst_ap(one, measured[one.id]).mean(0) for one in records])
    ap[:, np.isnan(ap).any(0)] = np.nan
    sums = identity_sums(ap, first.pids)
    return {record.id: part for record, part in zip(records, sums, strict=True)}


def groups_of(rows: Sequence[Sequence[Record]], measured: Measured) -> tuple[int | None, ...]:
    """Return the tie group of each row, None where no outcomes are at hand.

    Two rows differ if Holm's p over all pairs is below `LEVEL`; a pair without a common training
    seed cannot be tested and does not differ.

    Args:
        rows: Records of each row, the best row first.
        measured: Outcomes of their queries.
    """
    known = [place for place, row in enumerate(rows) if of_records(row, measured)]
    pairs, sums = _worst_differences([rows[place] for place in known], measured)
    differ = {pair for pair, one in zip(pairs, differing(sums), strict=True) if one}
    found = tie_groups(len(known), lambda a, b: (a, b) in differ)
    groups = dict(zip(known, found, strict=True))
    return tuple(groups.get(place) for place in range(len(rows)))
