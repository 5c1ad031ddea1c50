"""Speed of a training under each way in which torch's threads wait, alone and beside other work."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Barrier
from typing import Self

from benchmark.core.thread_waiting import BRIEF_SPINS, SPINS, says_how_to_wait
from benchmark.data.synthped.pool import available_cores

ONE_THREAD = "one thread"

WAITS: Mapping[str, Mapping[str, str]] = {
    "spinning, libgomp's default": {SPINS: "300000"},
    "short spin, the benchmark's": {SPINS: BRIEF_SPINS},
    "passive": {"OMP_WAIT_POLICY": "PASSIVE"},
    ONE_THREAD: {"OMP_NUM_THREADS": "1"},
}
"""Environments, which libgomp reads once in each process."""

_CONTEXT = multiprocessing.get_context("spawn")


def bench_busy_neighbour(
    image_size: tuple[int, int] = (64, 32),
    width: int = 16,
    batches: int = 2,
    repeats: int = 5,
    neighbours: int | None = None,
    waits: Mapping[str, Mapping[str, str]] = WAITS,
) -> dict[str, dict[str, float]]:
    """Train alone and beside busy processes, with threads that wait in different ways.

    A process for each way stays loaded, they take turns, and the fastest repetition counts.

    Args:
        image_size: (H, W).
        width: Width of the encoder.
        batches: Steps of metric adversarial training timed together.
        repeats: Repetitions.
        neighbours: Busy processes; None takes one a core.
        waits: Ways of waiting; `ONE_THREAD` is one of them.

    Returns:
        By way of waiting, steps a second when ``idle`` and when ``busy``, and ``busy, of one
        thread``: the time of a step beside busy processes over that of one thread; the target for
        the benchmark's own is 1.50 at most.
    """
    trainings = {
        name: _Training.start(wait, image_size, width, batches) for name, wait in waits.items()
    }
    try:
        _fastest(trainings, 1)  # warms up
        idle = _fastest(trainings, repeats)
        with _busy_processes(available_cores() if neighbours is None else neighbours):
            busy = _fastest(trainings, repeats)
    finally:
        for training in trainings.values():
            training.process.kill()
    return {
        name: {
            "idle": batches / idle[name],
            "busy": batches / busy[name],
            "busy, of one thread": busy[name] / busy[ONE_THREAD],
        }
        for name in waits
    }


@dataclass(frozen=True)
class _Training:
    """A process that trains for an epoch whenever it is told to."""

    process: BaseProcess
    pipe: Connection

    @classmethod
    def start(
        cls, wait: Mapping[str, str], image_size: tuple[int, int], width: int, batches: int
    ) -> Self:
        pipe, its_pipe = _CONTEXT.Pipe()
        process = _CONTEXT.Process(
            target=_train_when_told, args=(its_pipe, image_size, width, batches), daemon=True
        )
        with _environment(wait):
            process.start()
        its_pipe.close()
        return cls(process, pipe)

    def seconds(self) -> float:
        """Return how long one epoch takes."""
        self.pipe.send(None)
        seconds: float = self.pipe.recv()
        return seconds


def _fastest(trainings: Mapping[str, _Training], repeats: int) -> dict[str, float]:
    rounds = [{name: one.seconds() for name, one in trainings.items()} for _ in range(repeats)]
    return {name: min(seconds[name] for seconds in rounds) for name in trainings}


@contextmanager
def _environment(wait: Mapping[str, str]) -> Iterator[None]:
    """Give processes that start meanwhile these settings of threads and no others."""
    before = dict(os.environ)
    for name in filter(_is_of_threads, before):
        del os.environ[name]
    os.environ.update(wait)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def _busy_processes(count: int) -> Iterator[None]:
    ready = _CONTEXT.Barrier(count + 1)
    processes = [
        _CONTEXT.Process(target=_compute, args=(ready,), daemon=True) for _ in range(count)
    ]
    for process in processes:
        process.start()
    try:
        ready.wait()
        yield
    finally:
        for process in processes:
            process.kill()


def _compute(ready: Barrier) -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    ready.wait()
    while parent.is_alive():  # a killed bench takes its busy processes along
        for _ in range(100_000):
            pass


def _train_when_told(
    pipe: Connection, image_size: tuple[int, int], width: int, batches: int
) -> None:
    # Here and not above: busy processes and the parent need no torch.
    from benchmark.bench.training_step import BASELINE, build, noise_images, one_epoch, train_epoch
    from benchmark.models.backbone import BackboneConfig

    train, backbone = noise_images(batches, image_size), BackboneConfig(width=width)
    with suppress(EOFError):  # the bench is gone
        while True:
            pipe.recv()
            pipe.send(train_epoch(build(BASELINE), train, backbone, one_epoch(), "cpu").seconds)


def _is_of_threads(name: str) -> bool:
    return name == "OMP_NUM_THREADS" or says_how_to_wait(name)
