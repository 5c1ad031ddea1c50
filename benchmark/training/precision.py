"""In which precision a training computes."""

from __future__ import annotations

from dataclasses import replace

import torch

from benchmark.core.device import DevicePolicy
from benchmark.core.errors import UsageError
from benchmark.training.config import TrainingConfig


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
