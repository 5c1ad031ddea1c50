"""What a record says, computed again from the outcome of each query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from results.records.query_outcomes import read_arrays
from results.records.retrieval import AttackResult, SweepPoint, WorstCase
from results.records.schema import Record
from results.records.store import PerQuery
from results.statistics.bootstrap import cluster_bootstrap_ci
from results.statistics.identity_variance import per_identity_variance

Figures = dict[str, float]
"""Numbers by their keys within a record."""


@dataclass(frozen=True)
class Outcome:
    """Outcome of Q queries with one attack seed.

    Attributes:
        ap: (Q,) average precision in [0, 1]; NaN where a query has no match.
        rank: (Q,) rank of the first match; 0 where there is none.
    """

    ap: NDArray[np.float64]
    rank: NDArray[np.int64]

    def summary(self) -> Figures:
        """Return what is averaged over the queries that have a match, in percent."""
        counts = self.rank > 0
        first = self.rank[counts]
        ranks = {f"rank{k}": 100 * float((first <= k).mean()) for k in (1, 5, 10)}
        return {"map": 100 * float(self.ap[counts].mean()), **ranks}


BySeed = Mapping[int | None, Outcome]
"""Outcomes by attack seed; of None where one stands for all."""


def outcomes_of(stored: PerQuery) -> dict[str, BySeed]:
    """Return all outcomes of a file by the key of their attack; the clean ones are ``clean``.

    Raises:
        RecordError: An array is damaged.
        ValueError: A name is not that of an outcome.
        KeyError: An outcome has no ranks.
    """
    found: dict[str, dict[int | None, Outcome]] = {}
    names = list(stored.ap)
    both = zip(names, read_arrays(stored.ap, names), read_arrays(stored.rank, names), strict=True)
    for name, ap, rank in both:
        key, _, seed = name.partition("#")
        found.setdefault(key, {})[int(seed) if seed else None] = Outcome(ap, rank)
    return {
        key: dict(sorted(one.items(), key=lambda item: item[0] or 0)) for key, one in found.items()
    }


def attack_figures(
    result: AttackResult, clean: Outcome, found: BySeed, pids: NDArray[np.int64]
) -> Figures:
    """Return the figures of an attack: means over its attack seeds."""
    summaries = {seed: one.summary() for seed, one in found.items()}
    figures = _means(list(summaries.values()))
    figures |= _interval([one.ap for one in found.values()], pids)
    right = clean.rank == 1
    if right.any() and result.success_rate is not None:
        lost = [float((one.rank[right] > 1).mean()) for one in found.values()]
        figures["success_rate"] = 100 * sum(lost) / len(lost)
    return figures | _seeds(result.by_attack_seed, summaries)


def worst_figures(
    worst: WorstCase, found: Mapping[str, BySeed], pids: NDArray[np.int64]
) -> Figures:
    """Return the figures of a worst case over the attacks that it names."""
    by_seed = _worst_by_seed([found[key] for key in worst.attacks])
    summaries = {seed: one.summary() for seed, one in by_seed.items()}
    means = _means(list(summaries.values()))
    figures = {"map": means["map"], "rank1": means["rank1"]}
    figures |= _interval([one.ap for one in by_seed.values()], pids)
    for key in worst.attacks if worst.attack_share is not None else ():
        shares = [
            float((_at(found[key], seed).ap == one.ap).sum() / (one.rank > 0).sum())
            for seed, one in by_seed.items()
        ]
        figures[f"attack_share.{key}"] = sum(shares) / len(shares)
    return figures | _seeds(worst.by_attack_seed, summaries)


def sweep_figures(record: Record, point: SweepPoint, found: Mapping[str, BySeed]) -> Figures:
    """Return the figures of the worst case at one budget.

    It is over the attacks of that budget whose names are in the worst case of the headline.
    """
    assert record.worst_case is not None
    counted = {key.rpartition("@")[0] for key in record.worst_case.attacks}
    keys = [
        one.key
        for one in record.attacks
        if one.eps == point.eps and one.norm == "linf" and one.name in counted
    ]
    by_seed = _worst_by_seed([found[key] for key in keys])
    means = _means([one.summary() for one in by_seed.values()])
    return {"map": means["map"], "rank1": means["rank1"]}


def bias_figures(
    record: Record, clean: Outcome, found: Mapping[str, BySeed], pids: NDArray[np.int64]
) -> Figures:
    """Return how unevenly the identities fare."""
    assert record.worst_case is not None
    by_seed = _worst_by_seed([found[key] for key in record.worst_case.attacks])
    worst = [per_identity_variance(one.ap, pids) for one in by_seed.values()]
    return {
        "per_id_variance_clean": per_identity_variance(clean.ap, pids),
        "per_id_variance_attacked": sum(worst) / len(worst),
    }


def _worst_by_seed(attacks: Sequence[BySeed]) -> dict[int | None, Outcome]:
    """Return the lowest AP and the highest rank of each query, for each attack seed by itself."""
    seeds = max(attacks, key=len)
    return {
        seed: Outcome(
            np.min([_at(one, seed).ap for one in attacks], axis=0),
            np.max([_at(one, seed).rank for one in attacks], axis=0),
        )
        for seed in seeds
    }


def _at(found: BySeed, seed: int | None) -> Outcome:
    return next(iter(found.values())) if len(found) == 1 else found[seed]


def _means(summaries: Sequence[Figures]) -> Figures:
    return {key: sum(one[key] for one in summaries) / len(summaries) for key in summaries[0]}


def _interval(aps: Sequence[NDArray[np.float64]], pids: NDArray[np.int64]) -> Figures:
    low, high = cluster_bootstrap_ci(np.mean(aps, axis=0), pids)
    return {"ci95_map.0": low, "ci95_map.1": high}


def _seeds(written: Sequence[object], summaries: Mapping[int | None, Figures]) -> Figures:
    """Return the figures of each attack seed by their places in the list of the record."""
    return {
        f"by_attack_seed.{place}.{name}": one[name]
        for place, one in enumerate(summaries.values() if written else ())
        for name in ("map", "rank1")
    }
