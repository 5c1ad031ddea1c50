"""In which precision the update of a training, and its inner attacks, compute."""

from __future__ import annotations

from dataclasses import replace

import torch

from benchmark.core.device import DevicePolicy
from benchmark.core.errors import UsageError
from benchmark.training.config import InnerConfig, TrainingConfig


def in_update_precision(policy: DevicePolicy, config: TrainingConfig) -> DevicePolicy:
    """Return the policy of a training: the device's own precision, unless the recipe names one.

    Raises:
        UsageError: The recipe asks for bfloat16, also for inner attacks, of a GPU without it.
    """
    asked = {
        "training.precision": config.precision,
        "training.inner.precision": config.inner.precision,
    }
    if policy.device.type == "cuda" and policy.autocast_dtype is None:
        for name, precision in asked.items():
            if precision == "bfloat16":
                raise UsageError(
                    f"{name}=bfloat16, and this GPU does not compute in it", f"set {name}=float32"
                )
    if config.precision == "auto":
        return policy
    dtype = torch.bfloat16 if config.precision == "bfloat16" else None
    return replace(policy, autocast_dtype=dtype)


def inner_dtype(inner: InnerConfig) -> torch.dtype | None:
    """Return in what the model computes inside attacks of a training; None: float32."""
    return torch.bfloat16 if inner.precision == "bfloat16" else None
