"""What the contract suites are given: a plugin of their kind and options that it has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmark.checks.attack_contract import check_attack
from benchmark.checks.contract import affordable
from benchmark.checks.defense_contract import check_defense
from benchmark.core.attack import Attack
from benchmark.core.defense import Defense
from benchmark.core.errors import UsageError
from benchmark.core.plugin import PluginConfig
from tests.tiny_scene import CPU


class Inner(PluginConfig):
    steps: int = 700
    rate: float = 0.1


class Nested(Attack):
    name = "nested"

    class Config(PluginConfig):
        steps: int | None = None
        inner: Inner = Inner()
        epochs: int = 1


def test_affordable_options_are_smaller_at_any_depth_and_otherwise_the_same() -> None:
    small: Any = affordable(Nested, {"inner": {"rate": 0.5}}, {"steps": 2, "epochs": 3})
    assert small == Nested.Config(inner=Inner(steps=2, rate=0.5))


def test_a_class_of_another_kind_is_told(tmp_path: Path) -> None:
    for suite, plugin in ((check_attack, Defense), (check_defense, Attack)):
        (only,) = suite(plugin, policy=CPU, work_dir=tmp_path)  # type: ignore[operator]
        assert not only.passed
        assert "does not derive" in only.detail


def test_wrong_options_are_an_error_of_the_user(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="unknown key 'stps'"):
        check_attack(Nested, {"stps": 1}, policy=CPU, work_dir=tmp_path)
