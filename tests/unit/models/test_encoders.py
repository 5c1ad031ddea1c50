"""Encoders: shapes, strides, published weights, checkpoints."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.error import URLError

import pytest
import torch
from torch import Tensor, nn
from torchvision import models
from torchvision.models import _api

from benchmark.core.errors import DataError, EnvironmentProblem, PluginError, UsageError
from benchmark.models.backbone import BackboneConfig
from benchmark.models.checkpoint import CARD_FILE, WEIGHTS_FILE, restore_encoder, save_encoder
from benchmark.models.encoder import ReIDModel, build_encoder
from tests.tiny_scene import same_weights, tiny_encoder

SIZE = (64, 32)


@pytest.mark.parametrize(
    ("name", "dim", "stride"),
    [("small-resnet", 32, 8), ("resnet18", 512, 16), ("resnet50", 2048, 16)],
)
def test_embeddings_and_feature_maps(name: str, dim: int, stride: int) -> None:
    encoder = build_encoder(BackboneConfig(name=name, width=4)).eval()
    images = torch.rand(2, 3, *SIZE)
    with torch.no_grad():
        embeddings = encoder(images)
        maps = encoder.trunk(images)
    assert embeddings.shape == (2, dim) == (2, encoder.embedding_dim)
    assert embeddings.dtype == torch.float32
    assert maps.shape == (2, dim, SIZE[0] // stride, SIZE[1] // stride)  # last stride 1


def test_the_encoder_normalises_pools_and_ends_in_the_neck() -> None:
    encoder = tiny_encoder()
    images = torch.rand(3, 3, 32, 16)
    mean = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
    with torch.no_grad():
        features, embeddings = encoder.features(images)
        pooled = encoder.trunk((images - mean) / std).flatten(2).mean(2)
        torch.testing.assert_close(features, pooled)
        torch.testing.assert_close(embeddings, encoder.neck(pooled))
        assert torch.equal(encoder(images), embeddings)
    assert not encoder.neck.bias.requires_grad


def test_the_model_adds_a_classifier_on_the_embeddings() -> None:
    model = ReIDModel(tiny_encoder(), 7).eval()
    with torch.no_grad():
        output = model(torch.rand(2, 3, 32, 16))
    assert output.logits.shape == (2, 7)
    torch.testing.assert_close(output.logits, output.embeddings @ model.classifier.weight.T)
    assert torch.equal(output.rows(slice(1, None)).features, output.features[1:])


def test_an_image_does_not_depend_on_its_neighbours_in_eval_mode() -> None:
    encoder = tiny_encoder()
    images = torch.rand(4, 3, 32, 16)
    with torch.no_grad():
        torch.testing.assert_close(encoder(images)[1:2], encoder(images[1:2]))


@pytest.mark.parametrize("width", [4, 16])
def test_the_shortcut_is_a_strided_convolution(width: int) -> None:
    encoder = build_encoder(BackboneConfig(width=width))
    shortcuts = [m for m in encoder.modules() if type(m).__name__ == "_Shortcut"]
    assert [m.stride for m in shortcuts] == [(2, 2), (2, 2), (1, 1)]
    for shortcut in shortcuts:
        assert isinstance(shortcut, nn.Conv2d)
        x = torch.randn(2, shortcut.in_channels, 5, 4)
        expected = nn.functional.conv2d(x, shortcut.weight, stride=shortcut.stride)
        torch.testing.assert_close(shortcut(x), expected)


def test_small_resnet_has_no_published_weights() -> None:
    with pytest.raises(UsageError, match="small-resnet has no ImageNet weights") as caught:
        build_encoder(BackboneConfig(weights="imagenet"))
    assert "backbone.weights=none" in caught.value.hint


def test_unknown_backbone() -> None:
    with pytest.raises(UsageError, match="unknown backbone 'resnet81'") as caught:
        build_encoder(BackboneConfig(name="resnet81"))
    assert "resnet18" in caught.value.hint


def test_offline_the_error_names_the_option(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **options: object) -> None:
        raise URLError("no route to host")

    monkeypatch.setattr(_api, "load_state_dict_from_url", refuse)
    with pytest.raises(
        EnvironmentProblem, match=r"resnet18 could not be loaded.*no route"
    ) as caught:
        build_encoder(BackboneConfig(name="resnet18", weights="imagenet"))
    assert "backbone.weights=none" in caught.value.hint
    assert "resnet18-f37072fd.pth" in caught.value.hint


@pytest.fixture
def weights_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where torchvision looks for ResNet-18's weights before it downloads them."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    url: str = models.ResNet18_Weights.IMAGENET1K_V1.url
    return folder / url.rsplit("/", 1)[-1]


def test_published_weights_are_loaded(weights_file: Path) -> None:
    torch.manual_seed(3)
    net = models.resnet18()
    torch.save(net.state_dict(), weights_file)
    torch.manual_seed(4)
    encoder = build_encoder(BackboneConfig(name="resnet18", weights="imagenet"))
    trunk = encoder.trunk
    assert isinstance(trunk, nn.Sequential)
    for ours, theirs in ((trunk[0], net.conv1), (trunk[4], net.layer1), (trunk[7], net.layer4)):
        assert same_weights(ours, theirs)


def test_damaged_published_weights(weights_file: Path) -> None:
    weights_file.write_bytes(b"not weights")
    with pytest.raises(EnvironmentProblem, match="could not be loaded"):
        build_encoder(BackboneConfig(name="resnet18", weights="imagenet"))


def test_checkpoint_round_trip(tmp_path: Path) -> None:
    encoder = tiny_encoder().to(memory_format=torch.channels_last).train()
    save_encoder(tmp_path, encoder, {"defense": "none"})
    loaded = restore_encoder(tmp_path, lambda: tiny_encoder(seed=9))
    assert same_weights(encoder, loaded)
    assert not loaded.training
    card = json.loads((tmp_path / CARD_FILE).read_text())
    assert card["defense"] == "none"
    assert len(card["weights_sha256"]) == 64


@pytest.mark.parametrize("damage", ["missing", "cut", "flipped", "no card", "other card"])
def test_damaged_checkpoints_are_data_errors(tmp_path: Path, damage: str) -> None:
    save_encoder(tmp_path, tiny_encoder(), {})
    weights, card = tmp_path / WEIGHTS_FILE, tmp_path / CARD_FILE
    body = bytearray(weights.read_bytes())
    if damage == "missing":
        weights.unlink()
    elif damage == "cut":
        weights.write_bytes(body[:-100])
    elif damage == "flipped":
        body[-1] ^= 1
        weights.write_bytes(body)
    elif damage == "no card":
        card.unlink()
    else:
        card.write_text("{}")
    with pytest.raises(DataError, match=r"encoder\.safetensors cannot be read") as caught:
        restore_encoder(tmp_path, tiny_encoder)
    assert "train again" in caught.value.hint


def test_weights_that_do_not_fit(tmp_path: Path) -> None:
    class Other(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(2, 2)

        def forward(self, images: Tensor) -> Tensor:
            return images

    save_encoder(tmp_path, tiny_encoder(), {})
    with pytest.raises(PluginError, match="do not fit the encoder: Unexpected key") as caught:
        restore_encoder(tmp_path, Other)
    assert len(caught.value.what) < 300 + len(str(tmp_path))
