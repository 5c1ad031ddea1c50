"""In which precision the update of a training computes."""

from __future__ import annotations

from dataclasses import replace

import torch

from benchmark.core.device import DevicePolicy
from benchmark.training.config import TrainingConfig


def in_update_precision(policy: DevicePolicy, config: TrainingConfig) -> DevicePolicy:
    """Return the policy of a training: the device's own precision, unless the recipe names one."""
    if config.precision == "auto":
        return policy
    dtype = torch.bfloat16 if config.precision == "bfloat16" else None
    return replace(policy, autocast_dtype=dtype)
