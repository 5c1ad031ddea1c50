"""What runs leave in the record: what was seen in training, each budget's worst case, scenarios."""

from __future__ import annotations

import numpy as np
import pytest

from benchmark.core.progress import SilentProgress
from benchmark.runner.run import run_benchmark
from results.board.make_boards import make_boards
from results.records.store import load_per_query

TRAINING = {"epochs": 1, "identities": 4, "images": 2, "inner": {"steps": 1}}


def run(config):
    return run_benchmark(config, SilentProgress())


def lowest(per_query, keys):
    return 100 * np.min([per_query.ap[key] for key in keys], axis=0).mean()


def test_unseen_attacks_and_sweeps_are_recorded(tiny_config):
    config = tiny_config(
        defense=["metric-at"],
        attack=["random-noise", "metric-fgsm", "sma"],
        eps=[4, 8],
        protocol="unseen",
        train_attacks=["metric-fgsm", "metric-pgd"],
        training=TRAINING,
        attack_config={"sma": {"steps": 2}},
    )
    outcome = run(config)
    (fgsm, path), (pgd, _) = outcome.records
    assert fgsm.defense.trained_against == ["metric-fgsm"]
    assert pgd.defense.trained_against == ["metric-pgd"]
    assert (fgsm.training.stand_in, pgd.training.stand_in) == ("metric-fgsm", None)
    assert {a.name for a in fgsm.attacks if a.seen_in_training} == {"metric-fgsm"}
    assert not any(a.seen_in_training for a in pgd.attacks)
    per_query = load_per_query(path.parent / fgsm.per_query)
    assert fgsm.worst_seen.attacks == ["metric-fgsm@8"]
    assert fgsm.worst_unseen.attacks == ["sma@8"]
    assert fgsm.worst_unseen.map == pytest.approx(lowest(per_query, ["sma@8"]))
    assert pgd.worst_seen is None
    assert pgd.worst_unseen is None
    assert [point.eps for point in fgsm.worst_by_eps] == [4, 8]
    for point in fgsm.worst_by_eps:
        keys = [f"{name}@{point.eps:g}" for name in ("metric-fgsm", "sma")]
        assert point.map == pytest.approx(lowest(per_query, keys))
    assert fgsm.worst_by_eps[-1].map == fgsm.worst_case.map
    names = {file.name for file in outcome.board}
    assert {"unseen.md", "unseen.csv", "attacks.csv"} <= names
    assert {name.split("-tiny")[0] for name in names if name.endswith(".svg")} == {
        "trade-off",
        "unseen",
    }


def test_scenarios_are_recorded_and_never_share_a_board(tiny_config):
    options = {"attack": ["metric-pgd"], "attack_config": {"metric-pgd": {"steps": 2}}}
    for scenario in (
        {"side": "gallery", "fraction": 0.5},
        {"side": "gallery"},
        {"intent": "impersonate", "target": "nearest"},
        {"intent": "impersonate", "target": "farthest"},
    ):
        outcome = run(tiny_config(scenario=scenario, training=TRAINING, **options))
        (attack,) = outcome.records[0][0].attacks
        assert attack.fraction == scenario.get("fraction", 1.0)
        assert attack.target_rule == scenario.get("target")
        assert (attack.target is not None) == ("target" in scenario)
    boards = make_boards(outcome.all_records)
    assert [len(board.rows) for board in boards] == [1] * 4
    assert sum(board.targeted for board in boards) == 2
    text = (outcome.board[0]).read_text()
    assert "on 50% of the gallery images" in text
    assert "impersonating the farthest identity" in text
