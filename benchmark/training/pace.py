"""How quickly a training goes: images a second and, on a GPU, its share of the bare passes.

Bare passes are timed once, before the first step, on a copy of the model, which costs about ten
steps. On a CPU they are not: what a clock says there tells of the neighbours, and `make bench`
measures the same by processor time.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from benchmark.core.device import DevicePolicy
from benchmark.core.encoder import evaluating
from benchmark.models.encoder import ReIDModel
from benchmark.training.step import Passes

GIB = 2**30
_TIMES = 3
"""Passes of each kind, after one that warms up."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class BareSeconds:
    """Seconds of an image in bare passes: forward alone, also backward to it, to the weights."""

    forward: float
    to_images: float
    to_weights: float

    def of(self, passes: Passes) -> float:
        """Return the seconds of some passes."""
        forwards = max(0, passes.inner_forward - passes.inner_backward)
        inner = forwards * self.forward + passes.inner_backward * self.to_images
        return inner + passes.outer * self.to_weights


class Pace:
    """Counts the images of an epoch and the time since it began.

    Args:
        policy: Device and precision of the update.
        inner_dtype: Precision of inner attacks; None: float32.

    Attributes:
        images: Images drawn in this epoch so far; the loop counts them.
    """

    def __init__(self, policy: DevicePolicy, inner_dtype: torch.dtype | None) -> None:
        self._policy, self._inner_dtype = policy, inner_dtype
        self._bare: BareSeconds | None = None
        self._start, self._before = 0.0, Passes()
        self.images = 0

    @property
    def _on_gpu(self) -> bool:
        return self._policy.device.type == "cuda"

    def time_bare_passes(self, model: ReIDModel, images: Callable[[], Tensor]) -> None:
        """Time bare passes on a copy of a model, if this is a GPU; a failure stops nothing.

        Args:
            model: It stays as it is.
            images: Returns (B, 3, H, W) images on the device.
        """
        if not self._on_gpu:
            return
        try:
            self._bare = timed_bare_passes(model, images(), self._policy, self._inner_dtype)
        except Exception as error:  # a copy may not fit, or not be made: it is a figure to look at
            logger.info("the share of bare passes is not told: %s", error)

    def begin(self, passes: Passes) -> None:
        """Begin an epoch, before which there were so many passes."""
        self._start, self._before, self.images = time.perf_counter(), replace(passes), 0

    def bare_seconds(self, passes: Passes) -> float:
        """Return what the passes of this epoch take alone; 0 if that was not measured."""
        before = self._before
        own = Passes(
            passes.inner_forward - before.inner_forward,
            passes.inner_backward - before.inner_backward,
            passes.outer - before.outer,
        )
        return 0.0 if self._bare is None else self._bare.of(own)

    def note(self, losses: Sequence[float], passes: Passes) -> str:
        """Return what is shown beside the bar: loss, pace, share of bare passes, memory."""
        seconds = time.perf_counter() - self._start
        parts = [f"loss {losses[-1]:.2f}"] if losses else []
        parts.append(f"{self.images / seconds:.0f} img/s")
        if self._bare is not None:
            parts.append(f"{100 * self.bare_seconds(passes) / seconds:.0f} % of bare")
        if self._on_gpu:
            parts.append(f"{torch.cuda.max_memory_allocated(self._policy.device) / GIB:.1f} GiB")
        return ", ".join(parts)


def timed_bare_passes(
    model: ReIDModel, images: Tensor, policy: DevicePolicy, inner_dtype: torch.dtype | None
) -> BareSeconds:
    """Time bare passes of a batch on a copy of a model.

    Args:
        model: It stays as it is.
        images: (B, 3, H, W) on the device.
        policy: Device, and precision of the update.
        inner_dtype: Precision of inner attacks; None: float32.
    """
    copy, device = deepcopy(model), policy.device
    inner = torch.autocast(device.type, inner_dtype, enabled=inner_dtype is not None)

    def forward() -> None:
        with torch.no_grad(), evaluating(copy), inner:
            copy.encoder(images)

    def to_images() -> None:
        leaf = images.detach().requires_grad_(True)
        with evaluating(copy), inner:
            embeddings = copy.encoder(leaf)
        torch.autograd.grad(embeddings.float().sum(), leaf)

    def to_weights() -> None:
        copy.train().zero_grad(set_to_none=True)
        with policy.training_precision():
            output = copy(images)
        (output.logits.float().sum() + output.features.float().sum()).backward()

    ways = (forward, to_images, to_weights)
    return BareSeconds(*(_seconds(way, device) / len(images) for way in ways))


def _seconds(way: Callable[[], None], device: torch.device) -> float:
    way()
    _wait_for(device)
    start = time.perf_counter()
    for _ in range(_TIMES):
        way()
    _wait_for(device)
    return (time.perf_counter() - start) / _TIMES


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
