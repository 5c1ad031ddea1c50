"""The optimiser of a training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from benchmark.training.config import TrainingConfig


def load_adam(optimizer: torch.optim.Adam, state: dict[str, Any]) -> None:
    """Take the state of a checkpoint, and keep how this device computes: it may be another one."""
    (own,) = optimizer.param_groups
    (stored,) = state["param_groups"]
    how = {"foreach": own["foreach"], "fused": own["fused"]}
    optimizer.load_state_dict({**state, "param_groups": [{**stored, **how}]})


def adam(
    parameters: Sequence[nn.Parameter], config: TrainingConfig, device: torch.device
) -> torch.optim.Adam:
    """Return Adam with the recipe's step size.

    On a GPU it is one kernel. On a CPU that rounds otherwise; there operations go over all
    parameters at once, which gives the bits of one by one in three quarters of the time.
    """
    fused = device.type == "cuda"
    return torch.optim.Adam(
        parameters,
        lr=config.learning_rate,
        weight_decay=config.weight_decay,
        foreach=not fused,
        fused=fused,
    )
