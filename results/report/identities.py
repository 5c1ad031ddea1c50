"""How unevenly the identities fare, from the outcome of each query."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from results.records.query_outcomes import outcome_under, worst_outcome
from results.records.schema import Record
from results.records.store import PerQuery
from results.report.content import IdentitySpread, Quartiles

BINS = 10
CLEAN = "clean"


def identity_spread(record: Record, outcomes: PerQuery) -> IdentitySpread | None:
    """Return the spread of the identities' mean AP; None without a worst case.

    Args:
        record: What was measured.
        outcomes: Of its queries.

    Raises:
        RecordError: The outcomes lack an attack of the record.
    """
    if record.worst_case is None or not record.worst_case.attacks:
        return None
    found = (outcome_under(outcomes, CLEAN), worst_outcome(record, outcomes))
    clean, worst = (identity_means(one.ap.mean(axis=0), outcomes.pids) for one in found)
    if not (len(clean) and len(worst)):
        return None
    return IdentitySpread(
        identities=len(clean),
        clean=_quartiles(clean),
        worst=_quartiles(worst),
        bins=(_bins(clean), _bins(worst)),
        variance=(float(clean.var()), float(worst.var())),
    )


def identity_means(ap: NDArray[np.float64], pids: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the mean AP of each identity in percent; queries that are NaN do not count."""
    counts = ~np.isnan(ap)
    _, identity = np.unique(pids[counts], return_inverse=True)
    sums, sizes = np.bincount(identity, ap[counts]), np.bincount(identity)
    means: NDArray[np.float64] = 100 * sums / np.maximum(sizes, 1)
    return means


def _quartiles(values: NDArray[np.float64]) -> Quartiles:
    return Quartiles(*(float(one) for one in np.quantile(values, [0, 0.25, 0.5, 0.75, 1])))


def _bins(values: NDArray[np.float64]) -> tuple[int, ...]:
    counts, _ = np.histogram(values, BINS, (0, 100))
    return tuple(int(one) for one in counts)
