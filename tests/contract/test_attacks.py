"""What every registered attack owes, built-in or not."""

from __future__ import annotations

import functools

import pytest
import torch
from torch import nn

from benchmark.core.attack import Attack, AttackBatch
from benchmark.core.errors import UsageError
from benchmark.core.registry import ATTACKS
from benchmark.core.threat import ThreatModel
from tests.tiny_scene import image_set, make_attack, scene, tiny_encoder

pytestmark = pytest.mark.parametrize("name", ATTACKS.names())


@functools.cache
def tiny() -> tuple[nn.Module, AttackBatch]:
    encoder = tiny_encoder()
    return encoder, scene(encoder, image_set(size=(16, 8)))


def test_it_is_an_attack_with_defaults_and_a_card(name: str) -> None:
    plugin = ATTACKS.get(name)
    assert issubclass(plugin, Attack)
    assert plugin.name == name
    assert plugin.parse_config({}) == plugin.Config()
    assert plugin.card.title
    assert plugin.summary().endswith((".", ";"))
    assert isinstance(plugin.threat, ThreatModel)
    assert len(plugin.source_sha256()) == 64
    with pytest.raises(UsageError, match="unknown key 'no_such_option'"):
        plugin.parse_config({"no_such_option": 1})


def test_its_inner_options_are_its_options(name: str) -> None:
    plugin = ATTACKS.get(name)
    assert issubclass(plugin, Attack)
    plugin.parse_config(plugin.inner_options(3, 2.0))


@pytest.mark.parametrize("eps_255", [0.0, 0.5, 8.0, 255.0])
def test_it_is_legal_and_repeatable(name: str, eps_255: float) -> None:
    encoder, batch = tiny()
    before = batch.images.clone()
    first = make_attack(name, eps_255).run(encoder, batch)
    again = make_attack(name, eps_255).run(encoder, batch)
    assert torch.equal(first.images, again.images)
    assert (first.forwards, first.backwards) == (again.forwards, again.backwards)
    assert torch.equal(batch.images, before)
    assert float((first.images - before).abs().max()) <= eps_255 / 255 + 1e-6
    assert 0 <= float(first.images.min()) <= float(first.images.max()) <= 1
    if eps_255 == 0:
        assert torch.equal(first.images, before)
    else:
        assert not torch.equal(first.images, before)
