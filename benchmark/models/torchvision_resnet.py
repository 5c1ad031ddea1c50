"""ResNet-18 and ResNet-50 of torchvision, last stride 1 (Luo et al., bag of tricks, CVPRW 2019)."""

from __future__ import annotations

import contextlib
import pickle
import sys
from collections.abc import Callable
from typing import Any, ClassVar
from urllib.error import URLError

from torch import nn
from torchvision import models

from benchmark.core.errors import EnvironmentProblem
from benchmark.core.plugin import Card
from benchmark.models.backbone import Backbone, BackboneConfig


class _TorchvisionResNet(Backbone):
    factory: ClassVar[Callable[..., models.ResNet]]
    pretrained: ClassVar[Any]

    @classmethod
    def build(cls, config: BackboneConfig) -> tuple[nn.Module, int]:
        """Build the trunk; see `Backbone.build`.

        Raises:
            EnvironmentProblem: ImageNet weights were asked for and cannot be fetched.
        """
        weights = cls.pretrained if config.weights == "imagenet" else None
        try:
            with contextlib.redirect_stdout(sys.stderr):  # torch announces downloads on stdout
                net = cls.factory(weights=weights)
        except (URLError, OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
            if weights is None:
                raise
            raise EnvironmentProblem(
                f"the ImageNet weights of {cls.name} could not be loaded: {error}",
                "go without them (--set backbone.weights=none), or put the file "
                f"{weights.url.rsplit('/', 1)[-1]} into torch's hub/checkpoints folder",
            ) from error
        _set_last_stride_1(net)
        without_pooling_and_head = list(net.children())[:-2]
        return nn.Sequential(*without_pooling_and_head), net.fc.in_features


def _set_last_stride_1(net: models.ResNet) -> None:
    for module in net.layer4[0].modules():
        if isinstance(module, nn.Conv2d) and module.stride == (2, 2):
            module.stride = (1, 1)


class ResNet18(_TorchvisionResNet):
    """ResNet-18 (He et al., CVPR 2016), 512 dimensions."""

    card = Card(title="ResNet-18", paper="He et al., CVPR 2016", references=("he2016",))
    factory = staticmethod(models.resnet18)
    pretrained = models.ResNet18_Weights.IMAGENET1K_V1


class ResNet50(_TorchvisionResNet):
    """ResNet-50 (He et al., CVPR 2016), 2048 dimensions."""

    card = Card(title="ResNet-50", paper="He et al., CVPR 2016", references=("he2016",))
    factory = staticmethod(models.resnet50)
    pretrained = models.ResNet50_Weights.IMAGENET1K_V1
