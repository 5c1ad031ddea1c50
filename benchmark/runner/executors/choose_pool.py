"""Which pool computes the units of a run."""

from __future__ import annotations

import os

from benchmark.runner.cell_context import CellContext
from benchmark.runner.executors.grid_progress import GridProgress
from benchmark.runner.executors.in_process import InProcessPool
from benchmark.runner.executors.pool import Pool
from benchmark.runner.executors.ray_pool import RayPool
from benchmark.runner.executors.worker import WorkerTask
from benchmark.runner.executors.worker_count import threads_of
from benchmark.runner.executors.worker_processes import WorkerProcesses


def choose_pool(context: CellContext, task: WorkerTask, workers: int, grid: GridProgress) -> Pool:
    """Return the pool of so many workers on this machine; one is this process itself.

    On a Ray cluster, the cluster decides how many there are.
    """
    if context.config.executor == "ray":
        return RayPool(task, context.store, grid)
    if workers == 1:
        return InProcessPool(context, grid)
    environment = {"OMP_NUM_THREADS": str(threads_of(workers))}
    environments = [dict(environment) for _ in range(workers)]
    if context.policy.device.type == "cuda":
        seen = os.environ.get("CUDA_VISIBLE_DEVICES") or ",".join(map(str, range(workers)))
        for own, gpu in zip(environments, seen.split(","), strict=False):
            own["CUDA_VISIBLE_DEVICES"] = gpu
    return WorkerProcesses(task, context.store.folder, grid, environments)
