"""A training that is killed and goes on, beside one that was left in peace."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from benchmark.core.defense import Defense
from benchmark.core.progress import Bar
from benchmark.training.state import CHECKPOINT
from tests.tiny_scene import fit, same_weights


class Killed(BaseException):
    """Stands for a kill: nothing but the test catches it."""


class KillAfter:
    """A progress reporter that stops the training after some steps."""

    def __init__(self, steps: int) -> None:
        self._left = steps

    @contextmanager
    def task(self, title: str, total: int) -> Iterator[Bar]:
        yield self

    def advance(self, steps: int = 1, note: str = "") -> None:
        if note:
            self._left -= 1
        if self._left < 0:
            raise Killed


def check_survives_a_kill(
    build: Callable[[], Defense], folder: Path, steps: int, **options: Any
) -> None:
    """Kill a training after some steps, of which one epoch was kept, and compare its end."""
    whole = fit(build(), folder / "whole", **options)
    with pytest.raises(Killed):
        fit(build(), folder / "killed", progress=KillAfter(steps), **options)
    assert (folder / "killed" / CHECKPOINT).is_file()
    resumed = fit(build(), folder / "killed", **options)
    assert same_weights(whole.encoder, resumed.encoder)
    assert whole.history == resumed.history
