"""Which places the class token of a vision transformer has looked at: attention roll-out.

Abnar & Zuidema, "Quantifying Attention Flow in Transformers" (ACL 2020), Section 3:

    rollout = A_L … A_2 A_1,   A_l = (mean over heads of attention l + I) / 2

Its row of the class token is the map; of a network that pools all tokens, the mean of the rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import reduce
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.core.encoder import embed, evaluating
from benchmark.core.errors import PluginError
from benchmark.models.timm_vit import attention_layers


def token_network(encoder: nn.Module) -> nn.Module | None:
    """Return the part of an encoder that is a vision transformer of timm, if there is one."""
    parts = (part for part in encoder.modules() if hasattr(part, "patch_embed"))
    return next((part for part in parts if attention_layers(part)), None)


def rollout(encoder: nn.Module, network: nn.Module, images: Tensor, owner: str) -> Tensor:
    """Return (B, H, W) maps, not negative, at the size of the images.

    Args:
        encoder: In eval mode.
        network: Its part that is a vision transformer.
        images: (B, 3, H, W) in [0, 1].
        owner: Name of the defense, for error messages.

    Raises:
        PluginError: The encoder runs the network several times, or it attends to windows.
    """
    with _recorded(network) as (sizes, attention), evaluating(encoder), torch.no_grad():
        embed(encoder, images, owner)
    patches: Any = network.patch_embed
    prefix = int(network.num_prefix_tokens)  # type: ignore[arg-type]
    grid = patches.dynamic_feat_size(sizes[0]) if len(sizes) == 1 else (0, 0)
    tokens = prefix + grid[0] * grid[1]
    if any(one.shape[::2] != (len(images), tokens) for one in attention):
        raise PluginError(
            f"{owner}: its encoder does not embed an image in one pass of global attention",
            "leave the defense out of this experiment",
        )
    unit = torch.eye(tokens, device=images.device)
    mixed = ((one.mean(1) + unit) / 2 for one in attention)
    joined = reduce(lambda below, layer: layer @ below, mixed)
    rows = joined[:, 0] if network.global_pool == "token" else joined.mean(1)
    maps = rows[:, prefix:].reshape(len(images), 1, *grid)
    padded = [places * side for places, side in zip(grid, patches.patch_size, strict=True)]
    height, width = sizes[0]
    whole = _resized(maps, padded)[:, :, :height, :width]
    return _resized(whole, images.shape[2:])[:, 0]


def _resized(maps: Tensor, size: Any) -> Tensor:
    return F.interpolate(maps, size=tuple(size), mode="bilinear", align_corners=False)


@contextmanager
def _recorded(network: nn.Module) -> Iterator[tuple[list[tuple[int, int]], list[Tensor]]]:
    """Collect the sizes of images that a network is given, and its attention (B, heads, N, N)."""
    sizes: list[tuple[int, int]] = []
    attention: list[Tensor] = []
    layers: Any = attention_layers(network)
    fused = [layer.fused_attn for layer in layers]
    hooks = [network.register_forward_pre_hook(lambda _, x: sizes.append(tuple(x[0].shape[2:])))]
    try:
        for layer in layers:
            layer.fused_attn = False  # the fused kernel shows no attention
            hooks.append(
                layer.attn_drop.register_forward_hook(lambda _, __, y: attention.append(y))
            )
        yield sizes, attention
    finally:
        for layer, value in zip(layers, fused, strict=True):
            layer.fused_attn = value
        for hook in hooks:
            hook.remove()
