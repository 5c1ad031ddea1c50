"""Every kind of network trains a step with every kind of defense, and shows its gradient."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from benchmark.core.progress import SilentProgress
from benchmark.core.registry import BACKBONES
from benchmark.models.backbone import Backbone, BackboneConfig
from benchmark.models.encoder import build_encoder
from benchmark.models.timm_vit import ViTSmall
from benchmark.training.fit import Task, fit_defense
from tests.tiny_scene import CPU, ONE_EPOCH, image_set, make_defense, same_weights

SIZE = (64, 32)
OFF = {"balancing": False, "discriminator": False, "fnes": False, "self_meta": False}
DEFENSES: dict[str, dict[str, Any]] = {
    "none": {},
    "metric-at": {},
    "free-at": {"replays": 2},
    "ddid": {**OFF, "fnes": True, "discriminator": True, "discriminator_hidden": 8},
    "ddid, second order": {**OFF, "self_meta": True, "second_order": True},
    "circuitous-scaling": {},
}
"""Kinds: plain; an inner attack; replays with the image's gradient; heads on features; gradients of
gradients through the weights as arguments; a wrapped encoder."""


class TinyViT(ViTSmall):
    """A vision transformer of two blocks."""

    network = "vit_tiny_patch16_224"
    options = {"depth": 2, "embed_dim": 24, "num_heads": 2}


@pytest.fixture(autouse=True)
def tiny_vit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BACKBONES._classes, "tiny-vit", TinyViT)


@pytest.mark.parametrize("backbone", ["osnet-x0-25", "tiny-vit"])
@pytest.mark.parametrize("defense", DEFENSES)
def test_a_step_of_each_kind_of_defense(backbone: str, defense: str, tmp_path: Path) -> None:
    plugin = make_defense(defense.split(",")[0], **DEFENSES[defense])
    config = BackboneConfig(name=backbone)
    torch.manual_seed(0)
    task = Task(
        train=image_set(identities=4, cameras=2, per_camera=1, size=SIZE),
        backbone=config,
        training=ONE_EPOCH,
        image_size=SIZE,
        policy=CPU,
        seed=0,
        progress=SilentProgress(),
        work_dir=tmp_path,
        encoders={need: build_encoder(config).eval() for need in plugin.prerequisites()},
    )
    trained = fit_defense(plugin, task).encoder
    assert not same_weights(trained, plugin.build_encoder(lambda: build_encoder(config)))
    images = torch.rand(2, 3, *SIZE, requires_grad=True)
    trained.eval()(images).square().sum().backward()
    assert images.grad is not None
    assert torch.isfinite(images.grad).all()
    assert images.grad.flatten(1).abs().amax(1).min() > 0


@pytest.mark.parametrize("name", ["osnet-ibn-x1-0", "osnet-ain-x1-0", "resnet50-ibn-a"])
def test_the_gradient_that_attacks_see_is_that_of_the_embedding(name: str) -> None:
    """Along its own direction, against a difference in double precision."""
    torch.manual_seed(0)
    encoder = build_encoder(BackboneConfig(name=name)).eval().double()
    images = torch.rand(1, 3, *SIZE, dtype=torch.float64, requires_grad=True)
    reference = torch.randn(1, encoder.embedding_dim, dtype=torch.float64)

    def similarity(x: torch.Tensor) -> torch.Tensor:
        return F.cosine_similarity(encoder(x), reference).sum()

    (gradient,) = torch.autograd.grad(similarity(images), images)
    direction = gradient / gradient.norm()
    with torch.no_grad():
        step = 1e-6
        slope = (similarity(images + step * direction) - similarity(images)) / step
    torch.testing.assert_close(slope, gradient.norm(), rtol=1e-3, atol=0)


def test_every_backbone_that_ships_is_on_this_page_or_the_older_one() -> None:
    known = {"small-resnet", "resnet18", "resnet50"}  # test_encoders.py
    known |= {f"osnet-{width}" for width in ("x1-0", "x0-75", "x0-5", "x0-25", "ibn-x1-0")}
    known |= {"osnet-ain-x1-0", "resnet50-ibn-a", "vit-small", "vit-base"}
    assert set(BACKBONES._entry_points()) == known
    assert all(issubclass(BACKBONES.get(name), Backbone) for name in known)
