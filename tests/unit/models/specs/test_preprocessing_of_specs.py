"""What stands around a network: each choice does what it says, and carries a gradient."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torchvision.transforms import v2

from benchmark.core.defense import RANDOM_WEIGHTS
from benchmark.models.specs.bag_of_tricks import NeckedNetwork
from benchmark.models.specs.preprocessing import Preprocessing, SpecEncoder, shuffled
from tests.tiny_scene import make_defense

PLAIN = Preprocessing(
    size=(16, 8),
    resize="bilinear",
    mean=(0.0, 0.0, 0.0),
    std=(1.0, 1.0, 1.0),
    channels="rgb",
    range="0-1",
    flip=False,
)
IMAGENET = replace(PLAIN, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))


def images(height: int = 16, width: int = 8) -> Tensor:
    return torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(0))


def given(chosen: Preprocessing, pixels: Tensor) -> Tensor:
    return SpecEncoder(nn.Flatten(), chosen).prepared(pixels)


def test_nothing_chosen_changes_nothing() -> None:
    assert torch.equal(given(PLAIN, images()), images())


@pytest.mark.parametrize("resize", ["bilinear", "bicubic", "nearest"])
@pytest.mark.parametrize("size", [(40, 20), (8, 4)])
def test_it_resizes_as_torchvision_does(resize: str, size: tuple[int, int]) -> None:
    filters = {
        "bilinear": v2.InterpolationMode.BILINEAR,
        "bicubic": v2.InterpolationMode.BICUBIC,
        "nearest": v2.InterpolationMode.NEAREST,
    }
    pixels = images(*size)
    expected = v2.functional.resize(pixels, [16, 8], filters[resize], antialias=True)
    found = given(replace(PLAIN, resize=resize), pixels)
    assert torch.allclose(found, expected.clamp(0, 1), atol=1e-5)
    assert 0 <= float(found.min()) <= float(found.max()) <= 1


def test_it_normalises_as_torchvision_does() -> None:
    expected = v2.functional.normalize(images(), list(IMAGENET.mean), list(IMAGENET.std))
    assert torch.allclose(given(IMAGENET, images()), expected, atol=1e-6)


def test_statistics_are_in_the_order_and_the_range_that_the_network_is_given() -> None:
    scaled = replace(
        IMAGENET,
        mean=tuple(255 * one for one in IMAGENET.mean[::-1]),
        std=tuple(255 * one for one in IMAGENET.std[::-1]),
        channels="bgr",
        range="0-255",
    )
    expected = given(IMAGENET, images()).flip(1)
    assert torch.allclose(given(scaled, images()), expected, atol=1e-5)


def test_flip_averages_an_image_and_its_mirror_image() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(384, 4))
    flipped = SpecEncoder(network, replace(PLAIN, flip=True))
    expected = (network(images()) + network(images().flip(3))) / 2
    assert torch.allclose(flipped(images()), expected)


@pytest.mark.parametrize(
    "chosen",
    [
        replace(IMAGENET, size=(32, 16), resize="bicubic", flip=True),
        replace(PLAIN, size=(8, 4), channels="bgr", range="0-255"),
    ],
)
def test_a_gradient_reaches_every_pixel(chosen: Preprocessing) -> None:
    encoder = SpecEncoder(nn.Sequential(nn.Flatten(), nn.LazyLinear(4)), chosen)
    pixels = (images() * 0.8 + 0.1).requires_grad_()
    encoder(pixels).sum().backward()
    assert pixels.grad is not None
    assert bool((pixels.grad != 0).all())


def test_a_map_of_one_place_is_an_embedding() -> None:
    network = nn.Sequential(nn.Conv2d(3, 5, 1), nn.AdaptiveAvgPool2d(1))
    assert SpecEncoder(network, PLAIN)(images()).shape == (2, 5)


class Maps(nn.Module):
    def forward(self, pixels: Tensor) -> Tensor:
        return pixels.repeat(1, 683, 1, 1)[:, :2048]


def test_the_feature_is_before_or_after_the_bnneck() -> None:
    networks = {one: NeckedNetwork(Maps(), one).eval() for one in ("before", "after")}
    for network in networks.values():
        nn.init.constant_(network.bottleneck.weight, 3.0)
    before, after = (networks[one](images()) for one in ("before", "after"))
    assert torch.allclose(3 * before, after, rtol=1e-4)


def test_what_may_be_mistaken_is_told_by_the_options_that_set_it() -> None:
    found = IMAGENET.mirrored()
    assert list(found) == [
        "encoder.channels=bgr",
        "encoder.range=0-255",
        "encoder.mean=[0.5,0.5,0.5] encoder.std=[0.5,0.5,0.5]",
        "encoder.mean=[0,0,0] encoder.std=[1,1,1]",
    ]
    assert found["encoder.channels=bgr"].mean == IMAGENET.mean[::-1]
    white = replace(PLAIN, range="0-255").mirrored()
    assert "encoder.range=0-1" in white
    assert "encoder.mean=[123.675,116.28,103.53] encoder.std=[58.395,57.12,57.375]" in white
    assert not any("[0,0,0]" in name for name in white)


def test_the_twin_has_the_same_values_in_other_places() -> None:
    torch.manual_seed(0)
    encoder = SpecEncoder(nn.Sequential(nn.Flatten(), nn.Linear(384, 4)), IMAGENET)
    before = {key: value.clone() for key, value in encoder.state_dict().items()}
    twin = shuffled(encoder).state_dict()
    for key, value in before.items():
        assert torch.equal(encoder.state_dict()[key], value)
        assert torch.equal(twin[key].flatten().sort()[0], value.flatten().sort()[0])
    assert not torch.equal(twin["network.1.weight"], before["network.1.weight"])
    assert torch.equal(twin["mean"], before["mean"])


def test_pretrained_offers_every_choice() -> None:
    spec = {"spec": "torchvision:mobilenet_v3_small", "size": [64, 32]}
    defense = make_defense("pretrained", encoder=spec)
    assert defense.choices == (*IMAGENET.mirrored(), RANDOM_WEIGHTS)
    encoder = defense.build_encoder(nn.Identity)
    assert isinstance(encoder, SpecEncoder)
    for choice in defense.choices:
        other = defense.with_choice(encoder, choice)
        assert isinstance(other, SpecEncoder)
        changed = other.preprocessing != encoder.preprocessing
        assert changed == (choice != RANDOM_WEIGHTS)
