"""Functions on several ranks that share a batch by gloo, as forks of a server that imported torch.

A process that went backward once may not be forked where there is a GPU; the server never did.
"""

from __future__ import annotations

import multiprocessing
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from benchmark.training.ranks import Ranks

SECONDS = 600
PRELOADED = ["tests.on_ranks", "torch._dynamo", "benchmark.training.loop", "defenses.ddid.defense"]
"""What most functions import, so that the server does it once."""


def on_ranks(function: Callable[..., Any], *arguments: Any, size: int = 2) -> list[Any]:
    """Return what a function of a module returns for ``(ranks, *arguments)``, by rank."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    with tempfile.TemporaryDirectory() as folder:
        tasks = [(function, Ranks(rank, size), folder, arguments) for rank in range(size)]
        with context.Pool(size) as pool:
            return pool.starmap_async(_call, tasks, chunksize=1).get(SECONDS)


def _call(
    function: Callable[..., Any], ranks: Ranks, folder: str, arguments: tuple[Any, ...]
) -> Any:
    torch.set_num_threads(1)
    store = dist.FileStore(str(Path(folder) / "store"), ranks.size)
    dist.init_process_group("gloo", store=store, rank=ranks.rank, world_size=ranks.size)
    try:
        return function(ranks, *arguments)
    except BaseException as error:  # of pytest, too, which a pool would wait for
        raise RuntimeError(f"rank {ranks.rank}: {error!r}") from error
    finally:
        dist.destroy_process_group()
