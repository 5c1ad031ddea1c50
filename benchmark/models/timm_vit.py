"""Vision transformers of timm, for images of any size (Dosovitskiy et al., ICLR 2021)."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any, ClassVar

from torch import nn

from benchmark.core.errors import UsageError
from benchmark.core.plugin import Card
from benchmark.models.backbone import Backbone, BackboneConfig
from benchmark.models.published_weights import fetching


def timm_library() -> ModuleType:
    """Return timm, which the core dependencies leave out.

    Raises:
        UsageError: It is not installed.
    """
    try:
        import timm
    except ImportError as error:
        raise UsageError(
            f"networks of timm cannot be used: {error}", "pip install 'reid-robustbench[timm]'"
        ) from error
    module: ModuleType = timm
    return module


def timm_vit(name: str, pretrained: bool = False, **options: Any) -> nn.Module:
    """Return a vision transformer from images (B, 3, H, W) to its class token (B, D).

    Positions are interpolated to the patches of the images at hand. Attention is computed step by
    step: as few tokens as these cost little, and gradients of gradients exist.

    Args:
        name: As timm calls it.
        pretrained: Whether to load timm's default weights.
        options: Further ones of the network.
    """
    network: nn.Module = timm_library().create_model(
        name,
        pretrained=pretrained,
        num_classes=0,
        dynamic_img_size=True,
        dynamic_img_pad=True,
        **options,
    )
    for layer in attention_layers(network):
        layer.fused_attn = False  # type: ignore[assignment]
    return network


def attention_layers(network: nn.Module) -> list[nn.Module]:
    """Return the parts of a network that are timm's self-attention, in the order of their use."""
    return [part for part in network.modules() if hasattr(part, "fused_attn")]


class _TimmViT(Backbone):
    network: ClassVar[str]
    options: ClassVar[Mapping[str, Any]] = {}
    mean = std = (0.5, 0.5, 0.5)  # of timm's weights
    card = Card(
        title="Vision transformer",
        paper="Dosovitskiy et al., ICLR 2021; with a BNNeck He et al., TransReID, ICCV 2021",
        references=("dosovitskiy2021", "he2021"),
        notes="The class token after the last normalisation goes into the BNNeck. Patches do not "
        "overlap, and nothing tells the cameras: neither of TransReID's modules is in it.",
    )
    packages = ("timm",)

    @classmethod
    def build(cls, config: BackboneConfig) -> tuple[nn.Module, int]:
        """Build the trunk; see `Backbone.build`.

        Raises:
            UsageError: timm is not installed.
            EnvironmentProblem: ImageNet weights were asked for and cannot be fetched.
        """
        if config.weights == "imagenet":
            with fetching(cls.name, "fill the cache of huggingface_hub where there is a network"):
                trunk = timm_vit(cls.network, pretrained=True, **cls.options)
        else:
            trunk = timm_vit(cls.network, **cls.options)
        return trunk, int(trunk.num_features)  # type: ignore[arg-type]


class ViTSmall(_TimmViT):
    """ViT-S/16 of timm: 21.7 M parameters, 384 dimensions."""

    network = "vit_small_patch16_224"


class ViTBase(_TimmViT):
    """ViT-B/16 of timm: 85.8 M parameters, 768 dimensions."""

    network = "vit_base_patch16_224"
