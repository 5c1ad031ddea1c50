"""How quickly a training goes: images a second and, on a GPU, its share of the bare passes.

Bare passes are timed once, before the first step, on a copy of the model, which costs about ten
steps. On a CPU they are not: what a clock says there tells of the neighbours, and `make bench`
measures the same by processor time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmark.core.device import DevicePolicy
from benchmark.core.encoder import evaluating
from benchmark.models.encoder import ReIDModel
from benchmark.training.step import Passes

_TIMES = 3
"""Passes of each kind, after one that warms up."""


@dataclass(frozen=True)
class BareSeconds:
    """Seconds of an image in bare passes: forward alone, also backward to it, to the weights."""

    forward: float
    to_images: float
    to_weights: float

    def of(self, passes: Passes) -> float:
        """Return the seconds of some passes."""
        forwards = passes.inner_forward - passes.inner_backward
        inner = forwards * self.forward + passes.inner_backward * self.to_images
        return inner + passes.outer * self.to_weights


def bare_seconds(model: ReIDModel, images: Tensor, policy: DevicePolicy) -> BareSeconds:
    """Time bare passes of a batch on a copy of a model, in the precision of its training.

    Args:
        model: It stays as it is.
        images: (B, 3, H, W) on the device.
        policy: Device and precision.
    """
    copy = deepcopy(model)

    def forward() -> None:
        with torch.no_grad(), evaluating(copy):
            copy.encoder(images)

    def to_images() -> None:
        with evaluating(copy):
            leaf = images.detach().requires_grad_(True)
            torch.autograd.grad(copy.encoder(leaf).sum(), leaf)

    def to_weights() -> None:
        with policy.training_precision():
            output = copy.train()(images)
        (output.logits.float().square().mean() + output.features.float().square().mean()).backward()

    ways = (forward, to_images, to_weights)
    return BareSeconds(*(_seconds(way, policy.device) / len(images) for way in ways))


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
