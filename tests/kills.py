"""Kills in the midst of work, by its own progress reports."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from benchmark.core.progress import Bar


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
