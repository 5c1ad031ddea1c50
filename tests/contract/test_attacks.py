"""What every registered attack owes, built-in or not."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmark.checks.attack_contract import check_attack
from benchmark.core.attack import Attack
from benchmark.core.errors import UsageError
from benchmark.core.registry import ATTACKS
from benchmark.core.threat import ThreatModel
from tests.tiny_scene import CPU
from tests.tiny_stage import tiny_stage

pytestmark = pytest.mark.parametrize("name", ATTACKS.names())


def test_it_is_an_attack_with_defaults_and_a_card(name: str) -> None:
    plugin = ATTACKS.get(name)
    assert issubclass(plugin, Attack)
    assert plugin.name == name
    assert plugin.parse_config({}) == plugin.Config()
    assert plugin.card.title
    assert plugin.summary().endswith((".", ";"))
    assert isinstance(plugin.threat, ThreatModel)
    with pytest.raises(UsageError, match="unknown key 'no_such_option'"):
        plugin.parse_config({"no_such_option": 1})


def test_it_keeps_its_contract(name: str, tmp_path: Path) -> None:
    results = check_attack(ATTACKS.get(name), policy=CPU, work_dir=tmp_path, stage=tiny_stage())
    assert len(results) >= 10
    assert not [result for result in results if not result.passed or result.warns]
