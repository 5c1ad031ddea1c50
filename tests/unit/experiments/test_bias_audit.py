"""Statistics over identities against plain definitions, and the audit on tiny data."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from benchmark.core.errors import UsageError
from benchmark.experiments.bias_audit.bias_figure import binned
from benchmark.experiments.bias_audit.equal_matches import equal_query_and_gallery
from benchmark.experiments.bias_audit.identity_statistics import (
    by_identity,
    difference_interval,
    fullest_shares,
    gap,
    image_counts,
    mean,
    rank_correlation,
    variance,
)
from benchmark.runner.cells.cell import Cell
from results.records.store import load_per_query
from tests.conftest import TINY_PLUGIN
from tests.tiny_scene import image_set

NUMBERS = st.lists(st.integers(0, 6), min_size=3, max_size=12)


def test_values_by_identity_leave_out_queries_without_a_match():
    values = np.array([0.5, 1.0, np.nan, 0.25, np.nan])
    assert by_identity(values, np.array([7, 7, 7, 3, 9])) == {3: 25.0, 7: 75.0}


@given(NUMBERS, st.randoms())
def test_the_rank_correlation_is_that_of_scipy(numbers, random):
    first = np.array(numbers, np.float64)
    second = np.array(random.sample(numbers, len(numbers)), np.float64)
    ours = rank_correlation(first, second)
    if np.ptp(first) == 0:
        assert ours is None
    else:
        assert ours == pytest.approx(spearmanr(first, second).statistic)


def test_a_gap_is_upper_quarter_minus_lower_quarter_with_ties():
    sizes = np.array([1, 1, 2, 3, 4, 5, 6, 9], np.float64)
    values = np.array([10, 30, 0, 0, 0, 0, 60, 80], np.float64)
    assert gap(values, sizes) == pytest.approx(70 - 20)
    assert gap(values, np.ones(8)) == 0


def test_counts_and_shares_of_an_image_set():
    images = image_set(identities=2, cameras=2, per_camera=2)
    uneven = images.subset(np.array([0, 2, 3, 4, 5, 6, 7]))
    assert image_counts(uneven) == {1: 3, 2: 4}
    assert fullest_shares(uneven) == {1: pytest.approx(2 / 3), 2: 0.5}


@pytest.mark.parametrize("matches", [1, 2, 3])
def test_every_query_has_as_many_matches_under_other_cameras(matches):
    images = image_set(identities=5, cameras=3, per_camera=4)
    kept = np.ones(len(images), bool)
    kept[np.flatnonzero(images.pids == 1)[3:]] = False  # one camera alone: left out
    kept[np.flatnonzero(images.pids == 2)[:5]] = False  # an uneven one
    images = images.subset(kept)
    query, gallery = equal_query_and_gallery(images, matches)
    assert not set(query.names) & set(gallery.names)
    assert set(query.pids) == set(images.pids) - {1}
    for pid, camid in zip(query.pids, query.camids, strict=True):
        assert (gallery.pids == pid).sum() == matches
        assert not ((gallery.pids == pid) & (gallery.camids == camid)).any()
    fullest = np.bincount(images.camids[images.pids == 2]).argmax()
    assert set(query.camids[query.pids == 2]) == {fullest}


@settings(max_examples=5)
@given(st.floats(-20, 20))
def test_the_interval_of_a_shift_has_no_width_and_its_variance_is_the_same(shift):
    values = np.array([3.0, 50.0, 20.0, 90.0])
    difference, (low, high) = difference_interval(values + shift, values, mean)
    assert difference == pytest.approx(shift)
    assert (low, high) == (pytest.approx(shift), pytest.approx(shift))
    assert difference_interval(values + shift, values, variance)[0] == pytest.approx(0, abs=1e-9)


def test_bins_are_of_distinct_sizes_in_order():
    x = np.array([8, 8, 8, 8, 4, 5, 6, 7, 8, 8], np.float64)
    centres, means = binned(x, 10 * x)
    assert np.all(np.diff(centres) > 0)
    assert centres[-1] == 8
    np.testing.assert_allclose(means, 10 * centres)
    assert binned(np.ones(4), np.arange(4.0))[1] == pytest.approx(1.5)


def test_the_audit_tells_variances_that_the_records_confirm(run_tiny, tmp_path):
    plugins = [str(TINY_PLUGIN), str(TINY_PLUGIN.parent / "tiny_modules.py")]
    done = run_tiny(
        "bias-audit",
        {"balanced": "tiny-modules", "over": "tiny-defense", "switches": {"first": False}},
        "training.held_out=0.25",
        "training.epochs=1",
        attack=["metric-fgsm", "tiny-attack"],
        plugin=plugins,
    )
    result = done.document["result"]
    assert [row["label"] for row in result["rows"]] == [
        "tiny-defense",
        "tiny-defense + balancing",
    ]
    (path,) = (tmp_path / "out" / "experiments" / "bias-audit" / "records").glob(
        "tiny-defense*.npz"
    )
    stored = load_per_query(path)
    lowest = np.minimum(stored.ap["metric-fgsm@8"], stored.ap["tiny-attack@8"])
    means = [100 * lowest[stored.pids == pid].mean() for pid in np.unique(stored.pids)]
    populations = result["rows"][0]["populations"]
    assert populations["test"]["ap_variance_worst"]["mean"] == pytest.approx(np.var(means))
    assert populations["test"]["ap_mean_worst"]["mean"] == pytest.approx(np.mean(means))
    assert {name: one["identities"] for name, one in populations.items()} == {
        "trained": 9,
        "held-out": 3,
        "test": 6,
    }
    assert len(result["differences"]) == 6
    for row in result["differences"]:
        assert row["variance_ci95"][0] <= row["variance_ci95"][1]
    assert (tmp_path / "out" / "experiments" / "bias-audit" / "bias.png").stat().st_size > 5000


def test_balancing_is_compared_with_nothing_but_what_it_balances(run_tiny):
    """With another defense in its place, the difference would be that of two defenses."""
    plugins = [str(TINY_PLUGIN), str(TINY_PLUGIN.parent / "tiny_modules.py")]
    own = {"balanced": "tiny-modules", "over": "metric-at", "switches": {"first": False}}
    done = run_tiny("bias-audit", own, "training.epochs=1", attack=["tiny-attack"], plugin=plugins)
    rows = [row["label"] for row in done.document["result"]["rows"]]
    assert rows == ["tiny-defense", "metric-at + balancing"]
    assert done.document["result"]["differences"] == []


@pytest.mark.parametrize("options", [{"eps": [4, 8]}, {"attack": ["uap"]}])
def test_what_cannot_be_scored_is_told_before_any_training(run_tiny, monkeypatch, options):
    monkeypatch.setattr(Cell, "compute", lambda *_: pytest.fail("something was computed"))
    with pytest.raises(UsageError, match=r"one budget|trained first"):
        run_tiny("bias-audit", {"balanced": None}, **{"attack": ["tiny-attack"], **options})


def test_without_held_out_identities_there_are_two_populations(run_tiny):
    done = run_tiny("bias-audit", {"balanced": None}, "training.held_out=0", attack=["tiny-attack"])
    (row,) = done.document["result"]["rows"]
    assert set(row["populations"]) == {"trained", "test"}
    assert row["dependence"]["clean"]["spearman_images"] is None, "all have six images"
    assert done.document["result"]["differences"] == []


def test_the_switches_are_options_of_ddid():
    from benchmark.core.registry import DEFENSES
    from benchmark.experiments.bias_audit.bias_audit import BiasAudit

    options = BiasAudit.Config()
    known = DEFENSES.get(options.balanced).Config.model_fields
    assert set(options.switches) <= set(known)
    assert [name for name, on in options.switches.items() if on] == ["balancing"]
