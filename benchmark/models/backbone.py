"""The backbone contract: normalised images in, features out; and which one a run trains."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from benchmark.core.plugin import Plugin, PluginConfig

if TYPE_CHECKING:  # configurations are read without torch
    from torch import nn

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class BackboneConfig(PluginConfig):
    """Choice and size of the backbone."""

    name: str = "small-resnet"
    """Registry name."""
    width: int = Field(default=24, ge=4, le=256)
    """Channels of the first stage, for backbones whose width is free."""
    weights: Literal["none", "imagenet"] = "none"
    """Initial weights, for backbones that have published ones."""


class Backbone(Plugin):
    """Base of every backbone.

    Attributes:
        mean: Of each channel, in [0, 1]: what images are normalised with.
        std: The same.
    """

    mean: ClassVar[tuple[float, float, float]] = IMAGENET_MEAN
    std: ClassVar[tuple[float, float, float]] = IMAGENET_STD

    @classmethod
    @abstractmethod
    def build(cls, config: BackboneConfig) -> tuple[nn.Module, int]:
        """Return a trunk, and the size D of its features.

        The trunk maps normalised images (B, 3, H, W) to a feature map (B, D, h, w), whose mean
        over all places is taken; or to features (B, D), if it pools by itself. One that does and
        has a feature map before names the module that returns it in a property ``last_map``.
        """
