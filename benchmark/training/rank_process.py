"""One rank of a training, as a process: ``python -m benchmark.training.rank_process``.

`accelerate` joins the ranks and gives each its GPU. It is started by `rank_launch`, whose death it
notices by the end of its standard input.
"""

from __future__ import annotations

import logging
import os
import pickle
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

from benchmark.core.device import DevicePolicy, choose_device
from benchmark.core.errors import PluginError, causes
from benchmark.core.plugin_errors import plugin_faults, told
from benchmark.core.progress import Bar, Progress, SilentProgress
from benchmark.training.loop import TrainingLoop
from benchmark.training.rank_task import load_task
from benchmark.training.ranks import Ranks

PATIENCE = timedelta(days=7)
"""How long a rank waits for another, which may be selecting; the driver notices a dead one."""


def main() -> None:
    """Train, and tell the driver how it goes."""
    folder, descriptor = Path(sys.argv[1]), int(sys.argv[2])
    os.set_inheritable(descriptor, False)
    driver = Connection(descriptor, readable=False)
    threading.Thread(target=_end_with_driver, daemon=True).start()
    try:
        _train(folder, driver)
    except BaseException as error:
        driver.send(("failed", time.time(), [_sendable(one) for one in causes(error)]))
        raise


def _train(folder: Path, driver: Connection) -> None:
    task = load_task(folder)
    with joined(task.policy, folder) as (ranks, policy):
        progress: Progress = SilentProgress()
        if ranks.is_first:
            progress = _SentProgress(driver)
            logging.getLogger().addHandler(_SentLog(driver))
            logging.getLogger().setLevel(logging.INFO)
        with plugin_faults(type(task.defense)):
            loop = TrainingLoop(**{**vars(task), "policy": policy}, ranks=ranks)
            loop.run(progress, partial(_tell_epoch, driver) if ranks.is_first else None)


def _tell_epoch(driver: Connection, history: list[dict[str, float]]) -> None:
    driver.send(("epoch", history))


@contextmanager
def joined(policy: DevicePolicy, folder: Path) -> Iterator[tuple[Ranks, DevicePolicy]]:
    """Join the other ranks; yield which one this is and the policy with its own device."""
    from accelerate import PartialState

    choose_device(policy.device.type)  # sets what kernels may do
    on_cpu = policy.device.type == "cpu"
    state = PartialState(
        cpu=on_cpu,
        backend="gloo" if on_cpu else "cuda:nccl,cpu:gloo",
        init_method=f"file://{folder.resolve() / 'rendezvous'}",  # a port may be taken meanwhile
        rank=int(os.environ["RANK"]),
        world_size=int(os.environ["WORLD_SIZE"]),
        timeout=PATIENCE,
    )
    ranks = Ranks(state.process_index, state.num_processes)
    yield ranks, policy if on_cpu else replace(policy, device=state.device)
    state.destroy_process_group()


class _SentBar:
    def __init__(self, driver: Connection) -> None:
        self._driver = driver

    def advance(self, steps: int = 1, note: str = "") -> None:
        self._driver.send(("advance", steps, note))


class _SentProgress:
    """Lets the driver show the progress of the first rank; one bar at a time."""

    def __init__(self, driver: Connection) -> None:
        self._driver = driver

    @contextmanager
    def task(self, title: str, total: int) -> Iterator[Bar]:
        self._driver.send(("task", title, total))
        yield _SentBar(self._driver)


class _SentLog(logging.Handler):
    def __init__(self, driver: Connection) -> None:
        super().__init__()
        self._driver = driver

    def emit(self, record: logging.LogRecord) -> None:
        self._driver.send(("log", record.name, record.levelno, record.getMessage()))


def _sendable(error: BaseException) -> BaseException:
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return PluginError(told(error))
    return error


def _end_with_driver() -> None:
    os.read(0, 1)  # nothing is ever written
    os._exit(1)


if __name__ == "__main__":
    main()
