"""A worker in a process of its own, seen from within."""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from logging.handlers import QueueHandler
from multiprocessing.connection import Connection
from queue import SimpleQueue

from benchmark.core import errors
from benchmark.core.errors import BenchmarkError
from benchmark.core.progress import Bar
from benchmark.runner.executors.messages import Advanced, Closed, Compute, Ended, Opened, Setting
from benchmark.runner.executors.worker import Worker, open_worker
from benchmark.runner.held_output import HarnessError
from benchmark.runner.logfile import LOGGERS

_ON_DEATH_OF_PARENT = 1
"""PR_SET_PDEATHSIG of Linux."""
_SECONDS_BETWEEN_REPORTS = 0.2


def main(descriptor: int, driver: int) -> None:
    """Compute what the driver asks for over a connection, until it is closed.

    Args:
        descriptor: File descriptor of the connection.
        driver: Process id of the driver.
    """
    _die_with(driver)
    connection = Connection(descriptor)
    wire, worker = _Wire(connection), None
    try:
        setting: Setting = connection.recv()
        while True:
            asked: Compute = connection.recv()
            start, error = time.perf_counter(), None
            try:
                worker = worker or _open(setting, wire)
                start = time.perf_counter()
                worker.compute(asked.fingerprint, asked.part, asked.title)
            except Exception as raised:
                error = _told(raised)
            wire.send(Ended(time.perf_counter() - start, error))
    except (EOFError, ConnectionError):  # where it does not die with its driver, it ends here
        return


def _die_with(driver: int) -> None:
    """Have the system kill this process when the driver dies, where the system can."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_ON_DEATH_OF_PARENT, signal.SIGKILL)
        if os.getppid() != driver:  # it died before the call
            os._exit(1)


class _Wire:
    """The way to the driver, and the progress of units on it; threads may share it."""

    def __init__(self, connection: Connection) -> None:
        self._connection, self._lock, self._numbers = connection, threading.Lock(), count()

    def send(self, message: object) -> None:
        with self._lock:
            self._connection.send(message)

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
    wire: _Wire
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

    def __init__(self, wire: _Wire) -> None:
        super().__init__(SimpleQueue())
        self._wire = wire

    def enqueue(self, record: logging.LogRecord) -> None:
        self._wire.send(record)


def _open(setting: Setting, wire: _Wire) -> Worker:
    worker = open_worker(setting.task, setting.folder, wire)
    for name in LOGGERS:  # from now on: the driver has told what there is to tell of the run
        logging.getLogger(name).setLevel(logging.DEBUG)
        logging.getLogger(name).addHandler(_WiredLog(wire))
    return worker


def _told(error: Exception) -> BenchmarkError:
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
