"""The worst case of a record: for each attack seed by itself, then the mean over attack seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from benchmark.core.image_set import ImageSet
from benchmark.evaluation.worst_case import worst_case, worst_counts
from benchmark.metrics.ranking import RankingResult
from benchmark.runner.attack_seeds import SeededAttack
from results.records.retrieval import SeedResult, SweepPoint, WorstCase
from results.statistics.bootstrap import cluster_bootstrap_ci
from results.statistics.identity_variance import per_identity_variance

HEADLINE_EPS_255 = 8.0
"""Budget of the worst case when several are swept; the largest one if it is not among them."""

RankingsBySeed = Mapping[int, Mapping[str, RankingResult]]
"""Rankings of some attacks, by attack seed and by key."""


def rankings_of(
    attacks: Sequence[SeededAttack],
    attacked: Mapping[str, RankingResult],
    eps_255: float | None = None,
) -> RankingsBySeed:
    """Return the rankings that the worst case is taken over.

    One budget and one norm; without the control, and without attacks whose budget is no additive
    one.

    Args:
        attacks: Those that count.
        attacked: Rankings by their name in the per-query file.
        eps_255: Budget; None: that of the headline.
    """
    attacks = [
        one
        for one in attacks
        if not one.example.attack.is_control and one.example.attack.threat.norm == "linf"
    ]
    budgets = [one.example.eps_255 for one in attacks]
    if not budgets:
        return {}
    if eps_255 is None:
        eps_255 = HEADLINE_EPS_255 if HEADLINE_EPS_255 in budgets else max(budgets)
    attacks = [one for one in attacks if one.example.eps_255 == eps_255]
    names = {cell.fingerprint: key for one in attacks for key, cell in one.by_key.items()}
    seeds = max((one.seeds for one in attacks), key=len, default=())
    return {
        seed: {one.key: attacked[names[one.at(seed).fingerprint]] for one in attacks}
        for seed in seeds
    }


def among(rankings: RankingsBySeed, keys: set[str]) -> RankingsBySeed:
    """Return the rankings of some attacks alone; nothing where there are none."""
    parts = {s: {k: one for k, one in by.items() if k in keys} for s, by in rankings.items()}
    return {seed: part for seed, part in parts.items() if part}


def worst_result(rankings: RankingsBySeed, query: ImageSet) -> WorstCase | None:
    """Return the worst case of some attacks, None if there are none.

    An attacker draws once: each attack seed has a worst case of its own, and the headline is their
    mean, not the worst over all draws.
    """
    if not rankings:
        return None
    worst = {seed: worst_case(by_key) for seed, by_key in rankings.items()}
    summaries = {seed: one.summary() for seed, one in worst.items()}
    shares = [
        {key: count / summaries[seed]["queries"] for key, count in worst_counts(by_key).items()}
        for seed, by_key in rankings.items()
    ]
    return WorstCase(
        map=_mean([one["map"] for one in summaries.values()]),
        rank1=_mean([one["rank1"] for one in summaries.values()]),
        ci95_map=cluster_bootstrap_ci(np.mean([w.ap for w in worst.values()], axis=0), query.pids),
        attacks=list(shares[0]),
        attack_share={key: _mean([one[key] for one in shares]) for key in shares[0]},
        by_attack_seed=seed_results(summaries),
    )


def seed_results(summaries: Mapping[int, Mapping[str, float]]) -> list[SeedResult]:
    """Return mAP and rank-1 by attack seed; nothing to list if there is one."""
    if len(summaries) == 1:
        return []
    return [
        SeedResult(attack_seed=seed, map=one["map"], rank1=one["rank1"])
        for seed, one in summaries.items()
    ]


def worst_by_eps(
    attacks: Sequence[SeededAttack], attacked: Mapping[str, RankingResult]
) -> list[SweepPoint]:
    """Return the worst case at each budget, in ascending order."""
    points = []
    for eps in sorted({one.example.eps_255 for one in attacks}):
        rankings = rankings_of(attacks, attacked, eps)
        if rankings:
            worst = [worst_case(by_key).summary() for by_key in rankings.values()]
            means = {name: _mean([one[name] for one in worst]) for name in ("map", "rank1")}
            points.append(SweepPoint(eps=eps, **means))
    return points


def bias_of(
    clean: RankingResult, rankings: RankingsBySeed, pids: NDArray[np.int64]
) -> dict[str, float] | None:
    """Return how unevenly identities fare, clean and in the worst case; None without an attack."""
    if not rankings:
        return None
    worst = [per_identity_variance(worst_case(one).ap, pids) for one in rankings.values()]
    return {
        "per_id_variance_clean": per_identity_variance(clean.ap, pids),
        "per_id_variance_attacked": _mean(worst),
    }


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
