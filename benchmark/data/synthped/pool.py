"""Rendering over all cores, in order, in processes that never import torch."""

from __future__ import annotations

import logging
import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from benchmark.data.synthped.build import Shot
from benchmark.data.synthped.renderer import Recipe, decode, render_jpeg

T = TypeVar("T")
Work = Callable[[Recipe, Sequence[Shot]], T]

CHUNK = 32
_WORTH_A_POOL = 192
_LOG = logging.getLogger(__name__)


def available_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def render_files(recipe: Recipe, shots: Sequence[Shot]) -> list[bytes]:
    """Return the JPEG bytes of `shots`."""
    return [render_jpeg(recipe, shot) for shot in shots]


def render_pixels(recipe: Recipe, shots: Sequence[Shot]) -> NDArray[np.uint8]:
    """Return the pixels uint8 (n, H, W, 3) of `shots`, as a reader of their files sees them."""
    return np.stack([decode(render_jpeg(recipe, shot)) for shot in shots])


@contextmanager
def _hidden_main() -> Iterator[None]:
    """Keep new processes from importing the caller's main module.

    They have no use for it, and a script without a ``__main__`` guard would start itself again
    in each of them.
    """
    main = sys.modules["__main__"]
    spec, file = getattr(main, "__spec__", None), getattr(main, "__file__", None)
    main.__spec__ = None
    if file is not None:
        del main.__file__
    try:
        yield
    finally:
        main.__spec__ = spec
        if file is not None:
            main.__file__ = file


class RenderPool:
    """Renders chunks of a plan, in its order.

    Args:
        recipe: The data set.
        workers: Processes; None takes one a core.
    """

    def __init__(self, recipe: Recipe, workers: int | None) -> None:
        self.recipe = recipe
        self.workers = workers or available_cores()

    def _alone(self, count: int) -> bool:
        # A daemon, such as a worker of another pool, may not have children.
        daemon = multiprocessing.current_process().daemon
        area = self.recipe.height * self.recipe.width / (64 * 32)
        return self.workers < 2 or daemon or count * max(1.0, area / 4) < _WORTH_A_POOL

    def files(self, shots: Sequence[Shot]) -> Iterator[list[bytes]]:
        """Yield the JPEG bytes of `shots`, a chunk at a time."""
        yield from self._map(render_files, shots)

    def pixels(self, shots: Sequence[Shot]) -> Iterator[NDArray[np.uint8]]:
        """Yield the pixels of `shots`, a chunk at a time."""
        yield from self._map(render_pixels, shots)

    def _map(self, work: Work[T], shots: Sequence[Shot]) -> Iterator[T]:
        chunks = [shots[start : start + CHUNK] for start in range(0, len(shots), CHUNK)]
        done = 0
        if not self._alone(len(shots)):
            try:
                for result in self._in_processes(work, chunks):
                    yield result
                    done += 1
            except BrokenProcessPool:
                _LOG.warning("a rendering process ended early; the rest is rendered in this one")
        for chunk in chunks[done:]:
            yield work(self.recipe, chunk)

    def _in_processes(self, work: Work[T], chunks: list[Sequence[Shot]]) -> Iterator[T]:
        context = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(min(self.workers, len(chunks)), mp_context=context)
        try:
            with _hidden_main():
                futures: list[Future[T]] = [pool.submit(work, self.recipe, c) for c in chunks]
            futures.reverse()
            while futures:
                yield futures.pop().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
