"""Work shared among as many threads as torch computes with."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

Part = TypeVar("Part")


def in_threads(work: Callable[[Part], None], parts: Iterable[Part]) -> None:
    """Call `work` on every part; within it, torch computes with a single thread.

    A call from inside such work goes on in its own thread.
    """
    count = torch.get_num_threads()
    if count == 1:
        for part in parts:
            work(part)
        return
    try:
        with ThreadPoolExecutor(count, initializer=lambda: torch.set_num_threads(1)) as threads:
            for _ in threads.map(work, parts):
                pass
    finally:
        torch.set_num_threads(count)  # torch keeps a number for each thread, and one for new ones
