"""Networks of timm (https://github.com/huggingface/pytorch-image-models), without a classifier.

Normalisation is that of the network's configuration. Transformers are built for the size that they
are given; positions of a checkpoint of another size are interpolated, by timm's own function.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from benchmark.core.errors import UsageError
from benchmark.models.foreign_weights import first_line
from benchmark.models.specs.key_rules import KeyRules
from benchmark.models.specs.kinds import USUAL, SpecKind, check_known
from benchmark.models.timm_vit import attention_layers, timm_library

POSITIONS = "pos_embed"


class Timm(SpecKind):
    """``timm:NAME``."""

    def check(self, argument: str) -> None:
        """Refuse an unknown network; see `SpecKind.check`."""
        check_known("timm", argument.split(".")[0], timm_library().list_models())

    def usual(self, argument: str) -> dict[str, Any]:
        """Return the preprocessing, with the statistics of the network's configuration."""
        found = timm_library().get_pretrained_cfg(argument)
        statistics = {} if found is None else {"mean": found.mean, "std": found.std}
        return dict(USUAL) | statistics

    def build(self, argument: str, size: tuple[int, int], feature: str | None) -> nn.Module:
        """Build the network; see `SpecKind.build`."""
        package = timm_library()
        options: dict[str, Any] = {"pretrained": False, "num_classes": 0}
        try:
            network: nn.Module = package.create_model(argument, **options)
            if hasattr(network, POSITIONS):
                network = package.create_model(argument, **options, img_size=size)
        except (RuntimeError, ValueError, TypeError, AssertionError) as error:
            raise UsageError(
                f"timm does not build {argument!r} for {size[0]}×{size[1]}: {first_line(error)}",
                "give a size that it takes, such as --set encoder.size=[224,224]",
            ) from error
        for layer in attention_layers(network):
            layer.fused_attn = False  # type: ignore[assignment]  # as in our own transformers
        return network.eval()

    def rules(self, argument: str, network: nn.Module) -> KeyRules:
        """Return the rules: what timm calls the classifier is dropped."""
        named = getattr(network, "pretrained_cfg", {}).get("classifier", "head")
        names = (named,) if isinstance(named, str) else tuple(named)
        return KeyRules(dropped=tuple(rf"{re.escape(name)}\..*" for name in names))

    def resized(
        self, network: nn.Module, state: Mapping[str, Tensor]
    ) -> tuple[dict[str, Tensor], list[str]]:
        """Return weights with positions for the size that the network is given."""
        built: Any = network
        held, own = state.get(POSITIONS), getattr(built, POSITIONS, None)
        if held is None or own is None or held.shape == own.shape or held.shape[0] != 1:
            return dict(state), []
        prefix = 0 if getattr(built, "no_embed_class", False) else built.num_prefix_tokens
        side = math.isqrt(held.shape[1] - prefix)
        if side * side != held.shape[1] - prefix:
            return dict(state), []  # the grid is not known: the shapes are told as an error
        grid = list(built.patch_embed.grid_size)
        positions = timm_library().layers.resample_abs_pos_embed(
            held.float(), grid, num_prefix_tokens=prefix
        )
        told = f"{POSITIONS}: positions of {side}×{side} to {grid[0]}×{grid[1]}"
        return {**state, POSITIONS: positions}, [told]
