"""ResNet-50 as the projects of the field have it: torchvision's key names, pooled, no classifier.

IBN-a (Pan et al., "Two at Once: Enhancing Learning and Generalization Capacities via IBN-Net",
ECCV 2018): in the first three stages, half of the channels of a block's first normalisation are
normalised image by image.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torchvision import models

FEATURES = 2048
"""Width of the pooled features."""
IBN_STAGES = ("layer1", "layer2", "layer3")


class HalfInstanceNorm(nn.Module):
    """Instance normalisation of the first half of the channels, batch normalisation of the rest."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.half = channels // 2
        self.IN = nn.InstanceNorm2d(self.half, affine=True)
        self.BN = nn.BatchNorm2d(channels - self.half)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, C, H, W), normalised."""
        first, rest = x[:, : self.half], x[:, self.half :]
        return torch.cat([self.IN(first), self.BN(rest)], 1)


def pooled_resnet50(last_stride: int, ibn: bool = False) -> models.ResNet:
    """Return a ResNet-50 from images to (B, 2048) pooled features, with random weights.

    Args:
        last_stride: Stride of the last stage; 1 keeps a map of 16×8 at 256×128 (Luo et al., CVPRW
            2019).
        ibn: Whether it is the variant IBN-a.
    """
    network = models.resnet50(weights=None)
    network.fc = nn.Identity()
    if last_stride == 1:
        first = network.layer4[0]
        first.conv2.stride = first.downsample[0].stride = (1, 1)
    for stage in IBN_STAGES if ibn else ():
        for block in network.get_submodule(stage):
            block.bn1 = HalfInstanceNorm(block.bn1.num_features)
    return network
