"""The backbone contract: normalised images in, a feature map out; and which one a run trains."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from benchmark.core.plugin import Plugin, PluginConfig

if TYPE_CHECKING:  # configurations are read without torch
    from torch import nn


class BackboneConfig(PluginConfig):
    """Choice and size of the backbone."""

    name: str = "small-resnet"
    """Registry name."""
    width: int = Field(default=24, ge=4, le=256)
    """Channels of the first stage, for backbones whose width is free."""
    weights: Literal["none", "imagenet"] = "none"
    """Initial weights, for backbones that have published ones."""


class Backbone(Plugin):
    """Base of every backbone."""

    @classmethod
    @abstractmethod
    def build(cls, config: BackboneConfig) -> tuple[nn.Module, int]:
        """Return a trunk from (B, 3, H, W) to a feature map (B, D, h, w), and D."""
