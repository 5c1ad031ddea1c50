"""What a run, its broker and its workers on a Ray cluster say to each other; nothing needs Ray."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from benchmark.runner.executors.messages import Compute
from benchmark.runner.executors.packed_plugins import PackedPlugins
from benchmark.runner.executors.ray_cluster import RayWorkers
from benchmark.runner.executors.unit import Key
from benchmark.runner.executors.worker import WorkerTask

GONE = (
    "the Ray cluster went away",
    "start it again and run the same command; what is finished is kept",
)
"""What is told when there is no cluster any more, and the mend."""


@dataclass(frozen=True)
class RayJob:
    """To the broker, first, and to every worker: what the run is.

    Attributes:
        task: What workers must be told.
        folder: The run's folder of cells.
        token: Name of a file in it: who sees that, shares the folder.
        plugins: The files of plugins.
        threads: Threads of a worker; 0 as long as the cluster is not known.
    """

    task: WorkerTask
    folder: Path
    token: str
    plugins: PackedPlugins
    threads: int = 0

    def on(self, workers: RayWorkers) -> RayJob:
        """Return it for workers that are known."""
        device = "cuda" if workers.on_gpu else "cpu"
        config = self.task.config.model_copy(update={"device": device})
        # Cells keep the versions and the device of the node that computes them.
        task = replace(self.task, config=config, environment=None)
        return replace(self, task=task, threads=workers.threads)


@dataclass(frozen=True)
class RayGreeting:
    """To the broker: what a worker says of itself.

    Attributes:
        name: Host and process.
        node: Id of the node, as Ray gives it.
        shares_folder: Whether it sees the run's folder of cells.
    """

    name: str
    node: str
    shares_folder: bool


@dataclass(frozen=True)
class RayOrder:
    """To the broker: a unit to compute.

    Attributes:
        asked: The unit.
        needs: Finished cells and parts that it needs.
    """

    asked: Compute
    needs: tuple[Key, ...]

    @property
    def key(self) -> Key:
        """What names the unit."""
        return self.asked.fingerprint, self.asked.part


@dataclass(frozen=True)
class RayReady:
    """To the run: a cluster was found.

    Attributes:
        place: What to call it.
        workers: How many compute, and how.
    """

    place: str
    workers: RayWorkers


@dataclass(frozen=True)
class RayNews:
    """To the run: what the worker that computes a unit tells.

    Attributes:
        key: The unit.
        worker: Name of the worker.
        message: What it tells; an `Ended` is the last.
    """

    key: Key
    worker: str
    message: object
