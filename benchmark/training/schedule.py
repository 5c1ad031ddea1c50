"""Step size over a training: linear warm-up, then a cosine."""

from __future__ import annotations

import math

from benchmark.training.config import TrainingConfig


def learning_rate(config: TrainingConfig, fraction: float) -> float:
    """Return the step size at `fraction` (0 to 1) of a training."""
    if fraction < config.warmup:
        return config.learning_rate * max(0.01, fraction / config.warmup)
    along = (fraction - config.warmup) / (1 - config.warmup)
    span = config.learning_rate - config.final_learning_rate
    return config.final_learning_rate + 0.5 * span * (1 + math.cos(math.pi * min(1.0, along)))
