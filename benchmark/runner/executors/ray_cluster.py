"""The Ray cluster of a run: where it is, and how many workers fit on it."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from benchmark.core.errors import EnvironmentProblem, UsageError

ADDRESS = "RAY_ADDRESS"
"""Ray's own variable for the address of a cluster."""

ANSWER_SECONDS = 10.0
"""How long the head of a cluster may take to answer."""

_START = (
    f"start it with 'ray start --head', correct {ADDRESS}, or unset it for a cluster of its own"
)


@dataclass(frozen=True)
class RayNode:
    """What a node of a cluster offers.

    Attributes:
        cores: CPUs, as Ray counts them.
        gpus: GPUs.
    """

    cores: int
    gpus: int = 0


@dataclass(frozen=True)
class RayWorkers:
    """The workers of a run on a cluster, all of them alike.

    Attributes:
        count: How many.
        threads: CPUs of each.
        on_gpu: Whether each has a GPU of its own.
    """

    count: int
    threads: int
    on_gpu: bool

    def fit(self, nodes: Sequence[RayNode]) -> int:
        """Return how many of them fit on nodes."""
        return _places(nodes, self.threads, self.on_gpu)


def check_ray_is_installed() -> None:
    """Look for Ray, without importing it.

    Raises:
        UsageError: It is not installed.
    """
    if find_spec("ray") is None:
        raise UsageError(
            "--executor ray needs Ray, which is not installed",
            "install it with: pip install 'reid-robustbench[ray]', or use --executor local",
        )


def connect() -> str:
    """Connect this process to a cluster; return what to call it.

    It is the one at ``$RAY_ADDRESS``, else one that runs on this machine, else an own one that
    ends with this process.

    Raises:
        UsageError: No cluster is at the address, or it refuses.
    """
    import ray

    address = os.environ.get(ADDRESS, "")
    quiet = {"log_to_driver": False, "logging_level": logging.WARNING}
    if address == "local":
        return _start_own(quiet)
    if address not in ("", "auto"):
        _check_answer(address)
    try:
        ray.init(address=address or "auto", **quiet)
    except ConnectionError as error:
        if address:
            raise UsageError(f"no Ray cluster at {ADDRESS} = {address!r}", _START) from error
        return _start_own(quiet)
    except Exception as error:
        raise UsageError(f"the Ray cluster refuses: {_in_a_line(error)}", _START) from error
    return f"the Ray cluster at {ray.get_runtime_context().gcs_address}"


def _start_own(options: Mapping[str, Any]) -> str:
    """Start a cluster on this machine; return what to call it.

    Ray 2.60 gives up if its own processes are not there within 15 s, which a busy machine may need.
    """
    import ray

    for tries_left in (2, 1, 0):
        try:
            ray.init(address="local", include_dashboard=False, **options)
            break
        except Exception as error:
            ray.shutdown()
            if not tries_left:
                raise EnvironmentProblem(
                    f"Ray does not start here: {_in_a_line(error)}",
                    "try again when the machine is less busy, or use --executor local",
                ) from error
    return "a Ray cluster of its own on this machine"


def _in_a_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


def living_nodes() -> dict[str, RayNode]:
    """Return the nodes of the cluster that this process is connected to, by their ids."""
    import ray

    return {
        node["NodeID"]: RayNode(
            int(node["Resources"].get("CPU", 0)), int(node["Resources"].get("GPU", 0))
        )
        for node in ray.nodes()
        if node["Alive"]
    }


def workers_on(nodes: Sequence[RayNode], device: str, wanted: int | None) -> RayWorkers:
    """Return the workers of a run: as many as are wanted, with as many threads as fit then.

    By default there is one for each GPU, or one for each two cores of a node.

    Args:
        nodes: The nodes of the cluster.
        device: ``auto``, ``cpu`` or ``cuda``; auto takes GPUs where there are some.
        wanted: Workers that were asked for.

    Raises:
        UsageError: There are fewer GPUs or cores.
    """
    gpus, cores = sum(node.gpus for node in nodes), [node.cores for node in nodes]
    on_gpu = device == "cuda" or (device == "auto" and gpus > 0)
    if on_gpu and not gpus:
        raise UsageError(
            "no node of the Ray cluster has a GPU", "use --device cpu, or add nodes with GPUs"
        )
    most = _places(nodes, 1, on_gpu)
    if not most:
        raise EnvironmentProblem(
            "the Ray cluster has no CPU for a worker",
            "start its nodes with 'ray start --address=HOST:PORT', without --num-cpus=0",
        )
    count = wanted or (most if on_gpu else sum(max(1, n // 2) for n in cores if n))
    if count > most:
        kind = "GPUs" if on_gpu else "CPUs"
        raise UsageError(
            f"{count} workers, but the Ray cluster has {most} {kind} for them",
            f"give --workers {most} or fewer, or add nodes to the cluster",
        )
    threads = next(t for t in range(max(cores), 0, -1) if _places(nodes, t, on_gpu) >= count)
    return RayWorkers(count, threads, on_gpu)


def _places(nodes: Sequence[RayNode], threads: int, on_gpu: bool) -> int:
    """Return how many workers with some threads fit on nodes."""
    fits = [(node.cores // threads, node.gpus) for node in nodes]
    return sum(min(places, gpus) if on_gpu else places for places, gpus in fits)


def _check_answer(address: str) -> None:
    """Ask the head for an answer: Ray itself would try for minutes, and end the process then."""
    host, _, port = address.rpartition(":")
    if "://" in address or not host or not port.isdecimal():
        raise UsageError(
            f"{ADDRESS} = {address!r} is no HOST:PORT",
            "give that of the cluster's head, as 'ray start --head' prints it, on a node of it",
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), ANSWER_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise UsageError(f"no Ray cluster answers at {ADDRESS} = {address!r}", _START) from error
