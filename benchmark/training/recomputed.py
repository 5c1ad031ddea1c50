"""A forward pass that keeps its images alone: activations are computed anew on the way back.

Chen et al., "Training Deep Nets with Sublinear Memory Cost" (arXiv 1604.06174), with the model as
the one segment. It fits a step that holds several graphs, such as a second-order meta step: of each
only what its own backward pass needs lies in memory at a time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from torch import Tensor, nn
from torch.func import functional_call
from torch.utils.checkpoint import checkpoint

from benchmark.core.defense import Output


def recomputed(model: nn.Module, images: Tensor, state: Mapping[str, Tensor]) -> Output:
    """Return what a model in training mode gives for (B, 3, H, W) images.

    The second computation works on copies of the buffers: batch statistics count once.

    Args:
        model: The model.
        images: The images.
        state: Takes the place of its parameters and buffers; may be empty.
    """
    is_first = True

    def run(images: Tensor) -> Output:
        nonlocal is_first
        used = dict(state)
        if not is_first:
            buffers = {**dict(model.named_buffers()), **used}
            used |= {name: buffers[name].clone() for name, _ in model.named_buffers()}
        is_first = False
        return cast(Output, functional_call(model, used, (images,)))

    output: Output = checkpoint(run, images, use_reentrant=False)
    return output
