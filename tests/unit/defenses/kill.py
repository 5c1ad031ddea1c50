"""A training that is killed and goes on, beside one that was left in peace."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmark.core.defense import Defense
from benchmark.training.state import CHECKPOINT
from tests.kills import KillAfter, Killed
from tests.tiny_scene import fit, same_weights


def check_survives_a_kill(
    build: Callable[[], Defense], folder: Path, steps: int, **options: Any
) -> None:
    """Kill a training after some steps, of which one epoch was kept, and compare its end."""
    whole = fit(build(), folder / "whole", **options)
    with pytest.raises(Killed):
        fit(build(), folder / "killed", progress=KillAfter(steps, noted=True), **options)
    assert (folder / "killed" / CHECKPOINT).is_file()
    resumed = fit(build(), folder / "killed", **options)
    assert same_weights(whole.encoder, resumed.encoder)
    assert whole.history == resumed.history
