"""A worker on a node of a Ray cluster, seen from within; Ray makes an actor of it."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue

import torch
from filelock import FileLock

from benchmark.runner.executors.messages import Compute, Ended
from benchmark.runner.executors.ray_messages import RayGreeting, RayJob
from benchmark.runner.executors.wire import Wire, log_to, told
from benchmark.runner.executors.worker import Worker, open_worker
from benchmark.runner.packed_folder import PackedFolder
from benchmark.runner.store import CellStore


class RayWorker:
    """Computes units into the driver's folder if it sees that, else into one on its node.

    Args:
        job: What the run is.
    """

    def __init__(self, job: RayJob) -> None:
        self._job = job
        self._shares_folder = (job.folder / job.token).is_file()
        # One for all workers on a node: they need the same cells.
        self._scratch = Path(tempfile.gettempdir()) / f"reid-robustbench{job.token}"
        self._store = CellStore(job.folder if self._shares_folder else self._scratch / "cells")
        self._asked: SimpleQueue[Compute] = SimpleQueue()
        self._said: SimpleQueue[object] = SimpleQueue()
        # All units in one thread: what torch knows of threads and precision belongs to a thread.
        threading.Thread(target=self._work, daemon=True).start()

    def greet(self) -> RayGreeting:
        """Return who it is."""
        import ray

        node = ray.get_runtime_context().get_node_id()
        return RayGreeting(f"{socket.gethostname()}:{os.getpid()}", node, self._shares_folder)

    def compute(self, asked: Compute, needed: Sequence[PackedFolder]) -> Iterator[object]:
        """Compute a unit; yield what there is to tell, the last of it an `Ended`.

        Args:
            asked: The unit.
            needed: Cells and parts that it needs and this node lacks.

        Yields:
            Messages for the driver; before the `Ended` of a success, the `PackedFolder` of the
            unit, unless the driver sees it.
        """
        try:
            with self._node():
                for one in needed:
                    one.unpack(self._store)
        except Exception as error:
            yield Ended(0.0, told(error))
            return
        self._asked.put(asked)
        while not isinstance(message := self._said.get(), Ended):
            yield message
        if message.error is None and not self._shares_folder:
            yield PackedFolder.of(self._store, asked.fingerprint, asked.part)
        yield message

    def leave(self) -> None:
        """Remove what the run left on this node."""
        shutil.rmtree(self._scratch, ignore_errors=True)

    def _node(self) -> FileLock:
        self._scratch.mkdir(parents=True, exist_ok=True)
        return FileLock(self._scratch / ".lock")

    def _work(self) -> None:
        torch.set_num_threads(min(self._job.threads, torch.get_num_threads()))
        wire, worker = Wire(self._said.put), None
        while True:
            asked, start, error = self._asked.get(), time.perf_counter(), None
            try:
                worker = worker or self._open(wire)
                start = time.perf_counter()
                worker.compute(asked.fingerprint, asked.part, asked.title)
            except BaseException as raised:
                error = told(raised)
            self._said.put(Ended(time.perf_counter() - start, error))

    def _open(self, wire: Wire) -> Worker:
        with self._node():
            plugin = self._job.plugins.unpack(self._scratch / "plugins")
        task = self._job.task
        task = replace(task, config=task.config.model_copy(update={"plugin": plugin}))
        worker = open_worker(task, self._store.folder, wire)
        worker.check_data(task.manifests)
        log_to(wire)
        return worker
