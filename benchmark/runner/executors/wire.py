"""From a worker elsewhere to its driver: progress, log records and errors, as messages."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from logging.handlers import QueueHandler
from queue import SimpleQueue

from benchmark.core import errors
from benchmark.core.errors import BenchmarkError
from benchmark.core.progress import Bar
from benchmark.runner.executors.messages import Advanced, Closed, Opened
from benchmark.runner.held_output import HarnessError
from benchmark.runner.logfile import LOGGERS

_SECONDS_BETWEEN_REPORTS = 0.2


class Wire:
    """The way to the driver, and the progress of units on it; threads may share it.

    Args:
        deliver: Sends one message.
    """

    def __init__(self, deliver: Callable[[object], None]) -> None:
        self._deliver, self._lock, self._numbers = deliver, threading.Lock(), count()

    def send(self, message: object) -> None:
        """Send a message."""
        with self._lock:
            self._deliver(message)

    @contextmanager
    def task(self, title: str, total: int) -> Iterator[Bar]:
        """Yield a bar that is drawn by the driver."""
        bar = _WiredBar(self, next(self._numbers))
        self.send(Opened(bar.number, title, total))
        failed = True
        try:
            yield bar
            failed = False
        finally:
            bar.report()
            self.send(Closed(bar.number, failed))


@dataclass
class _WiredBar:
    wire: Wire
    number: int
    steps: int = 0
    note: str = ""
    last: float = 0.0

    def advance(self, steps: int = 1, note: str = "") -> None:
        self.steps += steps
        self.note = note
        if time.monotonic() - self.last >= _SECONDS_BETWEEN_REPORTS:
            self.report()

    def report(self) -> None:
        self.wire.send(Advanced(self.number, self.steps, self.note))
        self.steps, self.last = 0, time.monotonic()


class _WiredLog(QueueHandler):
    """Sends what is logged to the driver."""

    def __init__(self, wire: Wire) -> None:
        super().__init__(SimpleQueue())
        self._wire = wire

    def enqueue(self, record: logging.LogRecord) -> None:
        self._wire.send(record)


def log_to(wire: Wire) -> None:
    """Send what this process logs from now on: of the run, the driver has told what there is."""
    for name in LOGGERS:
        logging.getLogger(name).setLevel(logging.DEBUG)
        logging.getLogger(name).addHandler(_WiredLog(wire))


def told(error: BaseException) -> BenchmarkError:
    """Return an error that can be sent, of a class that the driver knows."""
    if isinstance(error, BenchmarkError):
        known: type[BenchmarkError] = next(
            one for one in type(error).__mro__ if one.__module__ == errors.__name__
        )
        return known(error.what, error.hint)
    first = next(iter(str(error).strip().splitlines()), "")
    return HarnessError(
        f"unexpected {type(error).__name__}: {first}",
        "the traceback is in run.log of the output folder; please report it",
    )
