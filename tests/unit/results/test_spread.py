"""The crossed bootstrap beside a loop, the split of variance beside simulated seeds and queries."""

from __future__ import annotations

import numpy as np
import pytest

from results.statistics.bootstrap import cluster_bootstrap_ci
from results.statistics.spread import crossed_bootstrap_ci, variance_split


def test_equals_a_loop_over_trainings_and_identities() -> None:
    rng = np.random.default_rng(5)
    pids = rng.integers(1, 7, 40)
    names = np.unique(pids)
    values = rng.normal(0, 1, (4, 40))
    values[:, 3] = np.nan
    trainings = np.random.default_rng(2).integers(0, 4, (200, 4))
    identities = np.random.default_rng(3).integers(0, len(names), (200, len(names)))
    means = []
    for some, drawn in zip(trainings, identities, strict=True):
        queries = np.concatenate([np.flatnonzero(pids == names[one]) for one in drawn])
        means.append(np.nanmean([values[training, queries] for training in some]))
    found = crossed_bootstrap_ci(values, pids, n=200, seed=2, level=0.9)
    assert found == pytest.approx(np.quantile(means, [0.05, 0.95]), abs=1e-9)


def test_equal_trainings_leave_the_interval_over_identities() -> None:
    rng = np.random.default_rng(0)
    ap, pids = rng.random(60), np.repeat(np.arange(20), 3)
    crossed = crossed_bootstrap_ci(np.tile(ap, (3, 1)), pids, n=4000)
    given = cluster_bootstrap_ci(ap, pids, n=4000)
    assert 100 * np.array(crossed) == pytest.approx(given, abs=1)


def test_trainings_that_differ_widen_the_interval() -> None:
    rng = np.random.default_rng(1)
    ap, pids = rng.normal(0, 0.1, 60), np.repeat(np.arange(20), 3)
    apart = ap + np.array([[-0.3], [0.0], [0.3]])
    low, high = crossed_bootstrap_ci(apart, pids)
    given = crossed_bootstrap_ci(np.tile(ap, (3, 1)), pids)
    assert high - low > 3 * (given[1] - given[0])


def test_it_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(8)
    covered = 0
    for _ in range(300):
        trainings, people = rng.normal(0, 0.3, (8, 1)), np.repeat(rng.normal(0, 1, 40), 2)
        values = trainings + people + rng.normal(0, 0.5, (8, 80))
        low, high = crossed_bootstrap_ci(values, np.repeat(np.arange(40), 2), n=300)
        covered += low <= 0 <= high
    assert 0.89 <= covered / 300 <= 0.99


def test_two_trainings_give_no_interval() -> None:
    with pytest.raises(ValueError, match="2 trainings"):
        crossed_bootstrap_ci(np.zeros((2, 5)), np.arange(5))


def test_the_split_by_hand() -> None:
    # mAP of trainings: 10 and 14 (mean 12), 20 and 20 (mean 20).
    ap = np.array([[[0.10], [0.14]], [[0.20], [0.20]]]).repeat(3, axis=2)
    split = variance_split(ap, np.arange(3))
    assert split.attack == pytest.approx((8 + 0) / 2)
    assert split.training == pytest.approx(32 - 4 / 2)
    assert split.queries == pytest.approx(0)
    assert split.of_mean == pytest.approx({"training": 15.0, "attack": 1.0, "queries": 0.0})


def test_one_seed_says_nothing_of_seeds() -> None:
    split = variance_split(np.random.default_rng(0).random((1, 1, 9)), np.arange(9) // 3)
    assert (split.training, split.attack) == (None, None)
    assert split.queries > 0
    assert split.of_mean["training"] is None


def test_the_parts_are_those_that_were_put_in() -> None:
    rng = np.random.default_rng(4)
    parts = []
    for _ in range(400):
        trainings = rng.normal(0, 0.03, (4, 1, 1))
        draws = rng.normal(0, 0.02, (4, 3, 1))
        parts.append(variance_split(0.5 + trainings + draws + np.zeros((1, 1, 6)), np.arange(6)))
    assert np.mean([part.training for part in parts]) == pytest.approx(9, rel=0.1)
    assert np.mean([part.attack for part in parts]) == pytest.approx(4, rel=0.1)
    # Attack seeds that differ at random alone leave little that looks like trainings.
    noise = [variance_split(rng.normal(0.5, 0.02, (4, 3, 1)), [0]).training for _ in range(400)]
    assert np.mean(noise) < 1


def test_the_part_of_the_queries_is_that_of_identities_drawn_anew() -> None:
    rng = np.random.default_rng(6)
    pids = np.sort(rng.integers(0, 60, 400))
    ap = np.clip(rng.random(60)[pids] + rng.normal(0, 0.1, 400), 0, 1)
    ap[:5] = np.nan
    names = np.unique(pids)
    means = []
    for _ in range(3000):
        drawn = rng.choice(names, len(names))
        queries = np.concatenate([np.flatnonzero(pids == one) for one in drawn])
        means.append(100 * np.nanmean(ap[queries]))
    split = variance_split(np.broadcast_to(ap, (2, 2, 400)), pids)
    assert split.queries == pytest.approx(np.var(means), rel=0.1)
    assert split.training == pytest.approx(0)
