"""Vision transformers of timm: names, sizes, positions, and what is said if timm is absent."""

from __future__ import annotations

import sys

import pytest
import timm
import torch
from torch.nn import functional as F

from benchmark.core.errors import EnvironmentProblem, UsageError
from benchmark.models.backbone import BackboneConfig
from benchmark.models.encoder import build_encoder
from benchmark.models.timm_vit import ViTBase, ViTSmall, attention_layers, timm_vit

TINY = {"depth": 2, "embed_dim": 24, "num_heads": 2}


def tiny_vit() -> torch.nn.Module:
    torch.manual_seed(0)
    return timm_vit("vit_tiny_patch16_224", **TINY).eval()


def test_parameters_are_named_as_timm_does() -> None:
    theirs = timm.create_model("vit_tiny_patch16_224", num_classes=0, **TINY)
    assert set(tiny_vit().state_dict()) == set(theirs.state_dict())


def test_at_its_own_size_it_is_the_network_of_timm() -> None:
    ours, theirs = tiny_vit(), timm.create_model("vit_tiny_patch16_224", num_classes=0, **TINY)
    theirs.load_state_dict(ours.state_dict())
    images = torch.rand(1, 3, 224, 224)
    with torch.no_grad():
        torch.testing.assert_close(ours(images), theirs.eval()(images))


def test_positions_are_interpolated_to_tall_images() -> None:
    """Fresh positions of 14 × 14 become those of 16 × 8 by bicubic interpolation."""
    network = tiny_vit()
    seen: list[torch.Tensor] = []
    network.blocks[0].register_forward_pre_hook(lambda _, x: seen.append(x[0]))  # type: ignore[index]
    with torch.no_grad():
        network(torch.zeros(1, 3, 256, 128))
        patch = network.patch_embed(torch.zeros(1, 3, 256, 128)).flatten(1, 2)  # type: ignore[operator]
        positions = network.pos_embed[:, 1:].reshape(1, 14, 14, -1).permute(0, 3, 1, 2)  # type: ignore[index]
        resized = F.interpolate(positions, (16, 8), mode="bicubic", antialias=True)
    expected = patch + resized.flatten(2).transpose(1, 2)
    torch.testing.assert_close(seen[0][:, 1:], expected)


@pytest.mark.parametrize("size", [(64, 32), (70, 33), (128, 256)])
def test_any_size(size: tuple[int, int]) -> None:
    with torch.no_grad():
        assert tiny_vit()(torch.rand(2, 3, *size)).shape == (2, 24)


def test_attention_is_computed_step_by_step() -> None:
    assert [layer.fused_attn for layer in attention_layers(tiny_vit())] == [False, False]


@pytest.mark.parametrize(("plugin", "dim"), [(ViTSmall, 384), (ViTBase, 768)])
def test_images_are_normalised_as_for_the_weights(plugin: type[ViTSmall], dim: int) -> None:
    published = timm.get_pretrained_cfg(plugin.network)
    assert published is not None
    assert (plugin.mean, plugin.std) == (published.mean, published.std)
    with torch.device("meta"):
        assert plugin.build(BackboneConfig())[1] == dim


def test_the_encoder_has_the_normalisation_of_its_backbone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ViTSmall, "options", TINY)
    encoder = build_encoder(BackboneConfig(name="vit-small"))
    assert encoder.mean.flatten().tolist() == encoder.std.flatten().tolist() == [0.5] * 3
    assert encoder.embedding_dim == 24


def test_without_timm_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(UsageError, match="networks of timm cannot be used") as caught:
        build_encoder(BackboneConfig(name="vit-small"))
    assert "pip install 'reid-robustbench[timm]'" in caught.value.hint


def test_offline_the_error_names_the_option(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise FileNotFoundError("no file in the cache\nand no network")

    monkeypatch.setattr("timm.models._builder.load_pretrained", refuse)
    with pytest.raises(EnvironmentProblem, match=r"vit-small could not be loaded: no file") as e:
        build_encoder(BackboneConfig(name="vit-small", weights="imagenet"))
    assert "backbone.weights=none" in e.value.hint
