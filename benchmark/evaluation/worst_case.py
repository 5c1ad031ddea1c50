"""The worst case over attacks: the attacker picks the best attack for each query."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from benchmark.metrics.ranking import RankingResult


def worst_case(results: Mapping[str, RankingResult]) -> RankingResult:
    """Return the lowest AP and INP and the highest rank of each query over several attacks.

    Valid because the gallery is fixed and queries do not touch each other, so an attacker may
    choose per query.

    Args:
        results: Outcome of each attack, by name, over the same queries.

    Raises:
        ValueError: No attack, or attacks that were not scored on the same queries.
    """
    _check_same_queries(results)
    return RankingResult(
        np.min([result.ap for result in results.values()], axis=0),
        np.min([result.inp for result in results.values()], axis=0),
        np.max([result.rank for result in results.values()], axis=0),
    )


def worst_counts(results: Mapping[str, RankingResult]) -> dict[str, int]:
    """Count for each attack the queries at which no other attack leaves a lower AP.

    Attacks that tie at a query each count it, so that the counts may add up to more than the
    number of queries.

    Raises:
        ValueError: As `worst_case`.
    """
    lowest: NDArray[np.float64] = worst_case(results).ap
    return {name: int((result.ap == lowest).sum()) for name, result in results.items()}


def _check_same_queries(results: Mapping[str, RankingResult]) -> None:
    if not results:
        raise ValueError("a worst case needs at least one attack")
    first_name, first = next(iter(results.items()))
    for name, result in results.items():
        if not np.array_equal(result.valid, first.valid):
            raise ValueError(f"{name} and {first_name} were not scored on the same queries")
