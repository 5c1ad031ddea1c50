"""What every registered attack owes, built-in or not."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import pytest

from benchmark.checks.attack_contract import check_attack
from benchmark.checks.canary import Stage, rank_clean
from benchmark.core.attack import Attack
from benchmark.core.errors import UsageError
from benchmark.core.registry import ATTACKS
from benchmark.core.threat import ThreatModel
from tests.tiny_scene import CPU, image_set, tiny_encoder

pytestmark = pytest.mark.parametrize("name", ATTACKS.names())


@functools.cache
def tiny_stage() -> Stage:
    """Images of 16 x 8 and random encoders, in place of the canary."""
    images = image_set(identities=6, per_camera=3, size=(16, 8))
    is_query = np.arange(len(images)) % 3 == 0
    query, gallery = images.subset(is_query), images.subset(~is_query)
    train = image_set(identities=8, size=(16, 8), first_pid=11)
    target = tiny_encoder()
    clean = rank_clean(target, query, gallery, CPU)
    return Stage(target, tiny_encoder(1), query, gallery, train, clean, CPU)


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
