"""Whether an encoder gives the same embedding of the same image, whenever and with whatever else.

It is called as evaluation calls it: in eval mode, with gradients off.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from benchmark.core.batches import Batches, all_at_once
from benchmark.core.encoder import embed, evaluating
from benchmark.core.errors import PluginError

ALONE = 8
"""Images that are also embedded one at a time."""


class Consistency(BaseModel):
    """How an encoder behaves over repeated calls; differences are of unit embeddings."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    repeat_difference: float
    """Largest difference between two passes over one batch."""
    batch_difference: float
    """Largest difference between images alone and in a batch."""
    order_difference: float
    """Largest difference between a batch and the same batch in reversed order."""
    training_modules: list[str]
    """Modules that were in training mode during a pass."""
    changed_state: list[str]
    """Parameters and buffers that a pass changed."""
    enables_gradients: bool
    """Whether a pass turned gradients on, which evaluation turns off."""


def measure_consistency(
    encoder: nn.Module, images: Tensor, owner: str, batches: Batches | None = None
) -> Consistency:
    """Embed (B, 3, H, W) images several times and compare.

    Args:
        encoder: The encoder.
        images: At least one image.
        owner: Name of the defense, for error messages.
        batches: Go through all of the images; None: at once. Of several, the worst counts.

    Raises:
        PluginError: The encoder raises, or returns a wrong shape, NaN or infinities.
    """
    seen: list[Consistency] = []
    (batches or all_at_once(images, owner)).run(
        lambda rows: seen.append(_of_a_batch(encoder, images[rows], owner))
    )
    return Consistency(
        repeat_difference=max(one.repeat_difference for one in seen),
        batch_difference=max(one.batch_difference for one in seen),
        order_difference=max(one.order_difference for one in seen),
        training_modules=sorted({name for one in seen for name in one.training_modules}),
        changed_state=list(dict.fromkeys(name for one in seen for name in one.changed_state)),
        enables_gradients=any(one.enables_gradients for one in seen),
    )


@torch.no_grad()
def _of_a_batch(encoder: nn.Module, images: Tensor, owner: str) -> Consistency:

    def unit(part: Tensor) -> Tensor:
        return F.normalize(embed(encoder, part, owner))

    with evaluating(encoder), _training_modules(encoder) as in_training, _GradientWatch() as watch:
        before = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
        together = unit(images)
        repeated = unit(images)
        turned = unit(images.flip(0)).flip(0)
        alone = torch.cat([_alone(unit, image) for image in images[:ALONE]])
        after = encoder.state_dict()
    return Consistency(
        repeat_difference=_largest(together, repeated),
        batch_difference=_largest(together[:ALONE], alone),
        order_difference=_largest(together, turned),
        training_modules=sorted(in_training),
        changed_state=[name for name, old in before.items() if not torch.equal(old, after[name])],
        enables_gradients=watch.seen,
    )


def _alone(unit: Callable[[Tensor], Tensor], image: Tensor) -> Tensor:
    """Embed one image; beside a copy of itself if the encoder refuses a batch of one."""
    try:
        return unit(image[None])
    except PluginError as error:
        if not isinstance(error.__cause__, ValueError):  # of batch norm in training mode
            raise
        return unit(torch.stack([image, image]))[:1]


def _largest(first: Tensor, second: Tensor) -> float:
    return float((first - second).abs().max())


@contextmanager
def _training_modules(encoder: nn.Module) -> Iterator[set[str]]:
    """Collect the names of the modules that run in training mode."""
    found: set[str] = set()

    def watch(name: str) -> Callable[[nn.Module, Any], None]:
        def note(module: nn.Module, _: Any) -> None:
            if module.training:
                found.add(name or type(module).__name__)

        return note

    with ExitStack() as stack:
        for name, module in encoder.named_modules():
            stack.callback(module.register_forward_pre_hook(watch(name)).remove)
        yield found


class _GradientWatch(TorchFunctionMode):
    """Notes whether any operation ran with gradients on."""

    seen = False

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        self.seen = self.seen or torch.is_grad_enabled()
        return func(*args, **(kwargs or {}))
