"""What a training must remember to go on after a kill as if nothing had happened."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

logger = logging.getLogger(__name__)

CHECKPOINT = "training.pt"


@dataclass
class TrainingState:
    """State at the end of an epoch.

    Attributes:
        epoch: Finished epochs.
        seconds: Wall time so far, over all attempts.
        images: Images drawn so far.
        model: State of the model.
        modules: State of the defense's own modules.
        optimizer: State of the optimiser.
        best_score: Score of the best checkpoint; None before the first validation.
        best_epoch: Its epoch.
        best_model: Its model's state.
        history: One row a epoch.
        passes: Images that went through the model, by kind (`Passes`).
    """

    epoch: int = 0
    seconds: float = 0.0
    images: int = 0
    model: dict[str, Tensor] = field(default_factory=dict)
    modules: dict[str, Any] = field(default_factory=dict)
    optimizer: dict[str, Any] = field(default_factory=dict)
    best_score: float | None = None
    best_epoch: int = 0
    best_model: dict[str, Tensor] = field(default_factory=dict)
    history: list[dict[str, float]] = field(default_factory=list)
    passes: dict[str, int] = field(default_factory=dict)


def save_state(folder: Path, state: TrainingState) -> None:
    """Write the state so that a kill leaves either the old or the new one."""
    partial = folder / (CHECKPOINT + ".partial")
    fields = {name: getattr(state, name) for name in TrainingState.__dataclass_fields__}
    with partial.open("wb") as stream:
        torch.save(fields, stream)
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(folder / CHECKPOINT)


def load_state(folder: Path) -> TrainingState | None:
    """Return the state to go on from, or None to start anew."""
    path = folder / CHECKPOINT
    if not path.is_file():
        return None
    try:
        return TrainingState(**torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:  # a damaged checkpoint only costs time
        logger.warning("the checkpoint %s is damaged (%s); the training starts anew", path, error)
        return None
