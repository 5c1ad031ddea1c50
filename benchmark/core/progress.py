"""Progress of long work: a bar on a terminal and in a notebook, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol, TextIO

if TYPE_CHECKING:
    from rich.progress import Progress as Live


class Bar(Protocol):
    """What the worker of a task sees."""

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Report `steps` finished steps and an optional short note such as ``loss 1.23``.

        With 0 steps it says that a long step is still being worked on.
        """


class Progress(Protocol):
    """Opens a bar for each piece of work."""

    def task(self, title: str, total: int) -> AbstractContextManager[Bar]:
        """Return a context manager that yields a `Bar` of `total` steps."""


class _SilentBar:
    def advance(self, steps: int = 1, note: str = "") -> None:
        """Report nothing."""


SILENT_BAR: Bar = _SilentBar()
"""A bar that ignores its calls."""


class SilentProgress:
    """Reports nothing; for tests and library use."""

    @contextmanager
    def task(self, title: str, total: int) -> Iterator[Bar]:
        """Yield the bar that ignores its calls."""
        yield SILENT_BAR


class _PlainBar:
    def __init__(self, title: str, total: int, stream: TextIO, every_seconds: float) -> None:
        self._title, self._total, self._stream = title, total, stream
        self._every, self._done = every_seconds, 0
        self._start = self._last = time.monotonic()

    def advance(self, steps: int = 1, note: str = "") -> None:
        self._done += steps
        now = time.monotonic()
        if now - self._last < self._every or self._done >= self._total:
            return
        self._last = now
        elapsed = now - self._start
        parts = [f"{self._title}: {self._done}/{self._total}  {elapsed:.0f} s"]
        if self._done:
            parts[0] += f", {elapsed / self._done * (self._total - self._done):.0f} s to go"
        print("  ".join([*parts, note] if note else parts), file=self._stream, flush=True)

    def close(self, failed: bool) -> None:
        state = "stopped" if failed else "done"
        elapsed = time.monotonic() - self._start
        print(f"{self._title}: {state} in {elapsed:.1f} s", file=self._stream, flush=True)


class PlainProgress:
    """Prints a line at most every `every_seconds` seconds, and one when a task ends."""

    def __init__(self, stream: TextIO | None = None, every_seconds: float = 15.0) -> None:
        self._stream = stream or sys.stderr
        self._every = every_seconds

    @contextmanager
    def task(self, title: str, total: int) -> Iterator[Bar]:
        """Yield a bar that prints plain lines."""
        bar = _PlainBar(title, total, self._stream, self._every)
        failed = True
        try:
            yield bar
            failed = False
        finally:
            bar.close(failed)


_BAR, _SHORT_BAR = 28, 8
"""Terminal cells of the bar on a wide and on a narrow terminal."""
_FIGURES = 44
"""Cells of counts, times, the note and the gaps, which say more than the bar does."""
_TITLE = 24
"""Cells that a title has at least."""


def shortened(title: str, room: int) -> str:
    """Return a title that fits `room` cells, its end cut off."""
    return title if len(title) <= room else f"{title[: room - 1]}…"


class RichProgress:
    """Draws live bars with an ETA on a terminal, and leaves one line behind when a task ends.

    Tasks that are open at once share one display.
    """

    def __init__(self) -> None:
        self._live: Live | None = None

    @contextmanager
    def task(self, title: str, total: int) -> Iterator[Bar]:
        """Yield a bar that is drawn with rich."""
        live = self._live = self._live or _live()
        width = live.console.width
        room = max(_TITLE, width - _bar_width(width) - _FIGURES)
        row = live.add_task(shortened(title, room), total=total, note="")

        class _RichBar:
            def advance(self, steps: int = 1, note: str = "") -> None:
                live.update(row, advance=steps, note=note)

        live.start()
        try:
            yield _RichBar()
        finally:
            if len(live.tasks) == 1:
                self._live = None
                live.stop()
            else:
                ended = [one for one in live.tasks if one.id == row]
                live.console.print(live.make_tasks_table(ended))
                live.remove_task(row)


def _bar_width(width: int) -> int:
    return _BAR if width >= _BAR + _FIGURES + _TITLE else _SHORT_BAR


def _live() -> Live:
    """Return a display without rows."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        ProgressColumn,
        Task,
        TextColumn,
        TimeElapsedColumn,
    )
    from rich.progress import Progress as Display
    from rich.text import Text

    class ToGo(ProgressColumn):
        """As much again as went by, for what is left; not by the last seconds alone."""

        def render(self, task: Task) -> Text:
            if not task.completed or task.elapsed is None or task.total is None:
                return Text("-:--:--", style="progress.remaining")
            seconds = task.elapsed / task.completed * (task.total - task.completed)
            return Text(str(timedelta(seconds=round(seconds))), style="progress.remaining")

    console = Console(stderr=True)
    return Display(
        TextColumn("{task.description}"),
        BarColumn(bar_width=_bar_width(console.width)),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("to go"),
        ToGo(),
        TextColumn("{task.fields[note]}"),
        console=console,
    )
