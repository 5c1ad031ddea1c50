"""Networks of torchreid (https://github.com/KaiyangZhou/deep-person-reid), under its key names.

The OSNet family, and its ResNet-50: plain with last stride 2, and with a layer of 512 on top and
last stride 1. Tested at 256×128, with torchvision's bilinear resizing and ImageNet's statistics.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

from torch import nn

from benchmark.models.osnet import OSNETS, osnet
from benchmark.models.resnet_ibn import resnet50_trunk
from benchmark.models.specs.key_rules import KeyRules
from benchmark.models.specs.kinds import SpecKind, check_known

FEATURES = 2048
"""Width of the pooled features of a ResNet-50."""
RESNETS: Mapping[str, tuple[int, int | None]] = {
    "resnet50": (2, None),
    "resnet50_fc512": (1, 512),
}
"""Last stride, and width of the layer on top."""


class Torchreid(SpecKind):
    """``torchreid:NAME``."""

    def check(self, argument: str) -> None:
        """Refuse an unknown network; see `SpecKind.check`."""
        check_known("torchreid", argument, (*OSNETS, *RESNETS))

    def build(self, argument: str, size: tuple[int, int], feature: str | None) -> nn.Module:
        """Build the network; see `SpecKind.build`."""
        if argument in OSNETS:
            return osnet(argument).eval()
        last_stride, width = RESNETS[argument]
        parts = OrderedDict(resnet50_trunk(last_stride=last_stride).named_children())
        parts["pool"] = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        if width is not None:
            layer = nn.Linear(FEATURES, width)
            parts["fc"] = nn.Sequential(layer, nn.BatchNorm1d(width), nn.ReLU())
        return nn.Sequential(parts).eval()

    def rules(self, argument: str, network: nn.Module) -> KeyRules:
        """Return the rules: the classifier of the training identities is dropped."""
        return KeyRules(dropped=(r"classifier\..*",))
