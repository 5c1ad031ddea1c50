"""Checkpoints under the key names that their projects document: every weight finds its place."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import torch
from torch import Tensor

from benchmark.core.errors import PluginError
from benchmark.models.specs.declared import DeclaredEncoder
from benchmark.models.specs.preprocessing import SpecEncoder
from tests.unit.models.specs import layouts

IMAGES = torch.rand(2, 3, 64, 32, generator=torch.Generator().manual_seed(0))


def saved(state: dict[str, Tensor], folder: Path) -> Path:
    torch.save(state, folder / "net.pth")
    return folder / "net.pth"


def loaded(spec: str, path: Path, **options: object) -> tuple[SpecEncoder, dict[str, object]]:
    chosen = {"spec": spec, "weights": path, "size": (64, 32), **options}
    encoder, told = DeclaredEncoder.model_validate(chosen).load()
    keys = told["keys"]
    assert isinstance(keys, dict)
    return encoder, keys


def same(encoder: SpecEncoder, state: dict[str, Tensor], names: dict[str, str]) -> None:
    own = encoder.network.state_dict()
    for its, ours in names.items():
        assert torch.equal(own[ours], state[its]), its


def test_osnet_of_torchreid(tmp_path: Path) -> None:
    state = layouts.filled(layouts.osnet_x0_25())
    path = saved({f"module.{key}": value for key, value in state.items()}, tmp_path)
    encoder, keys = loaded("torchreid:osnet_x0_25", path)
    same(encoder, state, {key: key for key in state if not key.startswith("classifier")})
    assert keys["matched"] == len(state) - 2
    assert keys["dropped"] == ["classifier.weight", "classifier.bias"]
    assert keys["renamed"] == {"module.* → *": len(state)}
    assert keys["missing"] == []
    assert encoder(IMAGES).shape == (2, 512)


@pytest.mark.parametrize("ibn", [False, True], ids=["plain", "ibn"])
def test_resnet50_of_fastreid(tmp_path: Path, ibn: bool, caplog: pytest.LogCaptureFixture) -> None:
    state = layouts.filled(layouts.fastreid(ibn))
    spec = "fastreid:resnet50_ibn" if ibn else "fastreid:resnet50"
    with caplog.at_level(logging.WARNING):
        encoder, keys = loaded(spec, saved({"model": state}, tmp_path))  # type: ignore[dict-item]
    first = "layer1.0.bn1.IN.weight" if ibn else "layer1.0.bn1.weight"
    names = (first, "layer4.2.conv3.weight", "layer2.0.downsample.1.running_var")
    same(encoder, state, {f"backbone.{one}": f"base.{one}" for one in names})
    same(encoder, state, {"heads.bottleneck.0.weight": "bottleneck.weight"})
    assert keys["dropped"] == ["pixel_mean", "pixel_std", "heads.weight"]
    assert keys["renamed"] == {
        "backbone.* → base.*": len(layouts.resnet50(ibn)),
        "heads.bottleneck.0.* → bottleneck.*": 5,
    }
    assert encoder(IMAGES).shape == (2, 2048)
    assert encoder.preprocessing.range == "0-255"
    assert "its pixel_mean is" in caplog.text  # the file has another one than the project


def test_resnet50_of_the_strong_baseline(tmp_path: Path) -> None:
    state = layouts.filled(layouts.strong_baseline())
    state["bottleneck.weight"] += 1
    for key in [key for key in state if key.endswith("num_batches_tracked")]:
        del state[key]  # it was trained with torch 1.0 and older
    path = saved(state, tmp_path)
    encoder, keys = loaded("strong-baseline:resnet50", path)
    same(encoder, state, {key: key for key in state if key != "classifier.weight"})
    assert keys["dropped"] == ["classifier.weight"]
    assert len(keys["missing"]) == 54
    assert encoder(IMAGES).shape == (2, 2048)


def test_vit_of_timm_and_its_positions_are_interpolated(tmp_path: Path) -> None:
    state = layouts.filled(layouts.vit_tiny())
    encoder, keys = loaded("timm:vit_tiny_patch16_224", saved(state, tmp_path), size=(256, 128))
    same(encoder, state, {key: key for key in ("cls_token", "blocks.11.mlp.fc2.bias")})
    assert keys["dropped"] == ["head.weight", "head.bias"]
    assert keys["resized"] == ["pos_embed: positions of 14×14 to 16×8"]
    own = encoder.network.state_dict()["pos_embed"]
    assert own.shape == (1, 129, 192)
    assert torch.equal(own[:, 0], state["pos_embed"][:, 0])  # of the class token
    assert encoder(IMAGES).shape == (2, 192)


def test_a_classifier_of_torchvision_is_dropped(tmp_path: Path) -> None:
    from torchvision import models

    state = models.mobilenet_v3_small(weights=None).state_dict()
    encoder, keys = loaded("torchvision:mobilenet_v3_small", saved(state, tmp_path))
    assert keys["dropped"] == ["classifier.3.weight", "classifier.3.bias"]
    assert encoder(IMAGES).shape == (2, 1024)


def test_weights_of_another_network_are_told_by_their_keys(tmp_path: Path) -> None:
    path = saved(layouts.filled(layouts.osnet_x0_25()), tmp_path)
    with pytest.raises(PluginError) as caught:
        loaded("torchvision:mobilenet_v3_small", path)
    assert "net.pth are not those of torchvision:mobilenet_v3_small: 0 of" in caught.value.what
    assert "missing: features.0.0.weight" in caught.value.what
    assert "\n" not in caught.value.what
    assert "spec" in caught.value.hint


def test_half_precision_is_read_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    state = layouts.filled(layouts.osnet_x0_25())
    half = {
        key: value.half() if value.is_floating_point() else value for key, value in state.items()
    }
    with caplog.at_level(logging.INFO):
        encoder, _ = loaded("torchreid:osnet_x0_25", saved(half, tmp_path))
    assert "tensors in half precision are computed in float32" in caplog.text
    assert {p.dtype for p in encoder.parameters()} == {torch.float32}
