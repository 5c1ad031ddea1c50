"""Whether two defenses differ: paired permutation test, and many tests at once.

The unit that is exchanged is the identity, since queries of one person are not independent. If two
defenses do not differ, the two outcomes of a person may as well belong to the other one each, so
every pattern of signs of the differences of the identities is as likely as the one that was seen.
Good, "Permutation, Parametric and Bootstrap Tests of Hypotheses" (2005); the Monte Carlo form
(b + 1) / (m + 1) is Davison & Hinkley, "Bootstrap Methods and their Application" (1997), sections
4.2 and 4.3; many tests at once: Holm, Scandinavian Journal of Statistics 6 (1979); the bound of a
tail: Chernoff, Annals of Mathematical Statistics 23 (1952).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

DRAWS = 10_000
"""Patterns of signs that are drawn where there are too many to try them all."""

MOST_DRAWS = 100_000
"""Patterns that are drawn for any number of tests; beyond, a bound tells how small p is."""

LEVEL = 0.05
"""Adjusted p below which two rows differ."""

_CHUNK = 2_000
_CELLS = 2_000_000
"""Sums that are held at once."""
_TILTS = (1.0, 1.5, 2.5, 6.0)
"""Multiples of the tilt for small sums at which the bound is tried; each gives a valid one."""
_SURE = 0.01
"""Share of the level below which a bound decides by itself: drawn patterns would say the same."""
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
    extreme = np.zeros(len(rows), dtype=np.int64)
    for signs in _patterns(rows.shape[1], draws, seed):
        step = max(1, _CELLS // max(1, len(rows)))
        for start in range(0, len(signs), step):
            extreme += _as_extreme(signs[start : start + step], rows)
    exact = 2 ** rows.shape[1] <= draws
    p: NDArray[np.float64] = extreme / 2 ** rows.shape[1] if exact else (extreme + 1) / (draws + 1)
    return p


def _patterns(identities: int, draws: int, seed: int) -> Iterator[NDArray[np.float64]]:
    """Yield (n, identities) signs: all patterns if they are no more than `draws`, else so many."""
    exact = 2**identities <= draws
    total = 2**identities if exact else draws
    generator = np.random.default_rng(seed)
    for start in range(0, total, _CHUNK):
        count = min(_CHUNK, total - start)
        if exact:
            bits = np.arange(start, start + count)[:, None] >> np.arange(identities) & 1
        else:
            bits = generator.integers(0, 2, (count, identities))
        yield 1.0 - 2.0 * bits.astype(np.float64)


def _as_extreme(signs: NDArray[np.float64], rows: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return for each of P comparisons how many patterns are as far from zero as what was seen."""
    seen = np.abs(rows.sum(1)) - _TIE * np.abs(rows).sum(1)
    drawn = np.abs(rows @ signs.T)
    found: NDArray[np.int64] = np.count_nonzero(drawn >= seen[:, None], axis=1)
    return found


def sign_flip_bound(sums: ArrayLike) -> NDArray[np.float64]:
    """Return what the p over all 2^K patterns of each comparison is at most, by Chernoff.

    With independent signs s, P(Σ s d ≥ t) ≤ Π cosh(λ d) / exp(λ t) for every λ > 0.

    Args:
        sums: (P, K) differences, as for `sign_flip_p`.
    """
    sizes = np.abs(np.atleast_2d(np.asarray(sums, dtype=np.float64)))
    seen = np.abs(np.atleast_2d(np.asarray(sums, dtype=np.float64)).sum(1))
    squares = np.square(sizes).sum(1)
    small = seen / np.where(squares > 0, squares, 1.0)
    least = np.zeros(len(sizes))
    for tilt in _TILTS:
        tilted = (tilt * small)[:, None] * sizes
        growth = (tilted + np.log1p(np.exp(-2 * tilted)) - np.log(2)).sum(1)
        least = np.minimum(least, growth - tilt * small * seen)
    bound: NDArray[np.float64] = np.minimum(1.0, 2 * np.exp(least))
    return bound


def many_p(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the p of each of P comparisons, small enough to be adjusted for all of them.

    Where so many comparisons would need more than `MOST_DRAWS` patterns, a p that they cannot
    resolve is taken from the bound.
    """
    p = sign_flip_p(sums, draws_for(len(sums)))
    return np.minimum(p, sign_flip_bound(sums)) if _is_coarse(len(sums)) else p


def _is_coarse(tests: int) -> bool:
    """Whether p of so many tests would need more patterns than are drawn."""
    return _wanted(tests) > MOST_DRAWS


def differing(sums: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return whether Holm's p of each of P comparisons is below `LEVEL`.

    The same as ``holm(many_p(sums)) < LEVEL`` with less work: what the bound shows to be far below
    the level is not drawn, and a comparison is left as soon as it has met too many patterns for
    Holm to reject it, whatever the rest would give.
    """
    draws = draws_for(len(sums))
    if 2 ** sums.shape[1] <= draws:
        return _holm(sign_flip_p(sums, draws)) < LEVEL
    bound, coarse = sign_flip_bound(sums), _is_coarse(len(sums))
    differs = _holm(bound) < (LEVEL if coarse else _SURE * LEVEL)
    unsure = np.flatnonzero(~differs)  # Holm goes on with these as if there were no others
    extreme = np.zeros(len(unsure), dtype=np.int64)
    rejected = np.ones(len(unsure), dtype=bool)
    for signs in _patterns(sums.shape[1], draws, 0):
        start = 0
        while rejected.any() and start < len(signs):
            stop = start + max(1, _CELLS // int(rejected.sum()))
            extreme[rejected] += _as_extreme(signs[start:stop], sums[unsure[rejected]])
            least = (extreme + 1) / (draws + 1)  # it only grows
            rejected = _holm(np.minimum(least, bound[unsure]) if coarse else least) < LEVEL
            start = stop
    differs[unsure] = rejected
    return differs


def holm(p: Sequence[float] | NDArray[np.float64]) -> list[float]:
    """Return p adjusted for the number of tests, in the given order.

    The smallest of m is multiplied by m, the next by m - 1, and so on; none is below a smaller one,
    none above 1. Rejecting what is below a level keeps the chance of any false rejection below it.
    """
    return [float(value) for value in _holm(np.asarray(p, dtype=np.float64))]


def _holm(p: NDArray[np.float64]) -> NDArray[np.float64]:
    order = np.argsort(p, kind="stable")
    factors = np.arange(len(p), 0, -1)
    adjusted = np.minimum(1.0, np.maximum.accumulate(p[order] * factors))
    found = np.empty(len(p))
    found[order] = adjusted
    return found


def draws_for(tests: int) -> int:
    """Return how many patterns let the p of one of many tests, adjusted, fall to `LEVEL` / 5.

    They are `MOST_DRAWS` at most.
    """
    return min(MOST_DRAWS, _wanted(tests))


def _wanted(tests: int) -> int:
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
