"""A worker: rebuilds the plan of a run from its configuration and computes units of it."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.config.schema import RunConfig
from benchmark.core.device import choose_device, device_name
from benchmark.core.errors import DataError, UsageError
from benchmark.core.progress import Progress
from benchmark.core.provenance import environment
from benchmark.core.registry import load_plugin_file
from benchmark.runner.cell_context import CellContext
from benchmark.runner.cells.cell import Cell
from benchmark.runner.choice import choose
from benchmark.runner.crafting_choice import check_crafting
from benchmark.runner.datasets import RunDatasets
from benchmark.runner.executors.unit import Unit, compute_unit
from benchmark.runner.plan import make_plan
from benchmark.runner.store import CellStore


@dataclass(frozen=True)
class WorkerTask:
    """All that a worker must be told; it can be pickled.

    Attributes:
        config: The configuration.
        manifests: Hash of the content of each data set.
        query_counts: Queries of each data set, where few are wanted.
        environment: Versions and device of the driver, on whose machine the worker is; None: those
            of the worker.
    """

    config: RunConfig
    manifests: Mapping[str, str]
    query_counts: Mapping[str, int]
    environment: Mapping[str, Any] | None = None


class Worker:
    """Computes units into a store of cells.

    Args:
        context: What cells are computed with.
        cells: The cells of the plan, by fingerprint.
    """

    def __init__(self, context: CellContext, cells: Mapping[str, Cell]) -> None:
        self._context, self._cells = context, cells

    def check_data(self, manifests: Mapping[str, str]) -> None:
        """Compare the data here with those of a driver on another machine.

        Raises:
            DataError: They are others, or not here.
        """
        for name, found in self._context.datasets.manifests().items():
            if found != manifests[name]:
                raise DataError(
                    f"the data set {name} is another one on {socket.gethostname()}",
                    "have the same files on all nodes of the cluster, or in a folder they share",
                )

    def compute(self, fingerprint: str, part: str | None, title: str = "") -> None:
        """Compute a unit; what it needs must be finished.

        Raises:
            UsageError: The plan that this process built has no such cell.
            BenchmarkError: The data, a plugin or the machine stands in the way.
            Exception: A fault of the benchmark.
        """
        if fingerprint not in self._cells:
            raise UsageError(
                f"a worker does not know {title.split('] ')[-1]}: its sources changed since the "
                "run began, or are others where it is",
                "run the same command again; on a cluster, install the same version on all nodes",
            )
        compute_unit(Unit(self._cells[fingerprint], part, title), self._context)


def open_worker(task: WorkerTask, folder: Path, progress: Progress) -> Worker:
    """Return a worker that computes into the store in a folder.

    Raises:
        BenchmarkError: The run cannot be rebuilt here.
    """
    config = task.config
    for path in config.plugin:
        load_plugin_file(path)
    choice, policy = choose(config), choose_device(config.device)
    check_crafting(config, policy)
    datasets = RunDatasets(config, choice, progress)
    plan = make_plan(config, choice, task.manifests, task.query_counts)
    store = CellStore(folder, task.environment or environment(device_name(policy)))
    context = CellContext(config, datasets, store, policy, progress)
    return Worker(context, {cell.fingerprint: cell for cell in plan.cells})
