"""What every registered defense owes, built-in or a stranger's file."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmark.core.defense import Defense
from benchmark.core.errors import UsageError
from benchmark.core.registry import ATTACKS, DEFENSES, load_plugin_file
from benchmark.models.checkpoint import load_encoder, save_encoder
from benchmark.models.encoder import build_encoder
from tests.tiny_scene import BACKBONE, TRAINING, fit, make_defense, same_weights, tiny_encoder

ONE_EPOCH = TRAINING.model_copy(update={"epochs": 1})

TINY_OPTIONS: dict[str, dict[str, Any]] = {
    "ddid": {
        "discriminator_hidden": 8,
        "balancing_options": {
            "delta1": 5,
            "percentile": 0,
            "attempts": 1,
            "diffusion": {
                "network": {"downscale": 1, "patch": 2, "widths": (8, 8), "groups": 4},
                "steps": 2,
                "batch": 4,
                "sampler_steps": 2,
            },
        },
    },
    "diffpure": {
        "diffusion": {
            "network": {"patch": 1, "widths": (8, 8), "groups": 4},
            "steps": 2,
            "batch": 4,
        }
    },
    "pretrained": {"factory": "tests.plugins.factories:good"},
}
"""Options that make a defense affordable on tiny data; the defaults are tested for validity."""


def check(name: str, folder: Path) -> None:
    """Train for an epoch and try the encoder."""
    defense = make_defense(name, **TINY_OPTIONS.get(name, {}))
    prepared = {need: tiny_encoder() for need in defense.prerequisites()}
    trained = fit(defense, folder, training=ONE_EPOCH, encoders=prepared)
    encoder = trained.encoder
    assert not encoder.training
    images = torch.rand(5, 3, 16, 8)
    with torch.no_grad():
        embeddings = encoder(images)
        assert embeddings.ndim == 2
        assert len(embeddings) == 5
        assert embeddings.dtype == torch.float32
        assert bool(torch.isfinite(embeddings).all())
        if not defense.adaptive.random:
            assert torch.equal(embeddings, encoder(images))
            torch.testing.assert_close(encoder(images[2:3]), embeddings[2:3])
    if not defense.adaptive.non_differentiable:
        leaf = images.clone().requires_grad_(True)
        (gradient,) = torch.autograd.grad(encoder(leaf).square().sum(), leaf)
        assert float(gradient.abs().max()) > 0
    save_encoder(folder, encoder, {})
    again = load_encoder(folder, lambda: defense.build_encoder(lambda: build_encoder(BACKBONE)))
    assert same_weights(encoder, again)


@pytest.mark.parametrize("name", DEFENSES.names())
def test_it_is_a_defense_with_defaults_and_a_card(name: str) -> None:
    plugin = DEFENSES.get(name)
    assert issubclass(plugin, Defense)
    assert plugin.name == name
    assert plugin.parse_config({}) == plugin.Config()
    assert plugin.card.title
    assert plugin.summary()
    assert {*plugin.trained_against, *plugin.also_seen} <= set(ATTACKS.names())
    assert set(plugin(plugin.parse_config({})).prerequisites()) <= set(DEFENSES.names())
    assert not plugin.behaviour().unknown
    with pytest.raises(UsageError, match="unknown key 'no_such_option'"):
        plugin.parse_config({"no_such_option": 1})


@pytest.mark.parametrize("name", DEFENSES.names())
def test_it_trains_and_returns_an_encoder(name: str, tmp_path: Path) -> None:
    check(name, tmp_path)


PLUGIN = '''
from benchmark import Defense, register_defense

@register_defense("my-defense")
class MyDefense(Defense):
    """One line on what it does."""

    class Config(Defense.Config):
        weight: float = 1.0

    def training_step(self, step):          # or fit(), to own the whole of training
        adv = step.attack("metric-pgd", step.images)
        return step.retrieval_loss(step.images) + self.config.weight * step.retrieval_loss(adv)
'''


@pytest.fixture
def plugin_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(DEFENSES, "_classes", dict(DEFENSES._classes))
    path = tmp_path / "contract_defense.py"
    path.write_text(PLUGIN)
    yield path
    sys.modules.pop("reid_robustbench_plugin_contract_defense", None)


def test_the_published_plugin_works(plugin_file: Path, tmp_path: Path) -> None:
    load_plugin_file(plugin_file)
    assert "my-defense" in DEFENSES.names()
    assert DEFENSES.get("my-defense").summary() == "One line on what it does."
    check("my-defense", tmp_path)
    assert make_defense("my-defense", weight=2).config.weight == 2.0  # type: ignore[attr-defined]
