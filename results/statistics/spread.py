"""How far a row may be trusted: trainings, attack seeds and queries, together and one by one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from results.statistics.bootstrap import resample_counts
from results.statistics.significance import identity_sums

ENOUGH_SEEDS = 3
"""Training seeds from which a spread between trainings is estimated at all."""


def crossed_bootstrap_ci(
    values: ArrayLike, pids: ArrayLike, n: int = 2000, seed: int = 0, level: float = 0.95
) -> tuple[float, float]:
    """Return the percentile interval of a mean when trainings and identities are drawn anew.

    Every training answers the same queries, so the two are crossed, not nested: training seeds and
    identities are resampled independently, and each resample averages over its own of both (the
    pigeonhole bootstrap: Owen, Annals of Applied Statistics 1, 2007; one level of it is Davison &
    Hinkley, 1997, section 3.8). With S trainings the share of the trainings in the variance comes
    out (S - 1) / S too small, as for every bootstrap of few units: 18 % narrower at S = 3.

    Args:
        values: (S, Q) value of each query in each training; NaN marks a query that does not count.
        pids: (Q,) identity of each query.
        n: Number of resamples.
        seed: Of the resampling; the same arguments give the same interval.
        level: Coverage, between 0 and 1.

    Returns:
        Lower and upper bound, in the unit of the values.

    Raises:
        ValueError: There are fewer than `ENOUGH_SEEDS` trainings.
    """
    numbers = np.asarray(values, dtype=np.float64)
    if len(numbers) < ENOUGH_SEEDS:
        raise ValueError(f"{len(numbers)} trainings do not tell how far trainings differ")
    sums, sizes = identity_sums(numbers, pids), identity_sums(~np.isnan(numbers[0]), pids)
    counted = sizes > 0
    sums, sizes = sums[:, counted], sizes[counted]
    trainings = resample_counts(len(numbers), n, seed)
    identities = resample_counts(len(sizes), n, seed + 1)
    totals = ((trainings @ sums) * identities).sum(1)
    means = totals / (len(numbers) * (identities @ sizes))
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


@dataclass(frozen=True)
class VarianceSplit:
    """Where the uncertainty of a row's number comes from, as variances in percent points squared.

    Attributes:
        training: Of a training by itself: from training seed to training seed, attack seeds and
            queries being what they are; None with fewer than two.
        attack: From attack seed to attack seed of one training; None with fewer than two.
        queries: Of the number itself, when the identities are drawn anew.
        trainings: Training seeds that the number is averaged over.
        attacks: Attack seeds that it is averaged over.
    """

    training: float | None
    attack: float | None
    queries: float
    trainings: int
    attacks: int

    @property
    def of_mean(self) -> dict[str, float | None]:
        """Variance that each source gives the mean over all seeds."""
        return {
            "training": None if self.training is None else self.training / self.trainings,
            "attack": None if self.attack is None else self.attack / self.trainings / self.attacks,
            "queries": self.queries,
        }


def variance_split(ap: ArrayLike, pids: ArrayLike) -> VarianceSplit:
    """Split the variance of mAP by trainings, attack seeds within trainings, and queries.

    One-way analysis of variance: with m_st the mAP of training s at attack seed t, the attack part
    is the mean over s of the variance over t; the training part is the variance of the means over
    t, less the attack part over T, and 0 if that is negative. The query part is the variance of the
    ratio of sums over identities, by linearisation (Davison & Hinkley, 1997, section 2.7).

    Args:
        ap: (S, T, Q) average precision in [0, 1]; NaN marks a query that does not count.
        pids: (Q,) identities.
    """
    numbers = 100 * np.asarray(ap, dtype=np.float64)
    trainings, attacks, _ = numbers.shape
    maps = np.nanmean(numbers, axis=2)
    attack = float(maps.var(axis=1, ddof=1).mean()) if attacks > 1 else None
    training = None
    if trainings > 1:
        between = float(maps.mean(1).var(ddof=1))
        training = max(0.0, between - (attack or 0.0) / attacks)
    queries = _sampling_variance(numbers.mean(axis=(0, 1)), pids)
    return VarianceSplit(training, attack, queries, trainings, attacks)


def _sampling_variance(values: NDArray[np.float64], pids: ArrayLike) -> float:
    """Return the variance of the mean of (Q,) values when the identities are drawn anew."""
    sums, sizes = identity_sums(values, pids), identity_sums(~np.isnan(values), pids)
    counted = sizes > 0
    identities = int(counted.sum())
    if identities < 2:
        return 0.0
    deviations = (sums - sums.sum() / sizes.sum() * sizes)[counted]
    scale = identities / (identities - 1)
    return float(scale * np.square(deviations).sum() / sizes.sum() ** 2)
