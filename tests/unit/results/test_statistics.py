"""The bootstrap beside a loop, and its properties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from results.statistics.bootstrap import cluster_bootstrap_ci, mean_std

QUERIES = st.lists(
    st.tuples(st.one_of(st.floats(0, 1), st.just(float("nan"))), st.integers(1, 6)),
    min_size=1,
    max_size=40,
)


@settings(max_examples=60)
@given(queries=QUERIES, seed=st.integers(0, 99))
def test_interval_is_ordered_and_within_the_identities(
    queries: list[tuple[float, int]], seed: int
) -> None:
    ap, pids = np.array([a for a, _ in queries]), np.array([p for _, p in queries])
    if np.isnan(ap).all():
        with pytest.raises(ValueError, match="no query"):
            cluster_bootstrap_ci(ap, pids)
        return
    low, high = cluster_bootstrap_ci(ap, pids, n=200, seed=seed)
    means = [ap[(pids == pid) & ~np.isnan(ap)].mean() for pid in set(pids[~np.isnan(ap)])]
    assert 100 * min(means) - 1e-9 <= low <= high <= 100 * max(means) + 1e-9
    assert (low, high) == cluster_bootstrap_ci(ap, pids, n=200, seed=seed)


def test_equals_a_loop_over_resamples() -> None:
    rng = np.random.default_rng(5)
    pids = rng.integers(1, 8, 60)
    ap = rng.random(60)
    names = np.unique(pids)
    chosen = np.random.default_rng(3).integers(0, len(names), (300, len(names)))
    means = [
        np.concatenate([ap[pids == names[place]] for place in resample]).mean()
        for resample in chosen
    ]
    expected = 100 * np.quantile(means, [0.05, 0.95])
    found = cluster_bootstrap_ci(ap, pids, n=300, seed=3, level=0.9)
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_one_identity_or_equal_queries_give_a_point() -> None:
    assert cluster_bootstrap_ci([0.2, 0.4], [7, 7]) == pytest.approx((30.0, 30.0))
    assert cluster_bootstrap_ci([1.0] * 9, range(9)) == (100.0, 100.0)
    assert cluster_bootstrap_ci([0.0] * 9, range(9)) == (0.0, 0.0)


def test_clusters_widen_the_interval() -> None:
    rng = np.random.default_rng(0)
    ap = np.repeat(rng.random(20), 10)
    clustered = cluster_bootstrap_ci(ap, np.repeat(np.arange(20), 10))
    independent = cluster_bootstrap_ci(ap, np.arange(200))
    assert clustered[1] - clustered[0] > 2 * (independent[1] - independent[0])


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="shape"):
        cluster_bootstrap_ci([0.1], [1, 2])
    with pytest.raises(ValueError, match="level"):
        cluster_bootstrap_ci([0.1], [1], level=1.0)
    with pytest.raises(ValueError, match="no query"):
        cluster_bootstrap_ci([], [])


def test_mean_and_spread_over_seeds() -> None:
    assert mean_std([3.0]) == (3.0, None)
    assert mean_std([1.0, 2.0, 3.0]) == (2.0, 1.0)
    with pytest.raises(ValueError, match="no values"):
        mean_std([])
