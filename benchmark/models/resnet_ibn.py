"""ResNet-50 with half of some normalisations by instance: IBN-Net-a of Pan et al., ECCV 2018.

Names of parameters as in https://github.com/XingangPan/IBN-Net, FastReID and strong-baseline.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Literal

import torch
from torch import Tensor, nn
from torchvision import models

from benchmark.core.plugin import Card
from benchmark.models.backbone import Backbone, BackboneConfig
from benchmark.models.published_weights import load_published

Layout = Literal["torchvision", "fastreid", "strong-baseline"]

_RELEASE = "https://github.com/XingangPan/IBN-Net/releases/download/v1.0/"
_IMAGENET = "resnet50_ibn_a-d9d0bb7b.pth"


class IBN(nn.Module):
    """Normalises the first half of the channels by image, the rest by batch."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.by_image = channels // 2
        self.IN = nn.InstanceNorm2d(self.by_image, affine=True)
        self.BN = nn.BatchNorm2d(channels - self.by_image)

    def forward(self, x: Tensor) -> Tensor:
        """Return the normalised (B, C, h, w) map."""
        by_image, by_batch = x[:, : self.by_image], x[:, self.by_image :]
        return torch.cat((self.IN(by_image), self.BN(by_batch)), 1)


def resnet50_trunk(
    ibn: bool = False, last_stride: int = 1, layout: Layout = "torchvision"
) -> nn.Sequential:
    """Return an untrained ResNet-50 from images to maps of 2048 channels, parts under their names.

    Args:
        ibn: Whether the first normalisation of each block of the first three stages is `IBN`.
        last_stride: Of the last stage.
        layout: Whose. FastReID pools without padding after the stem; strong-baseline leaves out
            the stem's ReLU, but with IBN. The parameters are the same.
    """
    net = models.resnet50(weights=None)
    if ibn:
        for stage in (net.layer1, net.layer2, net.layer3):
            for block in stage:
                block.bn1 = IBN(block.bn1.num_features)
    for layer in (net.layer4[0].conv2, net.layer4[0].downsample[0]):
        layer.stride = (last_stride, last_stride)
    if layout == "fastreid":
        net.maxpool = nn.MaxPool2d(3, 2, ceil_mode=True)
    elif layout == "strong-baseline" and not ibn:
        net.relu = nn.Identity()
    without_pooling_and_head = list(net.named_children())[:-2]
    return nn.Sequential(OrderedDict(without_pooling_and_head))


class ResNet50IBN(Backbone):
    """ResNet-50-IBN-a, last stride 1: 23.5 M parameters, 2048 dimensions."""

    card = Card(
        title="ResNet-50-IBN-a", paper="Pan et al., IBN-Net, ECCV 2018", references=("pan2018",)
    )

    @classmethod
    def build(cls, config: BackboneConfig) -> tuple[nn.Module, int]:
        """Build the trunk; see `Backbone.build`.

        Raises:
            EnvironmentProblem: ImageNet weights were asked for and cannot be fetched.
        """
        trunk = resnet50_trunk(ibn=True)
        if config.weights == "imagenet":
            load_published(trunk, _RELEASE + _IMAGENET, _IMAGENET, cls.name)
        return trunk, 2048
