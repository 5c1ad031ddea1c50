"""OSNet: as large as published, named as torchreid's checkpoints, with published weights."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from urllib.error import URLError

import pytest
import torch
from torch import Tensor, nn

from benchmark.core.errors import EnvironmentProblem, UsageError
from benchmark.models.backbone import BackboneConfig
from benchmark.models.encoder import build_encoder
from benchmark.models.osnet import OSNETS, osnet
from tests.tiny_scene import same_weights

MULTIPLY_ADDS = {"x1_0": 978.9, "x0_75": 571.8, "x0_5": 272.9, "x0_25": 82.3}
"""Millions at 256×128, by width: Zhou et al., ICCV 2019."""
PARAMETERS = {"x1_0": 2.2, "x0_75": 1.3, "x0_5": 0.6, "x0_25": 0.2}
"""Millions: the same, and torchreid's model zoo."""


@pytest.mark.parametrize("name", [name for name in OSNETS if "ain_x0" not in name])
def test_size_and_cost_are_the_published_ones(name: str) -> None:
    width = name.removeprefix("osnet_").removeprefix("ibn_").removeprefix("ain_")
    parameters, multiply_adds, _ = counts(name)
    assert round(parameters / 1e6, 1) == PARAMETERS[width]
    assert round(multiply_adds / 1e6, 1) == MULTIPLY_ADDS[width]


def test_the_count_of_torchreid_is_reached_by_its_rules() -> None:
    """It counts the gate of a block once for each of the four streams, and adds of biases.

    It says 2,193,616 parameters and 978,878,352 multiply-adds for OSNet x1.0.
    """
    parameters, multiply_adds, network = counts("osnet_x1_0")
    gates = [part for name, part in network.named_modules() if name.endswith(".gate")]
    gate = sum(p.numel() for part in gates for p in part.parameters())
    biases = sum(p.numel() for part in gates for n, p in part.named_parameters() if "bias" in n)
    assert parameters + 3 * gate == 2_193_616
    assert multiply_adds + 4 * biases + 512 == 978_878_352


@cache
def counts(name: str) -> tuple[int, int, nn.Module]:
    """Return parameters and multiply-adds of a network at 256×128, and the network."""
    network, costs = osnet(name).eval(), []

    def count(module: nn.Module, _: object, output: Tensor) -> None:
        assert isinstance(module.weight, Tensor)
        costs.append(output.numel() * module.weight[0].numel())

    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(count)
    with torch.no_grad():
        assert network(torch.rand(1, 3, 256, 128)).shape == (1, 512)
    return sum(p.numel() for p in network.parameters()), sum(costs), network


NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
AFFINE = ("weight", "bias")


def keys(prefix: str, parts: dict[str, tuple[str, ...]]) -> set[str]:
    return {f"{prefix}.{part}.{key}" for part, names in parts.items() for key in names}


CONV = {"conv": ("weight",), "bn": NORM}
LIGHT = {"conv1": ("weight",), "conv2": ("weight",), "bn": NORM}
GATE = {"fc1": AFFINE, "fc2": AFFINE}
FC = {"0": AFFINE, "1": NORM}


def test_parameters_are_named_as_in_the_checkpoints() -> None:
    expected = keys("conv1", CONV) | keys("conv5", CONV) | keys("fc", FC)
    for stage in (2, 3, 4):
        for block in (0, 1):
            at = f"conv{stage}.{block}"
            expected |= keys(f"{at}.conv1", CONV) | keys(f"{at}.conv3", CONV)
            expected |= keys(f"{at}.gate", GATE) | keys(f"{at}.conv2a", LIGHT)
            for letter, depth in {"b": 2, "c": 3, "d": 4}.items():
                for i in range(depth):
                    expected |= keys(f"{at}.conv2{letter}.{i}", LIGHT)
        expected |= keys(f"conv{stage}.0.downsample", CONV)
    expected |= keys("conv2.2.0", CONV) | keys("conv3.2.0", CONV)
    assert set(osnet("osnet_x0_25").state_dict()) == expected

    instance = {"bn": AFFINE}
    expected -= keys("conv1", CONV)
    expected |= keys("conv1", {"conv": ("weight",), **instance})
    expected |= keys("conv2.0", {"IN": AFFINE}) | keys("conv2.1", {"IN": AFFINE})
    assert set(osnet("osnet_ibn_x1_0").state_dict()) == expected


def test_ain_names_its_streams_and_transitions_otherwise() -> None:
    found = set(osnet("osnet_ain_x1_0").state_dict())
    for at in ("conv2.0", "conv4.1"):
        for t in range(4):
            for i in range(t + 1):
                assert keys(f"{at}.conv2.{t}.layers.{i}", LIGHT) <= found
    assert keys("pool2.0", CONV) | keys("pool3.0", CONV) <= found
    assert not {key for key in found if "conv2a" in key or key.startswith(("conv2.2", "pool4"))}
    normalised = {key.removesuffix(".IN.weight") for key in found if key.endswith(".IN.weight")}
    assert normalised == {"conv2.0", "conv2.1", "conv3.1", "conv4.0"}
    without = {key.removesuffix(".conv3.bn.weight") for key in found if ".conv3.bn.w" in key}
    assert without == {"conv3.0", "conv4.1"}
    assert "conv1.bn.running_mean" not in found


@pytest.mark.parametrize("name", ["osnet_x0_25", "osnet_ain_x0_25"])
def test_streams_see_more_and_more_places(name: str) -> None:
    """Stream t of a block sees (2t + 1) × (2t + 1) pixels of what it is given."""
    block = osnet(name).eval().get_submodule("conv2.0")
    streams = [f"conv2.{t}.layers" for t in range(4)]
    if "ain" not in name:
        streams = ["conv2a", "conv2b", "conv2c", "conv2d"]
    for t, stream in enumerate(streams, 1):
        part = block.get_submodule(stream)
        for convolution in part.modules():
            if isinstance(convolution, nn.Conv2d):
                nn.init.constant_(convolution.weight, 0.1)
        x = torch.rand(1, 16, 15, 15, requires_grad=True)
        part(x)[0, :, 7, 7].sum().backward()
        assert x.grad is not None
        assert int(x.grad.abs().sum(1).count_nonzero()) == (2 * t + 1) ** 2


def test_an_unknown_member_is_told() -> None:
    with pytest.raises(UsageError, match="unknown OSNet 'osnet_x2_0'") as caught:
        osnet("osnet_x2_0")
    assert "osnet_x1_0" in caught.value.hint


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Torch's folder of downloaded weights; nothing is fetched into it."""

    def refuse(*_: object, **__: object) -> None:
        raise URLError("no route to host")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("torch.hub.download_url_to_file", refuse)
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


CONFIG = BackboneConfig(name="osnet-x0-25", weights="imagenet")


def test_published_weights_are_taken_without_their_classifier(hub: Path) -> None:
    torch.manual_seed(5)
    network = osnet("osnet_x0_25")
    state = {f"module.{key}": value for key, value in network.state_dict().items()}
    state = {key: value for key, value in state.items() if not key.endswith("batches_tracked")}
    state |= {"module.classifier.weight": torch.zeros(1000, 512)}
    torch.save(state, hub / "osnet_x0_25_imagenet.pth")
    assert same_weights(build_encoder(CONFIG).trunk, network)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "no route to host"),
        (b"<html>", ""),
        ({"conv1.bn.weight": torch.ones(16)}, "lacks conv1.conv.weight"),
    ],
)
def test_weights_that_cannot_be_had_are_told(hub: Path, content: object, told: str) -> None:
    file = hub / "osnet_x0_25_imagenet.pth"
    if isinstance(content, bytes):
        file.write_bytes(content)
    elif content is not None:
        torch.save(content, file)
    with pytest.raises(EnvironmentProblem, match=f"osnet-x0-25 could not be loaded.*{told}") as e:
        build_encoder(CONFIG)
    assert "backbone.weights=none" in e.value.hint
    assert file.name in e.value.hint
