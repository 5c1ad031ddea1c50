"""Whether what was saved of a trained encoder is all of it.

A run ranks and attacks the encoder that `Defense.build_encoder` makes and that is given the saved
parameters and buffers. What else shapes the embeddings, such as a tensor in a plain attribute or
in a closure, would be lost without a word, and another encoder measured than was trained.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from benchmark.core.device import DevicePolicy
from benchmark.core.encoder import embed, encoder_faults, evaluating
from benchmark.core.errors import PluginError
from benchmark.core.image_set import ImageSet
from benchmark.core.seeding import seed_everything

IMAGES = 4
"""Images that both encoders embed."""
SAME = 1e-4
"""Largest difference of embeddings that rounding explains, as a share of the largest value."""
SEED = 0
"""A random encoder draws the same numbers whenever it is seeded alike."""


def check_reloaded(
    trained: nn.Module, loaded: nn.Module, images: ImageSet, *, policy: DevicePolicy, owner: str
) -> None:
    """Compare a trained encoder with what was saved of it and loaded again.

    Args:
        trained: What a training returned; it is moved to the device.
        loaded: On the device.
        images: Some of these are embedded.
        policy: Where to compute.
        owner: Name of the defense, for error messages.

    Raises:
        PluginError: They embed the same images differently, or cannot embed them.
    """
    rows = np.linspace(0, len(images) - 1, min(IMAGES, len(images))).astype(np.int64)
    pixels = images.tensor(rows).to(policy.device)
    with encoder_faults(owner, " when it was moved to the device"):
        policy.place(trained)
    expected = _embedded(trained, pixels, owner)
    if not torch.equal(expected, _embedded(trained, pixels, owner)):
        return  # its draws cannot be seeded, so that no two calls compare
    found = _embedded(loaded, pixels, owner)
    if found.shape == expected.shape:
        apart = float((found - expected).abs().max() / expected.abs().max().clamp_min(1e-12))
        if apart <= SAME:
            return
        seen = f"by up to {100 * apart:.2g} % of the largest value"
    else:
        seen = f"{found.shape[1]} wide instead of {expected.shape[1]}"
    raise PluginError(
        f"{owner}: saved and loaded again, the trained encoder gives other embeddings, {seen}",
        "keep all that shapes them in parameters or buffers (register_buffer), and let "
        "build_encoder() set the rest as fit() does",
    )


@torch.no_grad()
def _embedded(encoder: nn.Module, pixels: Tensor, owner: str) -> Tensor:
    seed_everything(SEED)
    with evaluating(encoder):
        return embed(encoder, pixels, owner).float()
