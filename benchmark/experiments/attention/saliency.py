"""Which places an embedding rests on: Grad-CAM of the similarity to a reference embedding.

Selvaraju et al., "Grad-CAM" (ICCV 2017), with a cosine in place of a class score:

    w_c = mean over places of d cos(E(x), r) / d A_c,   map = relu(sum_c w_c A_c)

A is the last feature map of the encoder, r the reference. A vision transformer has none: there it
is the roll-out of its attention, which does not depend on the reference.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.core.encoder import embed, evaluating
from benchmark.core.errors import PluginError
from benchmark.experiments.attention.rollout import rollout, token_network

TOP_SHARE = 0.2
"""Share of the places that count: those where a map is largest."""


def saliency(encoder: nn.Module, images: Tensor, references: Tensor, owner: str) -> Tensor:
    """Return (B, H, W) maps, not negative, at the size of the images.

    Args:
        encoder: In eval mode; some part of it must be the harness's encoder, another that names
            its ``last_map``, or a vision transformer of timm.
        images: (B, 3, H, W) in [0, 1].
        references: (B, D) embeddings whose cosine is explained.
        owner: Name of the defense, for error messages.

    Raises:
        PluginError: The encoder has no such part, or runs it several times.
    """
    tokens = token_network(encoder)
    if tokens is not None:
        return rollout(encoder, tokens, images, owner)
    source = next((part.last_map for part in encoder.modules() if hasattr(part, "last_map")), None)
    if not isinstance(source, nn.Module):
        raise PluginError(
            f"{owner}: its encoder has no feature map to explain",
            "attention needs an encoder that is, or holds, the harness's own; or one with a "
            "property last_map, the module that returns its last feature map",
        )
    seen: list[Tensor] = []

    def cut(_module: nn.Module, _inputs: Any, output: Tensor) -> Tensor:
        # A leaf: what lies before the map need not be differentiable.
        leaf = output.detach().requires_grad_(True)
        seen.append(leaf)
        return leaf

    handle = source.register_forward_hook(cut)
    try:
        with evaluating(encoder), torch.enable_grad():
            similarity = F.cosine_similarity(embed(encoder, images, owner), references)
            if len(seen) != 1 or seen[0].ndim != 4 or len(seen[0]) != len(images):
                raise PluginError(
                    f"{owner}: its encoder does not embed an image in one pass",
                    "leave the defense out of this experiment",
                )
            (gradient,) = torch.autograd.grad(similarity.sum(), seen[0])
    finally:
        handle.remove()
    weights = gradient.mean((2, 3), keepdim=True)
    maps = F.relu((weights * seen[0].detach()).sum(1, keepdim=True))
    size = tuple(images.shape[2:])
    return F.interpolate(maps, size=size, mode="bilinear", align_corners=False)[:, 0]


def overlap(
    first: NDArray[np.float32], second: NDArray[np.float32], share: float = TOP_SHARE
) -> NDArray[np.float64]:
    """Return (B,) intersection over union of the places where two maps (B, H, W) are largest.

    Places where a map is zero do not count; two empty maps share nothing.

    Args:
        first: Maps.
        second: Maps of the same images.
        share: Share of the places of each map that count, at least one.
    """
    count = max(1, round(share * first[0].size))

    def top(maps: NDArray[np.float32]) -> NDArray[np.bool_]:
        flat = maps.reshape(len(maps), -1)
        chosen = np.zeros(flat.shape, bool)
        order = np.argsort(-flat, axis=1, kind="stable")[:, :count]
        np.put_along_axis(chosen, order, True, axis=1)
        return chosen & (flat > 0)

    one, other = top(first), top(second)
    shared: NDArray[np.float64] = (one & other).sum(1) / np.maximum((one | other).sum(1), 1)
    return shared


def likeness(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return (B,) cosines of maps (B, H, W); 0 where one of them is empty."""
    one, other = (maps.reshape(len(maps), -1).astype(np.float64) for maps in (first, second))
    norms = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    products: NDArray[np.float64] = (one * other).sum(1) / np.where(norms > 0, norms, 1)
    return products
