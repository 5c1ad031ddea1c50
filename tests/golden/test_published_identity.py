"""Published records are those of today's sources and protocol."""

from __future__ import annotations

import pytest

from benchmark.config.load import load_run_config
from benchmark.core.own_packages import ROOT
from benchmark.core.progress import SilentProgress
from benchmark.core.registry import DEFENSES
from benchmark.runner.choice import choose
from benchmark.runner.datasets import RunDatasets
from benchmark.runner.plan import make_plan
from results.records.store import read_records

PUBLISHED = ROOT / "results" / "published"
LITERATURE = {"attack": ["metric-ifgsm", "sma", "fna", "soft-ap"], "attack_seed": [0]}


@pytest.mark.parametrize("folder", ["board", "board-ablation", "board-grid", "board-random"])
def test_rows_carry_the_ids_of_todays_sources(folder: str) -> None:
    found = {
        (one.defense.name, one.defense.behaviour) for one in read_records([PUBLISHED / folder])
    }
    assert found == {(name, DEFENSES.get(name).behaviour().id) for name, _ in found}


@pytest.mark.parametrize(
    ("folder", "options"),
    [
        ("board", {}),
        ("board-cross", {**LITERATURE, "test_dataset": ["synthped-campus"]}),
        ("board-grid", {"attack": ["all"], "attack_seed": [0]}),
    ],
)
def test_a_run_of_today_would_stand_on_the_published_board(
    folder: str, options: dict[str, object]
) -> None:
    config = load_run_config({"preset": "board", "defense": ["none"], **options})
    choice = choose(config)
    plan = make_plan(config, choice, RunDatasets(config, choice, SilentProgress()).manifests())
    (protocol,) = {one.protocol.fingerprint for one in read_records([PUBLISHED / folder])}
    assert plan.protocol == protocol
