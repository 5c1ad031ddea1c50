"""What stands behind groups of attacks: above all, what a run attacks with if nothing is said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmark.config.attack_groups import ATTACK_GROUPS, expand_attacks
from benchmark.config.load import load_run_config
from benchmark.config.presets import preset_names
from benchmark.core.registry import ATTACKS
from benchmark.runner.choice import choose
from results.board.boards import STANDARD
from results.records.retrieval import ADDITIVE

ROOT = Path(__file__).resolve().parents[3]
PUBLISHED_GRID = (
    *("random-noise", "metric-fgsm", "metric-ifgsm", "metric-mifgsm", "metric-pgd"),
    *("sma", "fna", "odfa"),
)


def expanded(*names: str) -> list[str]:
    return expand_attacks(names, ATTACKS.names())


@pytest.mark.parametrize("preset", preset_names())
def test_a_run_of_any_preset_is_attacked_by_the_published_grid_and_the_standard_ensemble(preset):
    attacks = choose(load_run_config({"defense": ["none"], "preset": preset})).attacks
    assert {*PUBLISHED_GRID, STANDARD} <= {attack.name for attack in attacks}
    (standard,) = (attack for attack in attacks if attack.name == STANDARD)
    assert (standard.threat.norm, standard.is_control) == (ADDITIVE, False)  # the worst case has it


def test_the_published_grid_can_be_chosen_alone():
    assert expanded("published-grid") == list(PUBLISHED_GRID)
    assert expanded("published-grid", STANDARD) == expanded("default")


def test_the_standard_ensemble_may_be_named_beside_the_default():
    assert expanded("default", STANDARD) == expanded("default")
    assert expanded("default", "soft-ap", STANDARD) == [*expanded("default"), "soft-ap"]


def test_all_holds_every_other_group():
    assert set().union(*ATTACK_GROUPS.values()) == set(ATTACK_GROUPS["all"])


@pytest.mark.parametrize("folder", ["board", "board-long"])
def test_presets_of_published_boards_ask_for_the_attacks_that_their_records_hold(folder):
    preset = load_run_config({"defense": ["none"], "preset": folder})
    paths = list((ROOT / "results" / "published" / folder).glob("*.json"))
    assert paths
    for path in paths:
        record = json.loads(path.read_text())
        assert [attack["name"] for attack in record["attacks"]] == expanded(*preset.attack)
