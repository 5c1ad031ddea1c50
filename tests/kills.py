"""Kills in the midst of work, by its own progress reports."""

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
    """A progress reporter that stops the work after some steps.

    Args:
        steps: How many it lets pass.
        noted: Count reports with a note, one each, and no other: those of a training's steps.

    Attributes:
        passed: Steps so far.
    """

    def __init__(self, steps: int, *, noted: bool = False) -> None:
        self._steps, self._noted = steps, noted
        self.passed = 0

    @contextmanager
    def task(self, title: str, total: int) -> Iterator[Bar]:
        yield self

    def advance(self, steps: int = 1, note: str = "") -> None:
        self.passed += bool(note) if self._noted else steps
        if self.passed > self._steps:
            raise Killed


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
