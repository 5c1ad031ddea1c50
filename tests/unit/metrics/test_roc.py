"""Areas and thresholds against brute force over all pairs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.metrics.roc import auc_interval, roc_auc, roc_curve, threshold_at

SCORES = st.lists(st.integers(-3, 3).map(float), min_size=1, max_size=12)
"""Few distinct values, so that there are ties."""


def by_pairs(benign, attacked):
    wins = [1.0 if a > b else 0.5 if a == b else 0.0 for a in attacked for b in benign]
    return sum(wins) / len(wins)


@given(SCORES, SCORES)
def test_the_area_is_the_share_of_ordered_pairs(benign, attacked):
    assert roc_auc(benign, attacked) == pytest.approx(by_pairs(benign, attacked), abs=1e-12)


@given(SCORES, SCORES)
def test_turning_the_scores_around_mirrors_the_area(benign, attacked):
    turned = roc_auc([-s for s in benign], [-s for s in attacked])
    assert turned == pytest.approx(1 - roc_auc(benign, attacked), abs=1e-12)


@given(SCORES, SCORES)
def test_the_curve_has_that_area_and_never_falls(benign, attacked):
    fpr, tpr = roc_curve(benign, attacked)
    assert (fpr[0], tpr[0], fpr[-1], tpr[-1]) == (0, 0, 1, 1)
    assert (np.diff(fpr) >= 0).all()
    assert (np.diff(tpr) >= 0).all()
    area = float((np.diff(fpr) * (tpr[1:] + tpr[:-1]) / 2).sum())
    assert area == pytest.approx(roc_auc(benign, attacked), abs=1e-12)


@given(SCORES, SCORES)
def test_each_point_of_the_curve_is_a_threshold(benign, attacked):
    points = set(zip(*(rate.tolist() for rate in roc_curve(benign, attacked)), strict=True))
    for threshold in {*benign, *attacked}:
        flagged = [
            1 - float(np.mean([s < threshold for s in scores])) for scores in (benign, attacked)
        ]
        assert any(np.allclose(flagged, point) for point in points)


@given(SCORES, st.sampled_from([0.0, 0.05, 0.2, 0.5, 0.9]))
def test_the_threshold_is_the_lowest_that_flags_few_enough(benign, rate):
    threshold = threshold_at(benign, rate)
    assert np.mean(np.array(benign) > threshold) <= rate
    lower = [s for s in benign if s < threshold]
    if lower:
        assert np.mean(np.array(benign) > max(lower)) > rate


def test_one_in_twenty_of_forty_is_two():
    assert sum(s > threshold_at(range(40), 0.05) for s in range(40)) == 2


def weighted(benign, attacked, benign_pids, attacked_pids, drawn):
    """Return the area over a sample in which each identity stands as often as it was drawn."""
    low = [s for pid in drawn for s, p in zip(benign, benign_pids, strict=True) if p == pid]
    high = [s for pid in drawn for s, p in zip(attacked, attacked_pids, strict=True) if p == pid]
    return by_pairs(low, high)


def test_the_interval_is_that_of_samples_of_identities():
    rng = np.random.default_rng(3)
    pids = np.array([4, 4, 7, 9, 9, 9])
    benign, attacked = rng.integers(0, 5, 6).astype(float), rng.integers(2, 8, 6).astype(float)
    identities = np.unique(pids)
    draws = np.random.default_rng(5).integers(0, 3, (50, 3))
    areas = [weighted(benign, attacked, pids, pids, identities[row]) for row in draws]
    expected = np.quantile(areas, [0.025, 0.975])
    found = auc_interval(benign, attacked, pids, pids, n=50, seed=5)
    np.testing.assert_allclose(found, expected, atol=1e-12)


@pytest.mark.parametrize("bad", [[], [[1.0]], [np.nan]])
def test_scores_that_are_none_are_refused(bad):
    with pytest.raises(ValueError, match="score"):
        roc_auc(bad, [1.0])
    with pytest.raises(ValueError, match="score"):
        roc_auc([1.0], bad)


def test_kinds_of_other_people_are_refused():
    with pytest.raises(ValueError, match="same identities"):
        auc_interval([0.0, 1.0], [0.0], [1, 2], [1])


@pytest.mark.parametrize("rate", [-0.1, 1.0])
def test_a_rate_that_is_none_is_refused(rate):
    with pytest.raises(ValueError, match="false positive rate"):
        threshold_at([1.0], rate)
