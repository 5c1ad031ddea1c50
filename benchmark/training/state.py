"""What a training must remember to go on after a kill as if nothing had happened."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

CHECKPOINT = "training.pt"


@dataclass
class TrainingState:
    """State at the end of an epoch.

    Attributes:
        epoch: Finished epochs.
        seconds: Wall time so far, over all attempts.
        step_seconds: That of its steps alone.
        bare_seconds: What their passes would have taken alone; 0 where that was not measured.
        images: Images drawn so far.
        model: State of the model.
        modules: State of the defense's own modules.
        optimizer: State of the optimiser.
        best_score: Score of the best checkpoint; None before the first validation.
        best_epoch: Its epoch.
        best_model: Its model's state.
        history: One row a epoch.
        passes: Images that went through the model, by kind (`Passes`).
        peak_memory_bytes: Of the first of several ranks.
    """

    epoch: int = 0
    seconds: float = 0.0
    step_seconds: float = 0.0
    bare_seconds: float = 0.0
    images: int = 0
    model: dict[str, Tensor] = field(default_factory=dict)
    modules: dict[str, Any] = field(default_factory=dict)
    optimizer: dict[str, Any] = field(default_factory=dict)
    best_score: float | None = None
    best_epoch: int = 0
    best_model: dict[str, Tensor] = field(default_factory=dict)
    history: list[dict[str, float]] = field(default_factory=list)
    passes: dict[str, int] = field(default_factory=dict)
    peak_memory_bytes: int = 0
