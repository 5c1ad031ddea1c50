"""OSNet, its IBN variant and OSNet-AIN, with the parameter names of torchreid's checkpoints.

Zhou et al., "Omni-Scale Feature Learning for Person Re-Identification" (ICCV 2019), and
"Learning Generalisable Omni-Scale Representations" (TPAMI 2021) for where instance
normalisation stands. Names: https://github.com/KaiyangZhou/deep-person-reid.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial, reduce
from itertools import pairwise
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.core.errors import unknown_name
from benchmark.core.plugin import Card
from benchmark.models.backbone import Backbone, BackboneConfig
from benchmark.models.published_weights import load_published

FEATURES = 512
"""Size of the embedding, at every width."""

_CHANNELS = (64, 256, 384, 512)
"""Of the stem and the three stages, at full width."""
_SCALES = 4
"""Streams of a block; stream t sees (2t + 1) × (2t + 1) pixels."""
_BOTTLENECK = 4
_GATE_REDUCTION = 16

InstanceNorm = Literal["", "sum", "residual"]
"""Where a block normalises each image by itself: nowhere, after the sum, or in the residual."""

_instance_norm = partial(nn.InstanceNorm2d, affine=True)


@dataclass(frozen=True)
class _Variant:
    """What tells the members of the family apart.

    Attributes:
        percent: Share of the channels.
        stem: Whether the stem normalises each image by itself.
        blocks: Instance normalisation of the two blocks of each stage.
        searched: Whether parameters are named as in OSNet-AIN.
    """

    percent: int = 100
    stem: bool = False
    blocks: tuple[tuple[InstanceNorm, InstanceNorm], ...] = (("", ""),) * 3
    searched: bool = False


_PLAIN = _Variant()
_AIN = _Variant(
    stem=True,
    blocks=(("residual", "residual"), ("", "residual"), ("residual", "")),
    searched=True,
)
_WIDTHS = {"x1_0": 100, "x0_75": 75, "x0_5": 50, "x0_25": 25}
_VARIANTS: Mapping[str, _Variant] = {
    **{f"osnet_{width}": replace(_PLAIN, percent=percent) for width, percent in _WIDTHS.items()},
    "osnet_ibn_x1_0": replace(_PLAIN, stem=True, blocks=(("sum", "sum"), ("", ""), ("", ""))),
    **{f"osnet_ain_{width}": replace(_AIN, percent=percent) for width, percent in _WIDTHS.items()},
}
OSNETS = tuple(_VARIANTS)
"""Names of the family, as torchreid has them."""


def _conv(
    channels_in: int,
    channels_out: int,
    kernel: int = 1,
    stride: int = 1,
    norm: Callable[[int], nn.Module] | None = nn.BatchNorm2d,
    linear: bool = False,
) -> nn.Sequential:
    """Return a convolution, its normalisation if it has one, and a ReLU unless it is linear."""
    conv = nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2, bias=False)
    layers: dict[str, nn.Module] = {"conv": conv}
    if norm is not None:
        layers["bn"] = norm(channels_out)
    if not linear:
        layers["relu"] = nn.ReLU(inplace=True)
    return nn.Sequential(OrderedDict(layers))


def _light_conv(channels: int) -> nn.Sequential:
    """Return the paper's Lite 3×3: pointwise, then depthwise, then normalised."""
    layers = {
        "conv1": nn.Conv2d(channels, channels, 1, bias=False),
        "conv2": nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False),
        "bn": nn.BatchNorm2d(channels),
        "relu": nn.ReLU(inplace=True),
    }
    return nn.Sequential(OrderedDict(layers))


class _Gate(nn.Module):
    """The aggregation gate, G of Eq. 3: how much of each channel goes on; all streams share it."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(channels, channels // _GATE_REDUCTION, 1)
        self.fc2 = nn.Conv2d(channels // _GATE_REDUCTION, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        pooled = x.mean((2, 3), keepdim=True)
        gates: Tensor = self.fc2(F.relu(self.fc1(pooled))).sigmoid()
        return x * gates


class _Block(nn.Module):
    """The omni-scale residual block (Eq. 3): streams of 1 to 4 Lite 3×3, gated and added."""

    def __init__(
        self, channels_in: int, channels_out: int, norm: InstanceNorm, searched: bool
    ) -> None:
        super().__init__()
        inner = channels_out // _BOTTLENECK
        self.conv1 = _conv(channels_in, inner)
        streams = [[_light_conv(inner) for _ in range(t + 1)] for t in range(_SCALES)]
        if searched:
            self.conv2 = nn.ModuleList(
                nn.ModuleDict({"layers": nn.Sequential(*stream)}) for stream in streams
            )
            self._streams = [f"conv2.{t}.layers" for t in range(_SCALES)]
        else:
            self._streams = [f"conv2{letter}" for letter in "abcd"]
            for name, stream in zip(self._streams, streams, strict=True):
                self.add_module(name, stream[0] if len(stream) == 1 else nn.Sequential(*stream))
        self.gate = _Gate(inner)
        batch_norm = None if norm == "residual" else nn.BatchNorm2d
        self.conv3 = _conv(inner, channels_out, norm=batch_norm, linear=True)
        self.downsample = (
            _conv(channels_in, channels_out, linear=True)
            if channels_in != channels_out
            else nn.Identity()
        )
        self._norm = norm
        if norm:
            self.IN = _instance_norm(channels_out)

    def forward(self, x: Tensor) -> Tensor:
        reduced = self.conv1(x)
        streams = (self.gate(self.get_submodule(name)(reduced)) for name in self._streams)
        residual = self.conv3(reduce(torch.add, streams))
        if self._norm == "residual":
            residual = self.IN(residual)
        y = residual + self.downsample(x)
        return F.relu(self.IN(y) if self._norm == "sum" else y, inplace=True)


class _GlobalPool(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3))


class OSNet(nn.Sequential):
    """Maps (B, 3, H, W) normalised images to (B, 512) features; has no classifier."""

    @property
    def last_map(self) -> nn.Module:
        """The module whose output is the last feature map."""
        return self.get_submodule("conv5")


def _layers(variant: _Variant) -> OrderedDict[str, nn.Module]:
    stem, *widths = (channels * variant.percent // 100 for channels in _CHANNELS)
    norm = _instance_norm if variant.stem else nn.BatchNorm2d
    layers: dict[str, nn.Module] = {
        "conv1": _conv(3, stem, 7, 2, norm),
        "maxpool": nn.MaxPool2d(3, 2, 1),
    }
    stages = zip(pairwise((stem, *widths)), variant.blocks, strict=True)
    for number, ((before, width), norms) in enumerate(stages, 2):
        stage = nn.Sequential(
            _Block(before, width, norms[0], variant.searched),
            _Block(width, width, norms[1], variant.searched),
        )
        layers[f"conv{number}"] = stage
        if width != widths[-1]:
            halved = nn.Sequential(_conv(width, width), nn.AvgPool2d(2))
            if variant.searched:
                layers[f"pool{number}"] = halved
            else:
                stage.append(halved)
    layers["conv5"] = _conv(widths[-1], widths[-1])
    layers["pool"] = _GlobalPool()
    layers["fc"] = nn.Sequential(
        nn.Linear(widths[-1], FEATURES), nn.BatchNorm1d(FEATURES), nn.ReLU(inplace=True)
    )
    return OrderedDict(layers)


def _initialise(module: nn.Module) -> None:
    """Draw weights as torchreid does; normalisations start at the identity by themselves."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    elif isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=0.01)
    if isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
        nn.init.zeros_(module.bias)


def osnet(name: str) -> OSNet:
    """Return an untrained OSNet.

    Args:
        name: One of `OSNETS`, such as ``osnet_x0_25``.

    Raises:
        UsageError: There is no such member of the family.
    """
    if name not in _VARIANTS:
        raise unknown_name("OSNet", name, list(OSNETS))
    network = OSNet(_layers(_VARIANTS[name]))
    network.apply(_initialise)
    return network


class _OSNetBackbone(Backbone):
    network: ClassVar[str]
    imagenet: ClassVar[str]
    """Where torchreid keeps the weights: the identifier of a file on Google Drive."""
    card = Card(
        title="OSNet",
        paper="Zhou et al., ICCV 2019 and TPAMI 2021",
        references=("zhou2019", "zhou2021-osnet"),
        notes="The head (linear, batch normalisation, ReLU) stands before the BNNeck.",
    )

    @classmethod
    def build(cls, config: BackboneConfig) -> tuple[nn.Module, int]:
        """Build the trunk; see `Backbone.build`.

        Raises:
            EnvironmentProblem: ImageNet weights were asked for and cannot be fetched.
        """
        trunk = osnet(cls.network)
        if config.weights == "imagenet":
            url = f"https://drive.google.com/uc?id={cls.imagenet}"
            load_published(trunk, url, f"{cls.network}_imagenet.pth", cls.name)
        return trunk, FEATURES


class OSNetX100(_OSNetBackbone):
    """OSNet x1.0: 2.2 M parameters, 512 dimensions."""

    network = "osnet_x1_0"
    imagenet = "1LaG1EJpHrxdAxKnSCJ_i0u-nbxSAeiFY"


class OSNetX075(_OSNetBackbone):
    """OSNet x0.75: 1.3 M parameters, 512 dimensions."""

    network = "osnet_x0_75"
    imagenet = "1uwA9fElHOk3ZogwbeY5GkLI6QPTX70Hq"


class OSNetX050(_OSNetBackbone):
    """OSNet x0.5: 0.6 M parameters, 512 dimensions."""

    network = "osnet_x0_5"
    imagenet = "16DGLbZukvVYgINws8u8deSaOqjybZ83i"


class OSNetX025(_OSNetBackbone):
    """OSNet x0.25: 0.2 M parameters, 512 dimensions."""

    network = "osnet_x0_25"
    imagenet = "1rb8UN5ZzPKRc_xvtHlyDh-cSz88YX9hs"


class OSNetIBN(_OSNetBackbone):
    """OSNet-IBN x1.0: instance normalisation in the stem and the first stage."""

    network = "osnet_ibn_x1_0"
    imagenet = "1sr90V6irlYYDd4_4ISU2iruoRG8J__6l"


class OSNetAIN(_OSNetBackbone):
    """OSNet-AIN x1.0: instance normalisation where a search put it."""

    network = "osnet_ain_x1_0"
    imagenet = "1-CaioD9NaqbHK_kzSMW8VE4_3KcsRjEo"
