"""Rows of an ablation: which modules are on, and gains against numpy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmark.core.errors import UsageError
from benchmark.experiments.ablation.ablation import PAPER_GAINS, ablation_rows
from benchmark.experiments.summary import paired_gain
from results.records.store import load_per_query
from tests.conftest import TINY_PLUGIN

MODULES = TINY_PLUGIN.parent / "tiny_modules.py"
OPTIONS = {
    "defense": ["tiny-defense", "tiny-modules"],
    "attack": ["metric-fgsm", "tiny-attack"],
    "plugin": [str(TINY_PLUGIN), str(MODULES)],
}
OWN = {"modules": ["first", "second", "third"]}


def test_rows_are_the_baseline_singles_all_and_all_but_one():
    rows = ablation_rows("base", "whole", ["a", "b", "c"])
    assert [(row.variant.label, row.modules) for row in rows] == [
        ("base", None),
        ("+ a", ("a",)),
        ("+ b", ("b",)),
        ("+ c", ("c",)),
        ("all", ("a", "b", "c")),
        ("all − a", ("b", "c")),
        ("all − b", ("a", "c")),
        ("all − c", ("a", "b")),
    ]
    assert rows[0].variant.settings == {}
    assert rows[2].variant.settings == {"defense.a": False, "defense.b": True, "defense.c": False}
    assert len(ablation_rows("base", "whole", ["a", "b"])) == 4


def test_the_modules_of_the_paper_are_switches_of_ddid():
    from benchmark.core.registry import DEFENSES
    from benchmark.experiments.ablation.ablation import Ablation

    options = DEFENSES.get("ddid").parse_config({})
    modules = Ablation.Config().modules
    assert [getattr(options, module) for module in modules] == [True] * 4
    labels = [row.variant.label for row in ablation_rows("metric-at", "ddid", modules)]
    assert set(PAPER_GAINS) <= set(labels)


def test_gains_are_of_the_same_queries_at_each_seed(run_tiny, tmp_path):
    done = run_tiny("ablation", OWN, "training.epochs=1", seed=[0, 1], **OPTIONS)
    result = done.document["result"]
    rows = {row["label"]: row for row in result["rows"]}
    assert rows["all − first"]["modules"] == ["second", "third"]
    assert rows["tiny-defense"]["modules"] is None
    assert rows["tiny-defense"]["gain"] == {}
    folder = tmp_path / "out" / "experiments" / "ablation" / "records"

    def clean_ap(label, seed):
        record_id = rows[label]["records"][seed]
        (path,) = folder.glob(f"*{record_id[:8]}.per_query.npz")
        return load_per_query(path).ap["clean"]

    for seed in (0, 1):
        gain = rows["+ second"]["gain"]["clean"]["by_seed"][str(seed)]
        expected = 100 * np.mean(clean_ap("+ second", seed) - clean_ap("tiny-defense", seed))
        assert gain == pytest.approx(expected)
    low, high = rows["+ second"]["gain"]["clean"]["ci95"]
    assert low <= rows["+ second"]["gain"]["clean"]["mean"] <= high
    assert len({tuple(row["records"]) for row in rows.values()}) == 8, "every row is another one"
    text = Path(done.files[0]).read_text()
    assert "all − third" in text
    assert "worst: gain over tiny-defense" in text


def test_an_ablation_wants_two_defenses(run_tiny):
    with pytest.raises(UsageError, match="one defense over one baseline"):
        run_tiny("ablation", OWN, **{**OPTIONS, "defense": ["tiny-defense"]})


def test_a_gain_of_one_identity_has_no_spread_and_needs_a_common_seed():
    ours = {0: np.array([0.5, 0.75, np.nan]), 3: np.array([1.0, 1.0, np.nan])}
    theirs = {0: np.array([0.25, 0.5, np.nan]), 1: np.array([0.0, 0.0, np.nan])}
    gain = paired_gain(ours, theirs, np.array([4, 4, 5]))
    assert gain.by_seed == {0: pytest.approx(25.0)}
    assert gain.ci95 == (pytest.approx(25.0), pytest.approx(25.0))
    assert paired_gain({0: ours[0]}, {1: theirs[1]}, np.array([4, 4, 5])) is None
