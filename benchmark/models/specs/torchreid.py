"""Networks of torchreid (https://github.com/KaiyangZhou/deep-person-reid), under its key names.

The OSNet family, and its ResNet-50: plain with last stride 2, and with a layer of 512 on top and
last stride 1. Tested at 256×128, with torchvision's bilinear resizing and ImageNet's statistics.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from benchmark.models.osnet import OSNETS, osnet
from benchmark.models.specs.key_rules import KeyRules
from benchmark.models.specs.kinds import SpecKind, check_known
from benchmark.models.specs.resnet import FEATURES, pooled_resnet50

RESNETS: Mapping[str, tuple[int, int | None]] = {
    "resnet50": (2, None),
    "resnet50_fc512": (1, 512),
}
"""Last stride, and width of the layer on top."""


class Torchreid(SpecKind):
    """``torchreid:NAME``."""

    def build(self, argument: str, size: tuple[int, int], feature: str | None) -> nn.Module:
        """Build the network; see `SpecKind.build`."""
        check_known("torchreid", argument, (*OSNETS, *RESNETS))
        if argument in OSNETS:
            return osnet(argument).eval()
        last_stride, width = RESNETS[argument]
        network = pooled_resnet50(last_stride)
        if width is not None:
            layer = nn.Linear(FEATURES, width)
            network.fc = nn.Sequential(layer, nn.BatchNorm1d(width), nn.ReLU())
        return network.eval()

    def rules(self, argument: str, network: nn.Module) -> KeyRules:
        """Return the rules: the classifier of the training identities is dropped."""
        return KeyRules(dropped=(r"classifier\..*",))
