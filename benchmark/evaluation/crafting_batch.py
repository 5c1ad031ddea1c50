"""How many images an attack crafts at once."""

from __future__ import annotations

from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from benchmark.core.batches import LARGEST_BATCH, sized_to_memory
from benchmark.core.device_memory import memory_of
from benchmark.core.encoder import embed, evaluating
from benchmark.core.seeding import torch_seeded
from benchmark.evaluation.attack_inputs import AttackInputs, ImageSide

_SIZES: WeakKeyDictionary[nn.Module, dict[tuple[int, ...], int]] = WeakKeyDictionary()
"""What was found for an encoder, by the configured batch and the shape of images: it is the same
each time, and a shard of a single step is hardly more work than to find it."""


def crafting_batch(
    inputs: AttackInputs, side: ImageSide, rows: NDArray[np.int64], batch: int, owner: str
) -> int:
    """Return how many images the memory of a device is forecast to hold in a step of an attack.

    A step sends images forward and backward through what the attacker sees. On a CPU the batch is
    the configured one.

    Args:
        inputs: What the attacker is handed.
        side: The set.
        rows: (N,) its rows that are attacked.
        batch: Images at once, as configured.
        owner: Name of the defense, for error messages.

    Raises:
        PluginError: The encoder broke its contract.
    """
    view = inputs.view.encoder

    def step(count: int) -> None:
        images = inputs.images(side).tensor(rows[:count]).to(inputs.device).requires_grad_(True)
        with evaluating(view), torch.enable_grad(), torch_seeded(0, inputs.device):
            embeddings = embed(view, images, owner)
            if embeddings.requires_grad:
                torch.autograd.grad(embeddings.sum(), images)

    memory = memory_of(inputs.device)
    if memory is None or len(rows) <= batch:
        return batch
    sizes, key = _SIZES.setdefault(view, {}), (batch, *inputs.images(side).images.shape[1:])
    if key not in sizes:
        sizes[key] = sized_to_memory(batch, LARGEST_BATCH, step, memory)
    return sizes[key]
