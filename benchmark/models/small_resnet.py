"""A small residual network that a CPU trains in minutes at 64×32."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.core.errors import UsageError
from benchmark.core.plugin import Card
from benchmark.models.backbone import Backbone, BackboneConfig


class _Shortcut(nn.Conv2d):
    """Strided 1×1 convolution that keeps clear of a fault of oneDNN.

    Its weight gradient of a channels-last input with fewer channels than a SIMD block (16) writes
    outside its workspace: https://github.com/uxlfoundation/oneDNN/issues/6035. Taking every
    second pixel first computes the same and does not go there.
    """

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__(channels_in, channels_out, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        if self.in_channels >= 16:
            return super().forward(x)
        step = self.stride[0]
        return F.conv2d(x[:, :, ::step, ::step], self.weight)


class _Block(nn.Module):
    """Basic residual block (He et al., CVPR 2016)."""

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels_out)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels_out)
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or channels_in != channels_out:
            self.shortcut = nn.Sequential(
                _Shortcut(channels_in, channels_out, stride),
                nn.BatchNorm2d(channels_out),
            )

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        return F.relu(self.bn2(self.conv2(y)) + self.shortcut(x), inplace=True)


class SmallResNet(Backbone):
    """Residual network of four basic blocks, total stride 8, last stride 1; 0.7 M parameters."""

    card = Card(title="Small residual network", notes="This project's own, for CPU-sized runs.")

    @classmethod
    def build(cls, config: BackboneConfig) -> tuple[nn.Module, int]:
        """Build the trunk; see `Backbone.build`."""
        if config.weights != "none":
            raise UsageError("small-resnet has no ImageNet weights", "set backbone.weights=none")
        w = config.width
        trunk = nn.Sequential(
            nn.Conv2d(3, w, 3, 2, 1, bias=False),
            nn.BatchNorm2d(w),
            nn.ReLU(inplace=True),
            _Block(w, w, 1),
            _Block(w, 2 * w, 2),
            _Block(2 * w, 4 * w, 2),
            _Block(4 * w, 8 * w, 1),
        )
        return trunk, 8 * w
