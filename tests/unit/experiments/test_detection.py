"""The detection experiment on tiny data: its figures against brute force, and what it refuses."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest

from benchmark.core.errors import UsageError
from benchmark.experiments.detection.detection_report import (
    DetectorResult,
    attack_figures,
    result_of,
)
from benchmark.experiments.detection.detection_scene import ScoredQueries
from benchmark.metrics.ranking import RankingResult

OWN = {
    "experts": 1,
    "expert_defense": "tiny-defense",
    "k": 3,
    "seen": ["metric-fgsm"],
    "weights": [0.0, 0.1],
    "adaptive_steps": 2,
    "steps": 5,
}
OPTIONS = {"attack": ["metric-fgsm", "sma", "random-noise"]}


def test_it_is_measured_once_and_published(run_tiny, tmp_path, monkeypatch):
    done = run_tiny("detection", OWN, "attack.sma.steps=2", **OPTIONS)
    assert not done.failures
    (found,) = done.document["result"].values()
    kinds = {name: one["kind"] for name, one in found["attacks"].items()}
    assert kinds == {
        "metric-fgsm": "seen",
        "sma": "unseen",
        "random-noise": "control",
        "push 0": "adaptive",
        "push 0.1": "adaptive",
        "decoy 0": "adaptive",
        "decoy 0.1": "adaptive",
    }
    assert list(kinds)[:3] == OPTIONS["attack"]
    assert found["fitted_benign"] == found["fitted_attacked"] > 0
    assert found["watched"]["map"] >= found["undetected"]
    home = tmp_path / "out" / "experiments" / "detection"
    assert (home / "roc-tiny-defense-seed-0.png").read_bytes().startswith(b"\x89PNG")
    assert "push 0.1" in (home / "table.md").read_text()

    def never(*_):
        raise AssertionError("computed again")

    monkeypatch.setattr(
        "benchmark.experiments.detection.detector_evaluation.DetectorEvaluation._measure", never
    )
    again = run_tiny("detection", {**OWN, "damage_share": 0.5}, "attack.sma.steps=2", **OPTIONS)
    (second,) = again.document["result"].values()
    assert second["auc_seen"] == found["auc_seen"]
    json.dumps(second, allow_nan=False)


def test_an_interruption_costs_one_attack(run_tiny, monkeypatch):
    """What is finished before a kill is not attacked again, and the result is the same."""
    from benchmark.experiments.detection.detection_scene import DetectionScene

    crafted, attack = [], DetectionScene.attacked

    def until(limit):
        def attacked(self, one, seed, bar):
            if len(crafted) == limit:
                raise KeyboardInterrupt
            crafted.append(one.name)
            return attack(self, one, seed, bar)

        return attacked

    arguments = ("detection", OWN, "attack.sma.steps=2")
    monkeypatch.setattr(DetectionScene, "attacked", until(4))
    with pytest.raises(KeyboardInterrupt):
        run_tiny(*arguments, **OPTIONS)
    assert crafted == ["metric-fgsm", "metric-fgsm", "sma", "random-noise"]
    crafted.clear()
    monkeypatch.setattr(DetectionScene, "attacked", until(None))
    resumed = run_tiny(*arguments, **OPTIONS)
    assert crafted == ["metric-fgsm", *["evading"] * 4]  # the detector is fitted anew
    whole = run_tiny(*arguments, **OPTIONS, fresh=True)
    assert resumed.document["result"] == whole.document["result"]


def scored(scores: list[float], ap: list[float]) -> ScoredQueries:
    values = np.array(ap)
    rank = np.where(np.isnan(values), 0, 1)
    return ScoredQueries(np.array(scores), RankingResult(values, values, rank))


def result() -> DetectorResult:
    nan = float("nan")
    return DetectorResult(
        pids=np.array([1, 1, 2, 2, 3]),
        clean=scored([0.0, 1, 2, 3, 99], [0.8, 0.8, 0.6, 0.6, nan]),
        attacked={
            "known": scored([5.0, 5, 3, 1, -99], [0.1, 0.1, 0.1, 0.1, nan]),
            "strong": scored([0.0, 0, 1, 4, -99], [0.2, 0.2, 0.2, 0.2, nan]),
            "feeble": scored([0.0, 0, 0, 0, -99], [0.7, 0.7, 0.5, 0.5, nan]),
        },
        kinds={"known": "seen", "strong": "adaptive", "feeble": "adaptive"},
        k=3,
        fitted=(4, 4),
    )


def test_the_figures_are_those_of_counting():
    """Queries without a match (the last one) count nowhere, however suspicious."""
    one = attack_figures(result(), "strong", 0.5)
    pairs = list(itertools.product([0, 0, 1, 4], [0, 1, 2, 3]))
    wins = [1.0 if a > b else 0.5 if a == b else 0.0 for a, b in pairs]
    assert one["auc"] == pytest.approx(np.mean(wins))
    assert result().threshold == 3  # none of four clean queries may be flagged at 5 %
    assert one["tpr"] == pytest.approx(25)
    assert one["passing"] == pytest.approx(75)
    assert one["map_of_passing"] == pytest.approx(20)
    assert one["damage"] == pytest.approx(50)


def test_only_adaptive_attacks_that_do_damage_count():
    found = result_of(result(), 0.8)
    assert found["attacks"]["known"]["damage"] == pytest.approx(60)
    assert found["attacks"]["strong"]["keeps_damage"]
    assert not found["attacks"]["feeble"]["keeps_damage"]
    assert found["auc_adaptive"] == found["attacks"]["strong"]["auc"]
    assert result_of(result(), 0.9)["auc_adaptive"] is None
    assert found["auc_unseen"] is None
    assert found["undetected"] == pytest.approx(10)
    # What passes (at most 3): known at the last two queries, strong at the first three.
    assert found["watched"]["map"] == pytest.approx(100 * (0.2 + 0.2 + 0.1 + 0.1) / 4)


@pytest.mark.parametrize(
    ("own", "options", "says"),
    [
        ({"seen": ["fna"]}, {}, "cannot be fitted on 'fna'"),
        ({}, {"eps": [4, 8]}, "one budget"),
        ({}, {"attack": ["metric-fgsm", "muap"]}, "cannot use the attack 'muap'"),
    ],
)
def test_what_cannot_be_measured_is_refused_before_any_training(run_tiny, own, options, says):
    with pytest.raises(UsageError, match=says):
        run_tiny("detection", {**OWN, **own}, **{**OPTIONS, **options})
