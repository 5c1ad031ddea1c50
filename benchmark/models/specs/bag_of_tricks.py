"""ResNet-50 with BNNeck in two key layouts: FastReID's, and that of the strong baseline.

He et al., "FastReID: A Pytorch Toolbox for General Instance Re-identification" (ACM MM 2023),
https://github.com/JDAI-CV/fast-reid: keys ``backbone.*`` and ``heads.bottleneck.0.*``; bicubic
resizing to 256×128; the model itself normalises pixels of 0 to 255. Configuration Base-bagtricks.

Luo et al., "Bag of Tricks and a Strong Baseline for Deep Person Re-identification" (CVPRW 2019),
https://github.com/michuanhaohao/reid-strong-baseline: keys ``base.*`` and ``bottleneck.*``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor, nn

from benchmark.models.resnet_ibn import Layout, resnet50_trunk
from benchmark.models.specs.key_rules import KeyRules
from benchmark.models.specs.kinds import USUAL, SpecKind, check_known
from benchmark.models.specs.preprocessing import LARGEST, Preprocessing

FEATURES = 2048
"""Width of the embeddings."""
NAMES = ("resnet50", "resnet50_ibn")
PIXEL_KEYS = ("pixel_mean", "pixel_std")
"""Buffers of older releases: the normalisation, which the wrapper does here."""


class NeckedNetwork(nn.Module):
    """Pooled features and the BNNeck behind them.

    Args:
        base: From images to maps of 2048 channels.
        feature: ``before`` or ``after`` the BNNeck.
    """

    def __init__(self, base: nn.Module, feature: str) -> None:
        super().__init__()
        self.base, self.bottleneck = base, nn.BatchNorm1d(FEATURES)
        self.feature = feature

    def forward(self, images: Tensor) -> Tensor:
        """Return (B, 2048) features."""
        features: Tensor = self.base(images).mean((2, 3))
        return features if self.feature == "before" else self.bottleneck(features)


class StrongBaseline(SpecKind):
    """``strong-baseline:NAME``."""

    has_neck: ClassVar[bool] = True
    project: ClassVar[Layout] = "strong-baseline"

    def check(self, argument: str) -> None:
        """Refuse an unknown network; see `SpecKind.check`."""
        check_known(self.project, argument, NAMES)

    def build(self, argument: str, size: tuple[int, int], feature: str | None) -> nn.Module:
        """Build the network; see `SpecKind.build`."""
        base = resnet50_trunk(ibn=argument == "resnet50_ibn", layout=self.project)
        return NeckedNetwork(base, str(feature)).eval()

    def rules(self, argument: str, network: nn.Module) -> KeyRules:
        """Return the rules: both classifiers are dropped, the one of ImageNet as well."""
        return KeyRules(dropped=(r"classifier\..*", r"base\.fc\..*"))


class FastReID(StrongBaseline):
    """``fastreid:NAME``."""

    project: ClassVar[Layout] = "fastreid"

    def usual(self, argument: str) -> dict[str, Any]:
        """Return its preprocessing: bicubic, and ImageNet's statistics times 255."""
        white = LARGEST["0-255"]
        scaled = {
            key: tuple(round(one * white, 3) for one in USUAL[key]) for key in ("mean", "std")
        }
        return super().usual(argument) | {"resize": "bicubic", "range": "0-255", **scaled}

    def rules(self, argument: str, network: nn.Module) -> KeyRules:
        """Return the rules: neck and trunk change their names, the classifier is dropped."""
        return KeyRules(
            renamed={"backbone.": "base.", "heads.bottleneck.0.": "bottleneck."},
            dropped=(r"heads\.(weight|classifier\..*|cls_layer\..*)", *PIXEL_KEYS),
        )

    def warnings(self, state: Mapping[str, Tensor], preprocessing: Preprocessing) -> list[str]:
        """Return that the file holds another normalisation than the declared one, if it does."""
        said = []
        for key, declared in zip(PIXEL_KEYS, (preprocessing.mean, preprocessing.std), strict=True):
            held = next((value for name, value in state.items() if name.endswith(key)), None)
            values = declared if held is None else held.flatten().tolist()
            if [round(value, 3) for value in values] != [round(value, 3) for value in declared]:
                option = f"encoder.{key.removeprefix('pixel_')}"
                said.append(f"its {key} is {values}, and {option} is {list(declared)}")
        return said
