"""Whether two defenses differ: paired permutation test, and many tests at once.

The unit that is exchanged is the identity, since queries of one person are not independent. If two
defenses do not differ, the two outcomes of a person may as well belong to the other one each, so
every pattern of signs of the differences of the identities is as likely as the one that was seen.
Good, "Permutation, Parametric and Bootstrap Tests of Hypotheses" (2005); the Monte Carlo form
(b + 1) / (m + 1) is Davison & Hinkley, "Bootstrap Methods and their Application" (1997), sections
4.2 and 4.3; many tests at once: Holm, Scandinavian Journal of Statistics 6 (1979).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

DRAWS = 10_000
"""Patterns of signs that are drawn where there are too many to try them all."""

LEVEL = 0.05
"""Adjusted p below which two rows differ."""

_CHUNK = 2_000
_TIE = 1e-9
"""Sums closer than this share of the largest possible one are the same sum, but for rounding."""


def identity_sums(values: ArrayLike, pids: ArrayLike) -> NDArray[np.float64]:
    """Return (…, K) sums over the queries of each identity.

    Args:
        values: (…, Q); NaN where a query does not count.
        pids: (Q,) identities.
    """
    labels = np.asarray(pids)
    order = np.argsort(labels, kind="stable")
    _, starts = np.unique(labels[order], return_index=True)
    numbers = np.nan_to_num(np.asarray(values, dtype=np.float64))[..., order]
    sums: NDArray[np.float64] = np.add.reduceat(numbers, starts, axis=-1)
    return sums


def sign_flip_p(sums: ArrayLike, draws: int = DRAWS, seed: int = 0) -> NDArray[np.float64]:
    """Return the two-sided p of each of P paired comparisons.

    The statistic is the sum over identities, that is the difference in mAP times the number of
    queries. All 2^K patterns are tried if they are no more than `draws`; otherwise so many are
    drawn, and p = (b + 1) / (draws + 1) with b of them at least as far from zero as what was seen.

    Args:
        sums: (P, K) differences, summed over the queries of each of K identities.
        draws: Patterns to draw.
        seed: Of the drawing; all comparisons share the patterns.
    """
    rows = np.atleast_2d(np.asarray(sums, dtype=np.float64))
    identities = rows.shape[1]
    seen = np.abs(rows.sum(1)) - _TIE * np.abs(rows).sum(1)
    exact = 2**identities <= draws
    total = 2**identities if exact else draws
    generator = np.random.default_rng(seed)
    extreme = np.zeros(len(rows), dtype=np.int64)
    for start in range(0, total, _CHUNK):
        count = min(_CHUNK, total - start)
        if exact:
            patterns = np.arange(start, start + count)[:, None] >> np.arange(identities) & 1
        else:
            patterns = generator.integers(0, 2, (count, identities))
        flipped = np.abs((1.0 - 2.0 * patterns) @ rows.T)
        extreme += (flipped >= seen).sum(0)
    p: NDArray[np.float64] = extreme / total if exact else (extreme + 1) / (total + 1)
    return p


def holm(p: Sequence[float]) -> list[float]:
    """Return p adjusted for the number of tests, in the given order.

    The smallest of m is multiplied by m, the next by m - 1, and so on; none is below a smaller one,
    none above 1. Rejecting what is below a level keeps the chance of any false rejection below it.
    """
    order = np.argsort(p, kind="stable")
    factors = np.arange(len(p), 0, -1)
    adjusted = np.minimum(1.0, np.maximum.accumulate(np.asarray(p)[order] * factors))
    found = np.empty(len(p))
    found[order] = adjusted
    return [float(value) for value in found]


def draws_for(tests: int) -> int:
    """Return how many patterns let the p of one of many tests, adjusted, fall to `LEVEL` / 5."""
    return max(DRAWS, round(5 * tests / LEVEL))


def tie_groups(count: int, differ: Callable[[int, int], bool]) -> list[int]:
    """Sort rows into groups 1, 2, … whose members do not differ from the best of the group.

    The first row leads group 1, and every row that does not differ from it belongs there, wherever
    it stands. The first of the rest leads group 2, and so on. So a row may differ from another one
    of its group, which is why groups are always relative to their leader.

    Args:
        count: Rows, the best first.
        differ: Whether two rows, the better one first, differ.
    """
    groups = [0] * count
    group = 0
    for leader in range(count):
        if groups[leader]:
            continue
        group += 1
        groups[leader] = group
        for row in range(leader + 1, count):
            if not groups[row] and not differ(leader, row):
                groups[row] = group
    return groups
