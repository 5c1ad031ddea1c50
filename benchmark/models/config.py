"""Which encoder a run trains."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from benchmark.core.plugin import PluginConfig


class BackboneConfig(PluginConfig):
    """Choice and size of the backbone."""

    name: str = "small-resnet"
    """Registry name."""
    width: int = Field(default=24, ge=4, le=256)
    """Channels of the first stage, for backbones whose width is free."""
    weights: Literal["none", "imagenet"] = "none"
    """Initial weights, for backbones that have published ones."""
