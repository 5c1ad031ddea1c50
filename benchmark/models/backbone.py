"""The backbone contract: normalised images in, a feature map out."""

from __future__ import annotations

from abc import abstractmethod

from torch import nn

from benchmark.core.plugin import Plugin
from benchmark.models.config import BackboneConfig


class Backbone(Plugin):
    """Base of every backbone."""

    @classmethod
    @abstractmethod
    def build(cls, config: BackboneConfig) -> tuple[nn.Module, int]:
        """Return a trunk from (B, 3, H, W) to a feature map (B, D, h, w), and D."""
