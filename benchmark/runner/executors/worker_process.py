"""A worker in a process of its own, seen from within."""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import sys
import time
from multiprocessing.connection import Connection

from benchmark.runner.executors.messages import Compute, Ended, Setting
from benchmark.runner.executors.wire import Wire, log_to, told
from benchmark.runner.executors.worker import Worker, open_worker
from benchmark.runner.logfile import LOGGERS

_ON_DEATH_OF_PARENT = 1
"""PR_SET_PDEATHSIG of Linux."""


def main(descriptor: int, driver: int) -> None:
    """Compute what the driver asks for over a connection, until it is closed.

    Args:
        descriptor: File descriptor of the connection.
        driver: Process id of the driver.
    """
    _die_with(driver)
    connection = Connection(descriptor)
    wire, worker = Wire(connection.send), None
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
                error = told(raised)
            wire.send(Ended(time.perf_counter() - start, error))
    except (EOFError, ConnectionError):  # where it does not die with its driver, it ends here
        return


def _die_with(driver: int) -> None:
    """Have the system kill this process when the driver dies, where the system can."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_ON_DEATH_OF_PARENT, signal.SIGKILL)
        if os.getppid() != driver:  # it died before the call
            os._exit(1)


def _open(setting: Setting, wire: Wire) -> Worker:
    for name in LOGGERS:  # not to the screen: the driver tells what there is to tell of the run
        logging.getLogger(name).addHandler(logging.NullHandler())
    worker = open_worker(setting.task, setting.folder, wire)
    log_to(wire)
    return worker
