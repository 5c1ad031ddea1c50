"""Spectral normalisation (Miyato et al., ICLR 2018), and weights without it."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize

Layer = TypeVar("Layer", bound=nn.Module)


def spectral(layer: Layer, enabled: bool) -> Layer:
    """Return the layer with its weight divided by its largest singular value, if `enabled`."""
    if enabled:
        parametrizations.spectral_norm(layer)
    return layer


@torch.no_grad()
def plain_weights(module: nn.Module) -> dict[str, Tensor]:
    """Return a copy of the state that a module without spectral normalisation loads.

    Args:
        module: In eval mode, in which the normalisation does not move on.
    """
    state = {
        name: tensor.clone()
        for name, tensor in module.state_dict().items()
        if ".parametrizations." not in name
    }
    for name, part in module.named_modules():
        if parametrize.is_parametrized(part, "weight"):
            state[f"{name}.weight"] = part.weight.detach().clone()
    return state


def start_weights(module: nn.Module) -> None:
    """Draw weights from N(0, 0.02^2) and batch-norm scales from N(1, 0.02^2)."""
    for part in module.modules():
        if isinstance(part, (nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.normal_(part.weight, 0.0, 0.02)
            if part.bias is not None:
                nn.init.zeros_(part.bias)
        elif isinstance(part, nn.BatchNorm2d):
            nn.init.normal_(part.weight, 1.0, 0.02)
